use event::{Explanation, Finding, TableName};

use crate::error::Error;
use crate::session::{quote_name, quote_table, quote_text};
use crate::system::Flavour;

/// What keeps a pipeline from running until a person decides or mends something. Each says what was found, why going
/// on would lose or invent rows, and what to do.
///
/// | code | what was found |
/// |---|---|
/// | `CDC-MY-020` | the server writes no binary log |
/// | `CDC-MY-021` | a change was logged as a statement |
/// | `CDC-MY-022` | the server has purged a part of its log that is still needed |
/// | `CDC-MY-023` | the server is another one, and there are no GTIDs to go on by |
/// | `CDC-MY-024` | the server lacks transactions that were delivered |
/// | `CDC-MY-025` | another reader has the same server id |
/// | `CDC-MY-026` | the user may not read the log |
/// | `CDC-MY-027` | the server says that its log lacks something |
/// | `CDC-MY-028` | an event can't be decoded |
/// | `CDC-MY-029` | it is not known what the columns of a table mean |
/// | `CDC-MY-030` | the rows of a prepared transaction are not to be had any more |
/// | `CDC-MY-031` | a transaction takes back rows that were sent |
/// | `CDC-MY-032` | a table can't be sent as `[[table]]` says |
/// | `CDC-MY-033` | the log ends before the checkpoint |
/// | `CDC-MY-034` | the server and the checkpoint don't both have GTIDs |
/// | `CDC-MY-050` | the user may not read or lock a table |
/// | `CDC-MY-051` | a part of a table can't be loaded as it was asked for |
/// | `CDC-MY-052` | a snapshot was held for longer than it may |
/// | `CDC-MY-053` | a table can't be read as it was at one moment |
/// | `CDC-MY-054` | no table matches, of those that the user may see |
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.explanation())]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Refusal {
    NoLog,
    Statement { flavour: Flavour, place: String, what: String },
    Purged { flavour: Flavour, missing: String, tables: String },
    OtherServer { expected: String, found: String, tables: String },
    Diverged { extra: String, tables: String },
    ServerIdTaken { server_id: u32, said: String },
    Rights { user: String, said: String, sql: String },
    NoTables { account: String },
    Incident { place: String, message: String },
    Decoding { place: String, error: decoder::Error },
    Undefined { flavour: Flavour, place: String, table: TableName, problem: String },
    PreparedGone { place: String, xid: String, from: String },
    TakenBack { place: String, table: TableName },
    Rules { table: TableName, problem: String },
    Rewound { log_end: String, checkpoint: String, tables: String },
    GtidsSwitched { problem: String },
    Unreadable { table: TableName, said: String, sql: Vec<String> },
    Part { table: TableName, problem: String },
    SnapshotTooLong { table: TableName, minutes: u64 },
    NoSnapshot { table: TableName, engine: String },
}

impl Refusal {
    /// The stable code, explained in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoLog => "CDC-MY-020",
            Self::Statement { .. } => "CDC-MY-021",
            Self::Purged { .. } => "CDC-MY-022",
            Self::OtherServer { .. } => "CDC-MY-023",
            Self::Diverged { .. } => "CDC-MY-024",
            Self::ServerIdTaken { .. } => "CDC-MY-025",
            Self::Rights { .. } => "CDC-MY-026",
            Self::Incident { .. } => "CDC-MY-027",
            Self::Decoding { .. } => "CDC-MY-028",
            Self::Undefined { .. } => "CDC-MY-029",
            Self::PreparedGone { .. } => "CDC-MY-030",
            Self::TakenBack { .. } => "CDC-MY-031",
            Self::Rules { .. } => "CDC-MY-032",
            Self::Rewound { .. } => "CDC-MY-033",
            Self::GtidsSwitched { .. } => "CDC-MY-034",
            Self::Unreadable { .. } => "CDC-MY-050",
            Self::Part { .. } => "CDC-MY-051",
            Self::SnapshotTooLong { .. } => "CDC-MY-052",
            Self::NoSnapshot { .. } => "CDC-MY-053",
            Self::NoTables { .. } => "CDC-MY-054",
        }
    }

    /// Whether it may be gone later without anybody's help: none is.
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// In words.
    pub fn explanation(&self) -> Explanation {
        match self {
            Self::NoLog => Explanation::new(
                "the server writes no binary log (log_bin is OFF)".to_owned(),
                "changes are read from there",
                "set log_bin in its configuration file, with binlog_format = ROW and binlog_row_metadata = FULL, and \
                 restart it",
            ),
            Self::Statement { flavour, place, what } => Explanation::new(
                format!("at {place} the log has a change as a statement and not as rows ({what})"),
                "which rows it changed can't be told from the log",
                "set binlog_format = ROW, also in the session that wrote this, and start over with a new snapshot of \
                 the tables that it wrote to: cdc snapshot --new-epoch",
            )
            .with_sql(set(*flavour, "binlog_format", "ROW")),
            Self::Purged { flavour, missing, tables } => Explanation::new(
                format!("the server has purged a part of its binary log that is still needed: {missing}"),
                format!("changes in it are lost to this pipeline, of {tables}"),
                "start over with cdc snapshot --new-epoch, and let the server keep its log for longer",
            )
            .with_sql(set(*flavour, "binlog_expire_logs_seconds", "604800")),
            Self::OtherServer { expected, found, tables } => Explanation::new(
                format!("the checkpoint is of server {expected}, and this is {found}"),
                format!(
                    "a file and an offset mean nothing in another server's log, and there are no GTIDs to go on by \
                     ({tables})"
                ),
                "point the URL at the server, or start over with cdc snapshot --new-epoch; with GTIDs on both servers \
                 a pipeline goes on after a failover",
            ),
            Self::Diverged { extra, tables } => Explanation::new(
                format!("the server lacks transactions that were delivered: {extra}"),
                format!("consumers have rows that it never had, or has lost, of {tables}"),
                "point the URL at the server that has them, or start over with cdc snapshot --new-epoch",
            ),
            Self::ServerIdTaken { server_id, said } => Explanation::new(
                format!("another reader of this server has the server id {server_id} ({said})"),
                "the server ends one stream for the other, over and over",
                "give this pipeline a [source.mysql] server_id of its own, or leave it out: then a free one is chosen",
            ),
            Self::NoTables { account } => Explanation::new(
                "no table matches [source.mysql] tables, of those that this user may see".to_owned(),
                "nothing would be loaded or sent; a user sees only the tables that it has some right to",
                "mend the patterns, or as an administrator, for each database",
            )
            .with_sql([format!("GRANT SELECT, LOCK TABLES ON `…`.* TO {account};")]),
            Self::Rights { user, said, sql } => Explanation::new(
                format!("the user {user} may not read the binary log ({said})"),
                "changes are read from there",
                "as an administrator",
            )
            .with_sql([sql.clone()]),
            Self::Incident { place, message } => Explanation::new(
                format!("at {place} the server says that its log lacks something ({message})"),
                "changes may be missing, and of which tables is not told",
                "start over with cdc snapshot --new-epoch",
            ),
            Self::Decoding { place, error } => Explanation::new(
                format!("at {place}: {error}"),
                "nothing is skipped, so the pipeline stops here",
                "report it with this message, which holds no row values",
            ),
            Self::Undefined { flavour, place, table, problem } => Explanation::new(
                format!("at {place} there are rows of {table}, and {problem}"),
                "what its columns mean would be a guess",
                "let the log say it, and load the table again: cdc snapshot --table",
            )
            .with_sql(set(*flavour, "binlog_row_metadata", "FULL")),
            Self::PreparedGone { place, xid, from } => Explanation::new(
                format!("at {place} the transaction {xid} is committed, whose rows are at {from}, which is not there any more"),
                "its changes are lost to this pipeline",
                "start over with cdc snapshot --new-epoch, and let the server keep its log for longer than transactions \
                 stay prepared",
            ),
            Self::TakenBack { place, table } => Explanation::new(
                format!(
                    "at {place} a transaction goes back to a savepoint, after more changes than are held back, the first of {table}"
                ),
                "the changes that it takes back were sent",
                "keep tables of engines without transactions out of such transactions, and start over with cdc snapshot \
                 --new-epoch",
            ),
            Self::Rules { table, problem } => Explanation::new(
                format!("{table} can't be sent as its [[table]] section says"),
                problem,
                "mend the section, or the table",
            ),
            Self::Rewound { log_end, checkpoint, tables } => Explanation::new(
                format!("the server's log ends at {log_end}, before the checkpoint {checkpoint}"),
                format!("it was reset, or lost what was delivered, of {tables}"),
                "start over with cdc snapshot --new-epoch",
            ),
            Self::GtidsSwitched { problem } => Explanation::new(
                problem.clone(),
                "which of the server's transactions were delivered can't be told",
                "switch GTIDs back, or start over with cdc snapshot --new-epoch",
            ),
            Self::Unreadable { table, said, sql } => Explanation::new(
                format!("{table} can't be loaded ({said})"),
                "it is locked for a moment, while its rows are looked at: else nobody could say which changes they contain",
                "as an administrator",
            )
            .with_sql(sql.clone()),
            Self::Part { table, problem } => Explanation::new(
                format!("a part of {table} can't be loaded"),
                problem,
                "ask for another part, or for all of it: cdc snapshot --table without --where and --columns",
            ),
            Self::SnapshotTooLong { table, minutes } => Explanation::new(
                format!("{table} was being read under one snapshot for more than {minutes} minutes"),
                "the server keeps all that was changed since then for as long as a snapshot is held",
                "raise [load] snapshot_max_minutes, give the sink more room, or give the table a key of one integer column: \
                 then it is read range by range",
            ),
            Self::NoSnapshot { table, engine } => Explanation::new(
                format!("{table} is large, and its engine {engine} can't show it as it was at one moment"),
                "it would have to be locked against writing for as long as it is read",
                "give it another engine, or leave it out (exclude_tables)",
            )
            .with_sql([format!("ALTER TABLE {} ENGINE = InnoDB;", quote_table(table))]),
        }
    }

    /// What keeps a user from reading or locking a table becomes an error that says what to grant: which right it is, the
    /// server says in its own language.
    pub(crate) fn of_denied(error: Error, table: &TableName, user: &str) -> Error {
        // Of a database, a table, a column, and of what belongs to all of the server.
        const DENIED: [u16; 4] = [1044, 1142, 1143, 1227];
        let Error::Server { error: said, .. } = &error else { return error };
        if !DENIED.contains(&said.number) {
            return error;
        }
        let (of_table, of_database, user) = (quote_table(table), quote_name(&table.schema), quote_text(user));
        let sql = vec![
            format!("GRANT SELECT ON {of_table} TO {user}@'%';"),
            format!("GRANT LOCK TABLES ON {of_database}.* TO {user}@'%';"),
            format!("GRANT REPLICATION CLIENT ON *.* TO {user}@'%';"),
        ];
        Self::Unreadable { table: table.clone(), said: said.message.clone(), sql }.into()
    }

    /// Of a user who may not read the log, from what the server said.
    pub(crate) fn rights(user: &str, said: &str) -> Self {
        let sql = format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {}@'%';", quote_text(user));
        Self::Rights { user: user.to_owned(), said: said.to_owned(), sql }
    }
}

/// A setting for good.
pub(crate) fn set(flavour: Flavour, name: &str, value: &str) -> [String; 1] {
    [match flavour {
        Flavour::Mysql => format!("SET PERSIST {name} = {value};"),
        Flavour::Mariadb => {
            format!(
                "SET GLOBAL {name} = {value}; -- and in the server's configuration file: a restart forgets it"
            )
        }
    }]
}

impl From<&Refusal> for Finding {
    fn from(refusal: &Refusal) -> Self {
        Self { code: refusal.code(), is_warning: false, explanation: refusal.explanation() }
    }
}

use std::fmt;

use event::{Explanation, Finding, Lsn, TableName, list_names};

use crate::sql::quote_name;

/// What keeps a pipeline from running until a person decides or mends something. Each says what was found, why going
/// on would lose or invent rows, and what to do.
///
/// | code | what was found |
/// |---|---|
/// | `CDC-PG-020` | `wal_level` is not `logical` |
/// | `CDC-PG-021` | the publication is missing or lacks tables, and this role may not change it |
/// | `CDC-PG-022` | the publication leaves out kinds of changes |
/// | `CDC-PG-023` | the slot is lost: the server removed WAL that it still needed |
/// | `CDC-PG-024` | the slot is gone |
/// | `CDC-PG-025` | the slot is of another kind or database |
/// | `CDC-PG-026` | the slot is ahead of the checkpoint |
/// | `CDC-PG-027` | there is a slot, but no checkpoint |
/// | `CDC-PG-028` | the server is another one |
/// | `CDC-PG-029` | the checkpoint lies beyond the point where the server's timeline branched off |
/// | `CDC-PG-030` | the server can't decode its WAL at this place |
/// | `CDC-PG-031` | tables without a replica identity |
/// | `CDC-PG-032` | no table matches |
/// | `CDC-PG-033` | a table can't be read whole by this role |
/// | `CDC-PG-034` | the server is a standby |
/// | `CDC-PG-035` | a message can't be decoded |
/// | `CDC-PG-040` | a table can't be sent as `[[table]]` says |
/// | `CDC-PG-041` | the slot is being read by another |
/// | `CDC-PG-042` | the publication holds none of the tables |
/// | `CDC-PG-043` | the role may not read the log |
/// | `CDC-PG-044` | the log ends before the checkpoint |
/// | `CDC-PG-055` | a proxy in between does not speak replication |
/// | `CDC-PG-057` | a load would hold its snapshot longer than it may |
/// | `CDC-PG-058` | a table can't be read in part |
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.explain())]
#[non_exhaustive]
#[allow(missing_docs)] // The explanations say it.
pub enum Refusal {
    WalLevel { found: String },
    Publication { publication: String, problem: String, why: String, sql: String },
    PublishedOperations { publication: String, missing: String },
    NotPublished { publication: String, published: String },
    SlotLost { slot: String, why: String, checkpoint: String },
    SlotMissing { slot: String, checkpoint: Lsn, tables: String },
    SlotForeign { slot: String, problem: String },
    SlotActive { slot: String, reader: String },
    NoReplicationRight { role: String, said: String },
    SlotAhead { slot: String, confirmed: Lsn, checkpoint: Lsn, tables: String },
    SlotUnknown { slot: String, confirmed: Lsn, state: String },
    OtherSystem { expected: String, found: String },
    Diverged { timeline: u32, before: u32, switch: Lsn, checkpoint: Lsn, tables: String },
    Rewound { log_end: Lsn, checkpoint: Lsn, tables: String },
    DecodingDead { checkpoint: Lsn, error: String },
    NoReplicaIdentity { tables: String, sql: Vec<String> },
    NoTables { database: String, seen: String },
    Unreadable { table: TableName, problem: String, mend: String, sql: Vec<String> },
    Standby,
    Rules { table: TableName, problem: String },
    Decoding { position: Lsn, error: decoder::Error },
    Proxy { server: String, said: String },
    SnapshotTooLong { table: TableName, minutes: u64 },
    Part { table: TableName, problem: String },
}

impl Refusal {
    /// There is no slot, and these tables have a checkpoint.
    pub fn missing_slot(
        slot: String,
        checkpoint: Lsn,
        tables: impl IntoIterator<Item = impl fmt::Display>,
    ) -> Self {
        Self::SlotMissing { slot, checkpoint, tables: list_names(tables) }
    }

    /// The stable code, explained in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WalLevel { .. } => "CDC-PG-020",
            Self::Publication { .. } => "CDC-PG-021",
            Self::PublishedOperations { .. } => "CDC-PG-022",
            Self::SlotLost { .. } => "CDC-PG-023",
            Self::SlotMissing { .. } => "CDC-PG-024",
            Self::SlotForeign { .. } => "CDC-PG-025",
            Self::SlotAhead { .. } => "CDC-PG-026",
            Self::SlotUnknown { .. } => "CDC-PG-027",
            Self::OtherSystem { .. } => "CDC-PG-028",
            Self::Diverged { .. } => "CDC-PG-029",
            Self::DecodingDead { .. } => "CDC-PG-030",
            Self::NoReplicaIdentity { .. } => "CDC-PG-031",
            Self::NoTables { .. } => "CDC-PG-032",
            Self::Unreadable { .. } => "CDC-PG-033",
            Self::Standby => "CDC-PG-034",
            Self::Decoding { .. } => "CDC-PG-035",
            Self::Rules { .. } => "CDC-PG-040",
            Self::SlotActive { .. } => "CDC-PG-041",
            Self::NotPublished { .. } => "CDC-PG-042",
            Self::NoReplicationRight { .. } => "CDC-PG-043",
            Self::Rewound { .. } => "CDC-PG-044",
            Self::Proxy { .. } => "CDC-PG-055",
            Self::SnapshotTooLong { .. } => "CDC-PG-057",
            Self::Part { .. } => "CDC-PG-058",
        }
    }

    /// Whether it may pass by itself: the server takes a while to give a reader up that is gone.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::SlotActive { .. })
    }

    /// What was found, why it matters, what mends it.
    pub fn explain(&self) -> Explanation {
        let new_epoch = "start over with `cdc snapshot --new-epoch`, which loads all tables again";
        match self {
            Self::WalLevel { found } => Explanation::new(
                format!("wal_level is `{found}`"),
                "the log does not hold row changes",
                "as a superuser, and then restart the server (a managed one: `cdc check` says what to do there)",
            )
            .with_sql(["ALTER SYSTEM SET wal_level = 'logical';".to_owned()]),
            Self::Publication { publication, problem, why, sql } => Explanation::new(
                format!("publication \"{publication}\" {problem}"),
                why,
                "as the owner of the tables",
            )
            .with_sql([sql.clone()]),
            Self::PublishedOperations { publication, missing } => Explanation::new(
                format!("publication \"{publication}\" leaves out {missing}"),
                "those changes would be lost without a trace",
                "as its owner",
            )
            .with_sql([format!(
                "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');",
                quote_name(publication)
            )]),
            Self::NotPublished { publication, published } => Explanation::new(
                format!("publication \"{publication}\" holds none of the tables that are asked for"),
                "the server sends the changes of published tables alone",
                format!("choose among those that it holds ({published}), or another publication"),
            ),
            Self::SlotLost { slot, why, checkpoint } => Explanation::new(
                format!("slot \"{slot}\" is lost ({why})"),
                format!("the changes after {checkpoint} can't be had any more, so the tables need a reload"),
                format!("{new_epoch}. Raise max_slot_wal_keep_size if this was a long standstill"),
            ),
            Self::SlotMissing { slot, checkpoint, tables } => Explanation::new(
                format!("slot \"{slot}\" does not exist on this server, but the checkpoint stands at {checkpoint}"),
                "it was dropped, or the server was failed over or restored without it; changes since then may be gone, \
                 so the tables need a reload",
                format!("{new_epoch}: {tables}"),
            ),
            Self::SlotForeign { slot, problem } => Explanation::new(
                format!("slot \"{slot}\" {problem}"),
                "this pipeline can't go on from it",
                "choose another name under [source.postgres] slot, or drop it",
            ),
            Self::SlotActive { slot, reader } => Explanation::new(
                format!("slot \"{slot}\" is being read by {reader}"),
                "a slot has one reader, and what that one confirms is gone for any other",
                "stop it for good (our own predecessor's connection goes by itself), or choose another slot under \
                 [source.postgres] slot",
            ),
            Self::NoReplicationRight { role, said } => Explanation::new(
                format!("role \"{role}\" may not read the log ({said})"),
                "changes come from there",
                "as a superuser (a managed server has a role of its own for that instead: on Amazon RDS, GRANT \
                 rds_replication)",
            )
            .with_sql([format!("ALTER ROLE {} REPLICATION;", quote_name(role))]),
            Self::SlotAhead { slot, confirmed, checkpoint, tables } => Explanation::new(
                format!("slot \"{slot}\" was confirmed up to {confirmed}, beyond the checkpoint at {checkpoint}"),
                "somebody else read from it, or the state folder is an old copy; the changes in between would be skipped",
                format!("{new_epoch}: {tables}"),
            ),
            Self::SlotUnknown { slot, confirmed, state } => Explanation::new(
                format!("slot \"{slot}\" exists (confirmed up to {confirmed}), but there is no checkpoint in {state}"),
                "it belongs to another pipeline, or this one's state folder is lost",
                "restore the folder; or drop the slot (`cdc slot drop`) and start over; or take the slot over, if its \
                 reader is gone for good (`cdc init --adopt-slot`)",
            ),
            Self::OtherSystem { expected, found } => Explanation::new(
                format!("this server's system identifier is {found}, the checkpoint was made with {expected}"),
                "it is another cluster, where the checkpoint's position means nothing",
                format!("mend the URL, or {new_epoch}"),
            ),
            Self::Diverged { timeline, before, switch, checkpoint, tables } => Explanation::new(
                format!(
                    "the server is on timeline {timeline} now, which branched off at {switch}; the checkpoint stands at \
                     {checkpoint} of timeline {before}"
                ),
                "transactions were delivered that this server never had",
                format!("{new_epoch}: {tables}"),
            ),
            Self::Rewound { log_end, checkpoint, tables } => Explanation::new(
                format!("the server's log ends at {log_end}, before the checkpoint at {checkpoint}"),
                "it was restored from a backup: transactions were delivered that it does not have any more",
                format!("{new_epoch}: {tables}"),
            ),
            Self::DecodingDead { checkpoint, error } => Explanation::new(
                format!("the server can't decode its WAL after {checkpoint} ({error})"),
                "trying again will not help: the slot will never move past it",
                new_epoch,
            ),
            Self::NoReplicaIdentity { tables, sql } => Explanation::new(
                format!("tables without a primary key or other replica identity: {tables}"),
                "publishing them as they are would make the application's own UPDATE and DELETE fail",
                "give them a primary key, or list them in [source.postgres] exclude_tables, or as their owner",
            )
            .with_sql(sql.iter().cloned()),
            Self::NoTables { database, seen } => Explanation::new(
                "no table matches [source.postgres] tables".to_owned(),
                "there is nothing to send",
                format!("mend the patterns; in database \"{database}\" this role sees: {seen}"),
            ),
            Self::Unreadable { table, problem, mend, sql } => Explanation::new(
                format!("table {table} can't be read whole by this role ({problem})"),
                "a load would fail, or lack rows",
                mend,
            )
            .with_sql(sql.iter().cloned()),
            Self::Standby => Explanation::new(
                "the server is a standby (in recovery)".to_owned(),
                "before version 16 a standby does not decode its log",
                "point the URL at the primary (on Amazon Aurora the writer's endpoint), or add target_session_attrs=primary",
            ),
            Self::Rules { table, problem } => Explanation::new(
                format!("{table} can't be sent as its [[table]] section says"),
                problem,
                "mend the section, or the table",
            ),
            Self::Proxy { server, said } => Explanation::new(
                format!("{server} is a proxy that does not speak replication ({said})"),
                "changes come over a replication connection, and a load shares a snapshot between sessions",
                "give the database's own address in [source.postgres] url (Supabase: the direct connection, not the pooler's; \
                 Neon: the host without `-pooler`; PgBouncer passes replication on since 1.23)",
            ),
            Self::SnapshotTooLong { table, minutes } => Explanation::new(
                format!("reading {table} held a snapshot for {minutes} minutes, and is not over"),
                "meanwhile the server can't clean up, in any table",
                "allow more time by [load] snapshot_max_minutes (0: as long as it takes), leave the table out, or give it a \
                 primary key of one integer, uuid or date column: then it is read in ranges, each under a snapshot of its own",
            ),
            Self::Part { table, problem } => Explanation::new(
                format!("a part of {table} can't be read as asked"),
                problem,
                "ask for another part, or for the whole table",
            ),
            Self::Decoding { position, error } => Explanation::new(
                format!("after {position}: {error}"),
                "nothing is skipped, so the pipeline stops here",
                "report it with this message, which holds no row values",
            ),
        }
    }
}

impl From<&Refusal> for Finding {
    fn from(refusal: &Refusal) -> Self {
        Self { code: refusal.code(), is_warning: false, explanation: refusal.explain() }
    }
}

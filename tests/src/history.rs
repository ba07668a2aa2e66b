//! What a source did, by its own account.
//!
//! PostgreSQL's `test_decoding` tells it: a second slot, and a decoder that is not ours. Each DDL statement also writes into
//! the log which columns are the key of which table from there on, because `test_decoding` does not tell that. MySQL and
//! MariaDB tell it by a replica (`mirror`), which reads the log with their own code.
//!
//! A source is followed from before the first table is there.

mod float;
mod mirror;
mod parse;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::float::canonical;
pub(crate) use self::float::float_text;
use self::mirror::Mirror;
pub(crate) use self::mirror::datum as mirrored;
use self::parse::{Line, parse};
use crate::database::Database;
use crate::session::Session;

/// All that was committed, in the order of the commits.
#[derive(Debug, Default)]
pub struct History {
    /// Those that left anything behind.
    pub transactions: Vec<Transaction>,
    /// Messages that belong to no transaction: prefix, content.
    pub loose_messages: Vec<(u64, String, String)>,
    /// At the end, by name: the table's rows.
    pub tables: BTreeMap<String, Vec<Tuple>>,
    /// Whether the source's log leaves out columns that this history has (`binlog_row_image`).
    pub leaves_out: bool,
}

/// One that was committed.
#[derive(Debug)]
pub struct Transaction {
    /// As the server counts.
    pub xid: String,
    /// Right after its commit record.
    pub end: u64,
    /// As `timestamptz` text in UTC.
    pub commit_time: String,
    /// In the order in which they happened.
    pub changes: Vec<Change>,
}

/// One change of a row, a truncated table, or a message.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where it stands in the log.
    pub lsn: u64,
    /// Whose; empty for a message.
    pub table: String,
    /// What was known of the table then.
    pub identity: Arc<Identity>,
    /// What happened.
    pub kind: Kind,
}

/// How a table's rows are told apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its key's columns.
    pub key: Vec<String>,
    /// All its columns.
    pub columns: Vec<String>,
    /// Whether the log has old rows as a whole.
    pub is_full: bool,
}

/// What happened.
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Insert { new: Tuple },
    Update { old: Option<Tuple>, new: Tuple },
    Delete { old: Tuple },
    Truncate,
    Message { prefix: String, content: String },
}

/// Columns and what they hold. Of old rows, nulls are left out.
pub type Tuple = BTreeMap<String, Datum>;

/// What a column holds.
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Datum {
    Null,
    /// Stored out of line and not told.
    Unchanged,
    /// Not part of this image of the row.
    Omitted,
    /// The server's text.
    Text(String),
}

const SLOT: &str = "history";
/// Tells which tables have which key.
const IDENTITIES: &str = "history";

/// Follows a source.
#[derive(Debug)]
pub struct Recorder(Option<Mirror>);

impl Recorder {
    /// Begins: before any table is there.
    pub fn begin(database: &Database) -> Self {
        match database {
            Database::Postgres(_) => {
                begin_slot(&database.session());
                Self(None)
            }
            Database::Mysql(mysql) => Self(Some(Mirror::of(mysql))),
        }
    }

    /// Follows through `restart`, in which the source is killed and started again.
    pub fn through(&self, restart: impl FnOnce()) {
        if let Some(mirror) = &self.0 {
            mirror.let_go();
        }
        restart();
        if let Some(mirror) = &self.0 {
            mirror.go_on();
        }
    }

    /// Reads what was done to its end, which must have been written to disk: nothing is written any more.
    ///
    /// # Errors
    /// If the database's rows are not what its own log tells.
    pub fn read(&self, database: &Database) -> Result<History, String> {
        let session = database.session();
        match (database, &self.0) {
            (Database::Mysql(mysql), Some(mirror)) => mirror.read(mysql, &session),
            _ => Ok(read_slot(&session)),
        }
    }
}

impl History {
    /// How many changes of rows.
    pub fn len(&self) -> usize {
        self.transactions.iter().map(|transaction| transaction.changes.len()).sum()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn begin_slot(session: &Session) {
    session.execute(&format!(
            "SELECT pg_create_logical_replication_slot('{SLOT}', 'test_decoding'); \
             CREATE SCHEMA history; \
             CREATE FUNCTION history.tell() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
               PERFORM pg_logical_emit_message(true, '{IDENTITIES}', ( \
                 SELECT coalesce(json_object_agg(relname, json_build_object('is_full', relreplident = 'f', 'columns', ( \
                   SELECT coalesce(json_agg(attname), '[]') FROM pg_attribute \
                   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), 'key', ( \
                   SELECT coalesce(json_agg(attname), '[]') FROM pg_index i JOIN pg_attribute a ON a.attrelid = indrelid \
                   WHERE indrelid = c.oid AND attnum = ANY (indkey) \
                     AND CASE relreplident WHEN 'i' THEN indisreplident ELSE indisprimary END))), '{{}}') \
                 FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)::text); \
             END $$; \
             CREATE EVENT TRIGGER history ON ddl_command_end EXECUTE FUNCTION history.tell()"
        ));
}

fn read_slot(session: &Session) -> History {
    // With little memory 18.6 spills what it decodes, and its backend dies of a segmentation fault now and then.
    session.execute(
        "SET datestyle = 'ISO'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; \
             SET logical_decoding_work_mem = '1GB'",
    );
    let mut reader = Reader::default();
    loop {
        let rows = session.rows(&format!(
            "SELECT lsn - '0/0', data FROM pg_logical_slot_get_changes('{SLOT}', NULL, 20000, \
                   'include-timestamp', 'on')"
        ));
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let [Some(lsn), Some(data)] = &row[..] else { panic!("{row:?}") };
            reader.take(lsn.parse().expect("a position"), data);
        }
    }
    let mut history = reader.history;
    for row in session
        .rows("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    {
        let name = row[0].clone().expect("a name");
        history.tables.insert(name.clone(), rows_of(session, &name));
    }
    history
}

/// A column or a table that is renamed keeps what comes before `_r`: so it is known again.
pub fn lasting_name(name: &str) -> &str {
    name.split_once("_r").map_or(name, |(lasting, _)| lasting)
}

#[derive(Default)]
struct Reader {
    history: History,
    identities: BTreeMap<String, Arc<Identity>>,
    open: Option<Transaction>,
}

impl Reader {
    fn take(&mut self, lsn: u64, data: &str) {
        match parse(data) {
            Line::Begin { xid } => {
                self.open =
                    Some(Transaction { xid, end: 0, commit_time: String::new(), changes: Vec::new() });
            }
            Line::Commit { time } => {
                let mut transaction = self.open.take().expect("BEGIN came before");
                transaction.end = lsn;
                transaction.commit_time = time;
                if !transaction.changes.is_empty() {
                    self.history.transactions.push(transaction);
                }
            }
            Line::Change { table, kind } => self.change(lsn, table, kind),
            Line::Truncate { tables } => {
                for table in tables {
                    self.change(lsn, table, Kind::Truncate);
                }
            }
            Line::Message { is_transactional: false, prefix, content } => {
                self.history.loose_messages.push((lsn, prefix, content));
            }
            Line::Message { prefix, content, .. } => {
                if prefix == IDENTITIES {
                    self.learn(&content);
                }
                let identity = Arc::default();
                self.push(Change {
                    lsn,
                    table: String::new(),
                    identity,
                    kind: Kind::Message { prefix, content },
                });
            }
        }
    }

    fn learn(&mut self, content: &str) {
        let tables: serde_json::Value = serde_json::from_str(content).expect("JSON");
        let tables = tables.as_object().expect("tables");
        let names = |list: &serde_json::Value| {
            let names = list.as_array().expect("names").iter();
            names.map(|name| name.as_str().expect("a name").to_owned()).collect()
        };
        let identity = |table: &serde_json::Value| Identity {
            key: names(&table["key"]),
            columns: names(&table["columns"]),
            is_full: table["is_full"] == true,
        };
        self.identities =
            tables.iter().map(|(name, table)| (name.clone(), Arc::new(identity(table)))).collect();
    }

    /// Partitioned tables have no rows of their own, and other schemas are nobody's business.
    fn change(&mut self, lsn: u64, (schema, table): (String, String), kind: Kind) {
        let Some(identity) = self.identities.get(&table).filter(|_| schema == "public") else { return };
        let identity = Arc::clone(identity);
        self.push(Change { lsn, table, identity, kind });
    }

    fn push(&mut self, change: Change) {
        self.open.as_mut().expect("BEGIN came before").changes.push(change);
    }
}

fn rows_of(session: &Session, table: &str) -> Vec<Tuple> {
    let name = format!("\"{}\"", table.replace('"', "\"\""));
    let columns: Vec<(String, String)> = session
        .rows(&format!(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute \
             WHERE attrelid = 'public.{}'::regclass AND attnum > 0 AND NOT attisdropped",
            name.replace('\'', "''")
        ))
        .into_iter()
        .map(|row| (row[0].clone().expect("a name"), row[1].clone().expect("a type")))
        .collect();
    let list: Vec<String> =
        columns.iter().map(|(column, _)| format!("\"{}\"", column.replace('"', "\"\""))).collect();
    let rows = session.rows(&format!("SELECT {} FROM ONLY public.{name}", list.join(", ")));
    let cell = |((name, type_name), text): (&(String, String), Option<String>)| {
        (name.clone(), canonical(type_name, text.map_or(Datum::Null, Datum::Text)))
    };
    rows.into_iter().map(|row| columns.iter().zip(row).map(cell).collect()).collect()
}

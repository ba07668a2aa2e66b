//! What is known of each row, and what was found and not yet delivered: one SQLite file.
//!
//! The one idea: **what is known and what is to be sent change in one transaction.** A row's new hash and its event are
//! written together; the event leaves the file once a sink has it durably. So a crash at any moment leaves either both
//! or none, and what is sent again is the same event to the byte, under the same ID.
//!
//! | table | what |
//! |---|---|
//! | `meta` | epoch, number of the last scan, who reads, where it is sent |
//! | `resource` | a line for each: the count of its changes, what its last scan came to |
//! | `shape` | the columns that events in the outbox, and rows, were written by |
//! | `row_<resource>` | key and fingerprint of each row: at most 60 bytes for seven columns |
//! | `free_slot` | places in the bitmap of seen rows that deleted rows have left |
//! | `outbox` | events, in the order in which they are sent |

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::{Column, TableName, TableSchema};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use crate::canonical::FORM;
use crate::error::Error;

/// The file, opened by one of those who share it: the reader, the sender, a command.
pub(crate) struct State {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
}

/// What is known of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: i64,
    /// Seeds the hashes of rows: another number makes all of them be sent again.
    pub(crate) hash_version: u64,
    /// Grows with every change of its columns: hashes of single columns are compared within one alone.
    pub(crate) generation: u8,
    /// Where the next new row is noted as seen, if no place is free.
    pub(crate) next_slot: u32,
    pub(crate) rows: u64,
    pub(crate) table_seq: u64,
    /// The greatest value of the `since` column, in canonical form.
    pub(crate) since: Option<Vec<u8>>,
    /// When the last full scan began, by the wall clock, in seconds; none: none was completed.
    pub(crate) full_scan_s: Option<i64>,
    /// Whether the next full scan may delete as many as it finds gone.
    pub(crate) deletes_confirmed: bool,
}

/// Of the file as a whole.
const FORMAT: i64 = 1;
const FILE: &str = "poll.sqlite";

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resource (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash_version INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0, shape INTEGER, next_slot INTEGER NOT NULL DEFAULT 0,
    rows INTEGER NOT NULL DEFAULT 0, table_seq INTEGER NOT NULL DEFAULT 0, since BLOB, full_scan_s INTEGER,
    deletes_confirmed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS shape (id INTEGER PRIMARY KEY, fingerprint INTEGER NOT NULL UNIQUE, definition TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS free_slot (resource INTEGER, slot INTEGER, PRIMARY KEY (resource, slot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, shape INTEGER NOT NULL, op INTEGER NOT NULL, scan INTEGER NOT NULL,
    seq INTEGER NOT NULL, table_seq INTEGER NOT NULL, captured_us INTEGER NOT NULL, cells BLOB NOT NULL, changed BLOB
);
";

impl State {
    /// Where it is, in a pipeline's folder.
    pub(crate) fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Opens the file in a pipeline's folder, and makes it if there is none.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        Self::at(&Self::file(folder))
    }

    /// The same, wherever it is.
    pub(crate) fn at(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::State { path: path.to_owned(), source };
        make_private(path)
            .map_err(|error| Error::ForeignState { path: path.to_owned(), problem: error.to_string() })?;
        let connection = Connection::open(path).map_err(failed)?;
        let mut state = Self { connection, path: path.to_owned() };
        // FULL: an event may be sent only once a power cut can't make it another one. 32 MB of pages in memory. A
        // checkpoint for every 32 MB of log: changes come with a page each where they are far apart.
        state
            .connection
            .execute_batch(
                "PRAGMA busy_timeout = 60000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA cache_size = -32768; PRAGMA temp_store = FILE; PRAGMA journal_size_limit = 67108864; \
                 PRAGMA wal_autocheckpoint = 8000;",
            )
            .map_err(failed)?;
        state.connection.set_prepared_statement_cache_capacity(64);
        state.prepare()?;
        Ok(state)
    }

    fn prepare(&mut self) -> Result<(), Error> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let found: i64 = self.write(|transaction| {
            transaction.execute_batch(TABLES)?;
            let insert = "INSERT OR IGNORE INTO meta VALUES (?1, ?2)";
            for (key, value) in [
                ("format", FORMAT),
                ("form", FORM.into()),
                ("epoch", now_s as i64),
                ("scan", 0),
                ("reader", 0),
            ] {
                transaction.execute(insert, params![key, value])?;
            }
            transaction.query_row("SELECT max(value) FROM meta WHERE key IN ('format', 'form')", [], |row| {
                row.get(0)
            })
        })?;
        if found > FORMAT.max(FORM.into()) {
            return Err(self.foreign(
                "it is of a later version of cdc: run that one, or set the file aside, which \
                                     sends all rows again",
            ));
        }
        Ok(())
    }

    /// In one transaction, which is durable when this returns.
    pub(crate) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let path = &self.path;
        let run = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|source| Error::State { path: path.clone(), source })
    }

    pub(crate) fn failed(&self) -> impl FnOnce(rusqlite::Error) -> Error + use<> {
        let path = self.path.clone();
        |source| Error::State { path, source }
    }

    pub(crate) fn foreign(&self, problem: impl Into<String>) -> Error {
        Error::ForeignState { path: self.path.clone(), problem: problem.into() }
    }

    pub(crate) fn meta(&self, key: &str) -> Result<Option<i64>, Error> {
        let query = "SELECT value FROM meta WHERE key = ?1";
        self.connection.query_row(query, [key], |row| row.get(0)).optional().map_err(self.failed())
    }

    /// Takes the file over from any reader before: what that one still writes is refused.
    pub(crate) fn take_over(&mut self) -> Result<i64, Error> {
        self.write(|transaction| {
            transaction.execute("UPDATE meta SET value = value + 1 WHERE key = 'reader'", [])?;
            transaction.query_row("SELECT value FROM meta WHERE key = 'reader'", [], |row| row.get(0))
        })
    }

    /// A number that no scan before has had.
    pub(crate) fn next_scan(&mut self) -> Result<u64, Error> {
        self.write(|transaction| {
            transaction.execute("UPDATE meta SET value = value + 1 WHERE key = 'scan'", [])?;
            transaction.query_row("SELECT value FROM meta WHERE key = 'scan'", [], |row| row.get(0))
        })
    }

    /// Where the events were sent so far; the first call decides.
    pub(crate) fn destination(&mut self, destination: &str) -> Result<String, Error> {
        self.write(|transaction| {
            transaction.execute("INSERT OR IGNORE INTO meta VALUES ('destination', ?1)", [destination])?;
            transaction.query_row("SELECT value FROM meta WHERE key = 'destination'", [], |row| row.get(0))
        })
    }

    /// What is known of a resource, which has these columns now.
    pub(crate) fn known(&mut self, schema: &TableSchema) -> Result<(Known, i64), Error> {
        let name = schema.name.to_string();
        self.write(|transaction| {
            let shape = shape_number(transaction, schema)?;
            transaction.execute("INSERT OR IGNORE INTO resource (name, shape) VALUES (?1, ?2)", params![name, shape])?;
            // Rows are told from one another by other columns now, or have others: what is known of single columns says
            // nothing.
            transaction.execute(
                "UPDATE resource SET generation = (generation + 1) % 256, shape = ?2 WHERE name = ?1 AND shape IS NOT ?2",
                params![name, shape],
            )?;
            let known = known(transaction, &name)?;
            transaction.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS {} (key BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID",
                rows_table(known.id)
            ))?;
            Ok((known, shape))
        })
    }

    /// Whether there is anything about a resource.
    pub(crate) fn is_known(&self, name: &str) -> Result<bool, Error> {
        let query = "SELECT count(*) > 0 FROM resource WHERE name = ?1";
        self.connection.query_row(query, [name], |row| row.get(0)).map_err(self.failed())
    }

    /// Whether a full scan of it was ever completed.
    pub(crate) fn was_read(&self, name: &TableName) -> Result<bool, Error> {
        let query = "SELECT full_scan_s IS NOT NULL FROM resource WHERE name = ?1";
        let was = self.connection.query_row(query, [name.to_string()], |row| row.get(0)).optional();
        Ok(was.map_err(self.failed())?.unwrap_or_default())
    }

    /// Whether somebody said that its rows may go.
    pub(crate) fn deletes_are_confirmed(&self, name: &TableName) -> Result<bool, Error> {
        let query = "SELECT deletes_confirmed FROM resource WHERE name = ?1";
        let are = self.connection.query_row(query, [name.to_string()], |row| row.get(0)).optional();
        Ok(are.map_err(self.failed())?.unwrap_or_default())
    }

    /// The schema that a number stands for.
    pub(crate) fn shape(&self, number: i64) -> Result<Arc<TableSchema>, Error> {
        let query = "SELECT definition FROM shape WHERE id = ?1";
        let definition: String =
            self.connection.query_row(query, [number], |row| row.get(0)).map_err(self.failed())?;
        let shape: ShapeText = serde_json::from_str(&definition)
            .map_err(|error| self.foreign(format!("shape {number}: {error}")))?;
        Ok(Arc::new(shape.into()))
    }
}

/// What is on its way to the sink is nobody else's business.
#[cfg(unix)]
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn make_private(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

pub(crate) fn known(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Known> {
    let query = "SELECT id, hash_version, generation, next_slot, rows, table_seq, since, full_scan_s, deletes_confirmed \
                 FROM resource WHERE name = ?1";
    transaction.query_row(query, [name], |row| {
        Ok(Known {
            id: row.get(0)?,
            hash_version: row.get(1)?,
            generation: row.get(2)?,
            next_slot: row.get(3)?,
            rows: row.get(4)?,
            table_seq: row.get(5)?,
            since: row.get(6)?,
            full_scan_s: row.get(7)?,
            deletes_confirmed: row.get(8)?,
        })
    })
}

/// Where the rows of a resource are.
pub(crate) fn rows_table(resource: i64) -> String {
    format!("row_{resource}")
}

fn shape_number(transaction: &Transaction<'_>, schema: &TableSchema) -> rusqlite::Result<i64> {
    let fingerprint = schema.fingerprint().0.cast_signed();
    let definition = serde_json::to_string(&ShapeText::from(schema)).unwrap_or_default();
    transaction.execute(
        "INSERT OR IGNORE INTO shape (fingerprint, definition) VALUES (?1, ?2)",
        params![fingerprint, definition],
    )?;
    transaction.query_row("SELECT id FROM shape WHERE fingerprint = ?1", [fingerprint], |row| row.get(0))
}

/// A schema as it is kept.
#[derive(Serialize, Deserialize)]
struct ShapeText {
    name: TableName,
    columns: Vec<(String, String, u32, i32)>,
    key: Vec<usize>,
}

impl From<&TableSchema> for ShapeText {
    fn from(schema: &TableSchema) -> Self {
        let columns = schema.columns.iter().map(|column| {
            (column.name.clone(), column.type_name.clone(), column.type_oid, column.type_modifier)
        });
        Self { name: schema.name.clone(), columns: columns.collect(), key: schema.key.clone() }
    }
}

impl From<ShapeText> for TableSchema {
    fn from(shape: ShapeText) -> Self {
        let columns = shape.columns.into_iter().map(|(name, type_name, type_oid, type_modifier)| Column {
            name,
            type_name,
            type_oid,
            type_modifier,
        });
        Self { name: shape.name, columns: columns.collect(), key: shape.key }
    }
}

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use event::{LogPlace, TableName, TableRules};

use crate::config::Config;

/// What to read, from where.
#[derive(Clone)]
pub struct Options {
    /// The server and the login.
    pub connection: Config,
    /// What this program calls itself towards the server; none: some high number that is free. Two readers with one
    /// number end each other's streams.
    pub server_id: Option<u32>,
    /// Which tables are wanted. The log holds all of them.
    pub wanted: Arc<dyn Fn(&TableName) -> bool + Send + Sync>,
    /// From where in the log on a wanted table's changes are sent; [`LogPlace::NEVER`]: it is not taken in yet.
    pub since: Arc<dyn Fn(&TableName) -> LogPlace + Send + Sync>,
    /// What is sent of each table.
    pub rules: Arc<dyn Fn(&TableName) -> TableRules + Send + Sync>,
    /// Transactions with one of these origins are not sent: an origin's whole text, or a GTID's tag alone.
    pub drop_origins: Vec<String>,
    /// Whether a row whose key changes is one UPDATE, and not a DELETE and an INSERT.
    pub join_key_changes: bool,
    /// How many connections read a table at once.
    pub load_workers: usize,
    /// How many rows of a large table are one unit.
    pub load_unit_rows: u64,
    /// How long a unit's snapshot may be held; none: as long as it takes.
    pub snapshot_max: Option<Duration>,
    /// Where a compressed transaction waits that is too large for memory; none: where the system keeps temporary files.
    pub spool: Option<PathBuf>,
}

impl Options {
    /// Rows of one unit: read in a few seconds, which is how long the stream waits for it and what a crash costs.
    pub const LOAD_UNIT_ROWS: u64 = 500_000;
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connection", &self.connection)
            .field("server_id", &self.server_id)
            .field("drop_origins", &self.drop_origins)
            .field("join_key_changes", &self.join_key_changes)
            .field("load_workers", &self.load_workers)
            .field("load_unit_rows", &self.load_unit_rows)
            .field("snapshot_max", &self.snapshot_max)
            .field("spool", &self.spool)
            .finish_non_exhaustive()
    }
}

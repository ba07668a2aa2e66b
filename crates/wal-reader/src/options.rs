use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use event::{LogPlace, TableName, TableRules};

use crate::wire;

/// What to read, from where.
#[derive(Clone)]
pub struct Options {
    /// The server and the login.
    pub connection: wire::Config,
    /// The slot's name.
    pub slot: String,
    /// The publication's name.
    pub publication: String,
    /// Which tables are wanted. The publication may hold others: they are left out here.
    pub wanted: Arc<dyn Fn(&TableName) -> bool + Send + Sync>,
    /// From where in the log on a wanted table's changes are sent; [`LogPlace::NEVER`]: it is not taken in yet.
    pub since: Arc<dyn Fn(&TableName) -> LogPlace + Send + Sync>,
    /// What is sent of each table.
    pub rules: Arc<dyn Fn(&TableName) -> TableRules + Send + Sync>,
    /// Transactions with one of these origins are not sent.
    pub drop_origins: Vec<String>,
    /// Whether a value that an update left out of the log, because it is stored out of line and did not change, is asked
    /// of the table. Otherwise it is said to be unchanged, unless the row's key changed.
    pub fetch_unchanged: bool,
    /// Whether a row whose key changes is one UPDATE, and not a DELETE and an INSERT.
    pub join_key_changes: bool,
    /// Where running transactions are kept, if the server is to send them before they commit.
    pub spool: Option<PathBuf>,
    /// How many connections read a table at once.
    pub load_workers: usize,
    /// How many rows of a large table are one unit.
    pub load_unit_rows: u64,
    /// How long a unit's snapshot may be held; none: as long as it takes.
    pub snapshot_max: Option<Duration>,
}

impl Options {
    /// Rows of one unit: read in a few seconds, which is how long the stream waits for it and what a crash costs.
    pub const LOAD_UNIT_ROWS: u64 = 500_000;
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connection", &self.connection)
            .field("slot", &self.slot)
            .field("publication", &self.publication)
            .field("drop_origins", &self.drop_origins)
            .field("fetch_unchanged", &self.fetch_unchanged)
            .field("join_key_changes", &self.join_key_changes)
            .field("spool", &self.spool)
            .field("load_workers", &self.load_workers)
            .field("load_unit_rows", &self.load_unit_rows)
            .field("snapshot_max", &self.snapshot_max)
            .finish_non_exhaustive()
    }
}

use std::collections::BTreeMap;

use event::Position;
use serde::{Deserialize, Serialize};

/// A pipeline at one moment, as `/status` and `cdc status --json` have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// `pipeline.name`.
    pub(crate) pipeline: String,
    /// The program's.
    pub(crate) version: String,
    pub(crate) uptime_seconds: u64,
    /// Whether the pipeline's loop is alive.
    pub(crate) is_healthy: bool,
    /// Whether changes arrive in the sink.
    pub(crate) is_ready: bool,
    /// Why not, if not.
    pub(crate) not_ready_because: Option<String>,
    pub(crate) state: State,
    /// How far the source has been read.
    pub(crate) position: Option<Position>,
    /// Of the source's log, what the sink does not durably have.
    pub(crate) lag_bytes: Option<u64>,
    /// Since the database's log went beyond what the sink has; 0 when it has all.
    pub(crate) lag_seconds: Option<f64>,
    pub(crate) rates: Rates,
    /// As it was seen last, from a connection beside the stream.
    pub(crate) source: SourceReport,
    pub(crate) in_flight: InFlight,
    pub(crate) checkpoint: Option<SavedPosition>,
    /// What this process had to load.
    pub(crate) load: Option<LoadReport>,
    /// The last scan of each resource, of a database that is polled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scans: Vec<ScanReport>,
    /// What was delivered and loaded by this process.
    pub(crate) tables: Vec<TableReport>,
    /// How often both ends were opened anew after a failure.
    pub(crate) retries: u64,
    /// Events that the sink's other end refused for good, and which are in its dead-letter file.
    #[serde(default)]
    pub(crate) dead_letters: u64,
    /// How often each failure happened.
    pub(crate) error_counts: BTreeMap<String, u64>,
    /// The oldest first.
    pub(crate) last_errors: Vec<ErrorReport>,
}

/// What the pipeline does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub(crate) enum State {
    /// Opening both ends.
    Starting,
    /// Reading tables as they stand; counted in tables.
    Loading { table: Option<String>, done: u64, total: u64 },
    /// Sending changes as they are committed.
    Streaming,
    /// Until something outside moves.
    Waiting { reason: String },
    /// Over: by a failure, if there is a code.
    Stopped { code: Option<String>, message: Option<String> },
}

/// The means of the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rates {
    /// From the source.
    pub(crate) read: Flow,
    /// Durable in the sink.
    pub(crate) delivered: Flow,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) events_per_second: f64,
    pub(crate) bytes_per_second: f64,
}

/// One second of what was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Moment {
    pub(crate) events_per_second: f64,
    pub(crate) lag_bytes: Option<u64>,
}

/// The database, seen from beside the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceReport {
    /// Whether the last look at it succeeded; none before the first.
    pub(crate) is_reachable: Option<bool>,
    /// None if there is none, or if it was not seen for a minute.
    pub(crate) slot: Option<SlotReport>,
    /// Until the server may purge the file of its binary log that the checkpoint is in; none without such a limit, while
    /// that file is being written, and on Postgres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purge_left_seconds: Option<u64>,
}

/// The slot, and what it makes the server keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotReport {
    pub(crate) name: String,
    /// From where the slot needs WAL to where the log ends.
    pub(crate) wal_bytes: Option<u64>,
    /// How much more may be written before the slot may be lost; none: no limit is set.
    pub(crate) wal_left_bytes: Option<u64>,
    /// The server's word: `reserved`, `extended`, `unreserved` or `lost`.
    pub(crate) wal_status: Option<String>,
    /// Until a server that gives slots without a reader up may do so; none while it has one, or without such a limit.
    #[serde(default)]
    pub(crate) idle_left_seconds: Option<u64>,
}

/// Read and not durable yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InFlight {
    pub(crate) events: u64,
    pub(crate) batches: u64,
    pub(crate) bytes: u64,
}

/// The last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedPosition {
    pub(crate) position: Position,
    /// None when it was found by a process that did not save it.
    pub(crate) age_seconds: Option<u64>,
}

/// How far this process's loads are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadReport {
    pub(crate) tables_done: u64,
    pub(crate) tables: u64,
    /// Tables, or ranges of large ones, that were read since the start.
    pub(crate) units: u64,
    /// Durable in the sink.
    pub(crate) rows: u64,
    /// As the planner guesses, where it does for all tables that are not read yet.
    pub(crate) rows_expected: Option<u64>,
}

/// One reading of a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScanReport {
    pub(crate) resource: String,
    /// Its number.
    pub(crate) scan: u64,
    /// Whether all rows were read, or just those that are new.
    pub(crate) is_full: bool,
    pub(crate) rows: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    /// Rows that are gone, more than may be: nobody is told until somebody says so, or they are there again.
    #[serde(default)]
    pub(crate) held_deletes: u64,
    pub(crate) seconds: f64,
    /// Of these, waiting for the driver.
    pub(crate) fetching_seconds: f64,
    pub(crate) seconds_ago: u64,
}

/// What is known of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableReport {
    /// Its name, or [`Self::OTHER`] or [`Self::NONE`]: names of tables have a dot.
    pub(crate) table: String,
    /// Delivered, by operation.
    pub(crate) events: BTreeMap<String, u64>,
    pub(crate) bytes: u64,
    /// If it was or is to be loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<TableLoad>,
    /// In the order in which events of them were first delivered.
    #[serde(skip)]
    pub(crate) number: Option<u64>,
}

impl TableReport {
    /// Tables beyond those that are counted one by one.
    pub(crate) const OTHER: &str = "other";
    /// Events that belong to no table.
    pub(crate) const NONE: &str = "none";
}

/// How far the load of one table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableLoad {
    /// Durable in the sink.
    pub(crate) rows: u64,
    /// As the planner guesses.
    pub(crate) rows_expected: Option<u64>,
    pub(crate) is_done: bool,
}

/// A failure, and when it last happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorReport {
    pub(crate) code: String,
    pub(crate) message: String,
    /// What to do, if docs/errors.md says so.
    #[serde(default)]
    pub(crate) remedy: Option<String>,
    pub(crate) is_retryable: bool,
    /// In a row.
    pub(crate) times: u64,
    pub(crate) seconds_ago: u64,
}

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
    pub(crate) state: State,
    /// How far the source has been read.
    pub(crate) position: Option<Position>,
    /// Of the source's log, from there to its end.
    pub(crate) lag_bytes: Option<u64>,
    /// Since the database's log went beyond it; 0 when there is nothing more to read.
    pub(crate) lag_seconds: Option<f64>,
    pub(crate) in_flight: InFlight,
    pub(crate) checkpoint: Option<SavedPosition>,
    /// What this process had to load.
    pub(crate) load: Option<LoadReport>,
    /// What was delivered by this process.
    pub(crate) tables: Vec<TableReport>,
    /// How often both ends were opened anew after a failure.
    pub(crate) retries: u64,
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

/// Read and not durable yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InFlight {
    pub(crate) batches: u64,
    pub(crate) bytes: u64,
}

/// The last checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedPosition {
    pub(crate) position: Position,
    /// None when it was found by a process that did not save it.
    pub(crate) age_seconds: Option<u64>,
}

/// How far this process's loads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadReport {
    pub(crate) tables_done: u64,
    pub(crate) tables: u64,
    /// Given to the sink; a table that was begun anew counts again.
    pub(crate) rows: u64,
}

/// What was delivered of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableReport {
    pub(crate) table: String,
    /// By operation.
    pub(crate) events: BTreeMap<String, u64>,
    pub(crate) bytes: u64,
}

/// A failure, and when it last happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorReport {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) is_retryable: bool,
    /// In a row.
    pub(crate) times: u64,
    pub(crate) seconds_ago: u64,
}

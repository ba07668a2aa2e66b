//! How a running pipeline is spoken to: a Unix socket in its folder, one JSON object a line in both directions.
//!
//! ```text
//! > {"status":{}}
//! < {"status":{"pipeline":"shop", …}}
//! > {"snapshot":{"tables":["public.orders"]}}
//! < {"snapshot":{"tables":1}}
//! ```
//!
//! Whoever may open the socket may ask: it is made readable and writable for its owner alone.

mod client;
mod server;

#[cfg(test)]
mod tests;

use event::{LoadRequest, TableName};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub(crate) use self::client::{AskError, ask};
pub(crate) use self::server::ControlSocket;

use crate::status::Report;

/// What the socket hands to the pipeline.
#[derive(Debug)]
pub(crate) enum ControlRequest {
    /// Read these tables anew, between the changes.
    Snapshot {
        /// Which.
        tables: Vec<TableName>,
        /// How.
        request: LoadRequest,
        /// How many were taken up, or why none.
        reply: oneshot::Sender<Result<usize, String>>,
    },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// What are you doing?
    Status {},
    /// Read these tables anew.
    Snapshot {
        /// As `schema.table`, quoted like patterns where need be.
        tables: Vec<String>,
        /// How; without it as a whole.
        #[serde(default)]
        request: LoadRequest,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The picture of it all.
    Status(Box<Report>),
    /// So many tables were taken up.
    Snapshot {
        /// How many.
        tables: usize,
    },
    /// No.
    Error {
        /// Why.
        message: String,
    },
}

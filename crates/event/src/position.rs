use serde::{Deserialize, Serialize};

use crate::Lsn;

/// Where a source resumes: everything before it is dealt with.
///
/// Ordered within one source and epoch; positions of different kinds are never compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The end of a commit record, or of the WAL that was seen to hold nothing for us.
    Postgres(Lsn),
}

/// Where one event stands in the source's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventPosition {
    /// In PostgreSQL's WAL.
    Postgres {
        /// Begin's final LSN, which is where the commit record starts. Ascends from transaction to transaction.
        commit: Lsn,
        /// The change's own. Does not ascend: rows of one COPY share one, and transactions interleave.
        own: Lsn,
    },
}

impl EventPosition {
    /// The number that orders transactions and names them in event IDs.
    pub fn commit_order(&self) -> u64 {
        match *self {
            Self::Postgres { commit, .. } => commit.into(),
        }
    }
}

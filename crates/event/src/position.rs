use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BinlogOffset, GtidSet, Lsn, MariadbPosition};

/// Where a source resumes: everything before it is dealt with.
///
/// Ordered within one source and epoch; positions of different kinds are never compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The end of a commit record, or of the WAL that was seen to hold nothing for us.
    Postgres(Lsn),
    /// The end of a transaction in a binary log.
    Binlog(BinlogPosition),
}

/// The end of a transaction in a binary log: by its place there, and by the transactions up to it, which another server
/// knows as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinlogPosition {
    /// In the log of the server that the checkpoint names.
    pub offset: BinlogOffset,
    /// All transactions that are dealt with.
    pub executed: Executed,
}

/// Transactions by their GTIDs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executed {
    /// The server has no GTIDs (`gtid_mode = OFF`).
    #[default]
    Untracked,
    /// MySQL's.
    Mysql(GtidSet),
    /// MariaDB's.
    Mariadb(MariadbPosition),
}

/// A place in a source's log. Places of different logs are never compared, but with [`START`](Self::START) and
/// [`NEVER`](Self::NEVER).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogPlace {
    /// In PostgreSQL's WAL.
    Postgres(Lsn),
    /// In a binary log.
    Binlog(BinlogOffset),
}

/// Where one event stands in the source's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventPosition<'a> {
    /// In PostgreSQL's WAL.
    Postgres {
        /// Begin's final LSN, which is where the commit record starts. Ascends from transaction to transaction.
        commit: Lsn,
        /// The change's own. Does not ascend: rows of one COPY share one, and transactions interleave.
        own: Lsn,
    },
    /// In MySQL's binary log.
    Mysql(BinlogPlace<'a>),
    /// In MariaDB's.
    Mariadb(BinlogPlace<'a>),
    /// Nowhere: the database has no log, and a scan of it found the change.
    Poll(PollPlace<'a>),
}

/// Where an event stands among those of a source that is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollPlace<'a> {
    /// 1, 2, 3 …: the scan that found it, counted over all tables of a source and epoch.
    pub scan: u64,
    /// 1, 2, 3 … within the scan.
    pub seq: u64,
    /// Of an UPDATE: positions of the columns that differ. None where that is not known, because the row is sent again on
    /// request or the table was altered.
    pub changed: Option<&'a [usize]>,
}

/// Where an event stands in a binary log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinlogPlace<'a> {
    /// The transaction's GTID; empty without one.
    pub gtid: &'a str,
    /// The file's name.
    pub file: &'a str,
    /// Where the transaction begins: its first event. Ascends from transaction to transaction.
    pub transaction: BinlogOffset,
    /// Where the event that holds the change begins; in a compressed transaction, the one that holds them all.
    pub offset: u64,
    /// The server that executed it first; 0 if that is not known.
    pub server_id: u32,
}

impl Position {
    /// Its place in the log.
    pub fn place(&self) -> LogPlace {
        match self {
            Self::Postgres(lsn) => LogPlace::Postgres(*lsn),
            Self::Binlog(position) => LogPlace::Binlog(position.offset),
        }
    }
}

impl LogPlace {
    /// Before every place.
    pub const START: Self = Self::Postgres(Lsn::ZERO);
    /// After every place.
    pub const NEVER: Self = Self::Binlog(BinlogOffset::MAX);
}

impl Default for LogPlace {
    fn default() -> Self {
        Self::START
    }
}

impl From<Lsn> for LogPlace {
    fn from(lsn: Lsn) -> Self {
        Self::Postgres(lsn)
    }
}

impl From<BinlogOffset> for LogPlace {
    fn from(offset: BinlogOffset) -> Self {
        Self::Binlog(offset)
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(lsn) => lsn.fmt(f),
            Self::Binlog(offset) => offset.fmt(f),
        }
    }
}

impl EventPosition<'_> {
    /// The number that orders transactions and names them in event IDs.
    pub fn commit_order(&self) -> u64 {
        match self {
            Self::Postgres { commit, .. } => (*commit).into(),
            Self::Mysql(place) | Self::Mariadb(place) => place.transaction.order(),
            Self::Poll(place) => place.scan,
        }
    }
}

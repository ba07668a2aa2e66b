use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use event::{TableName, TableRules};

use crate::dialect::Dialect;
use crate::schedule::Schedule;

/// What is read, from where, and where what is known of it is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the driver manager, with the password.
    pub connection_string: String,
    /// How the database is spoken to; none: as its driver says.
    pub dialect: Option<Dialect>,
    /// What is read.
    pub resources: Vec<Resource>,
    /// The pipeline's folder.
    pub folder: PathBuf,
    /// End after one full scan of each.
    pub once: bool,
}

/// A table, or a query with what belongs to each of its rows, that is read as one stream of events.
#[derive(Clone, Debug)]
pub struct Resource {
    /// What its events are called.
    pub name: TableName,
    /// What is read.
    pub relation: Relation,
    /// Queries whose rows belong to this one's.
    pub children: Vec<Child>,
    /// The columns that tell its rows apart; empty: the primary key's.
    pub key: Vec<String>,
    /// What is sent of it.
    pub rules: TableRules,
    /// Reads what is new alone, between full scans.
    pub since: Option<Since>,
    /// When.
    pub schedule: Schedule,
    /// How long a scan may take.
    pub statement_timeout: Duration,
    /// How fast, to spare the database.
    pub max_rows_per_second: Option<NonZeroU32>,
    /// How long a scan takes at least, to spare the database.
    pub min_scan: Duration,
    /// Which part of the known rows may be gone at once.
    pub max_delete_fraction: f64,
}

impl Resource {
    /// All that a scan reads.
    pub(crate) fn relations(&self) -> Vec<Relation> {
        let children = self.children.iter().map(|child| Relation::Query(child.query.clone()));
        std::iter::once(self.relation.clone()).chain(children).collect()
    }
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// A table or view, by the parts of its name.
    Table(Vec<String>),
    /// A query.
    Query(String),
}

/// A query whose rows belong to a root's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The column that they come in.
    pub name: String,
    /// The query.
    pub query: String,
    /// Its columns that hold the root's key, in that order.
    pub parent: Vec<String>,
    /// Its columns that tell the rows of one root apart.
    pub key: Vec<String>,
}

/// What tells that a row is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The column that grows with every change.
    pub column: String,
    /// How far before the greatest value seen is read again: rows are committed later than they are stamped.
    pub overlap: Overlap,
    /// How often all rows are read nevertheless, for deletes and whatever the column does not tell.
    pub full_every: Duration,
}

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Of a column of times.
    Time(Duration),
    /// Of a column of numbers.
    Number(u64),
}

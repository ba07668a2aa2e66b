use std::collections::BTreeMap;

use event::{Fences, KeyBound, LoadRequest, LogPlace, Position, Prepared, Remembered, Shapes, TableName};
use serde::{Deserialize, Serialize};

use crate::ledger::Safe;

/// All that a pipeline remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Which log the position is a place in.
    pub source: SourceIdentity,
    /// Grows whenever the source's history restarts.
    pub epoch: u64,
    /// What the events go into: another destination lacks what this one has. None before the first is sent.
    pub destination: Option<String>,
    /// Stands for whatever decides which events are sent; another value is another epoch.
    pub filter_hash: u64,
    /// Everything before it is durable in the sink. None until the slot exists: from then on, a slot without a
    /// position is one that this pipeline had only begun to create.
    pub position: Option<Position>,
    /// Whether changes were sent already in this epoch. Until then tables are loaded without regard to the stream.
    pub is_streaming: bool,
    /// Every table this pipeline knows.
    #[serde(with = "event::by_table")]
    pub tables: BTreeMap<TableName, TableState>,
    /// What finished loads contain, until the log has passed them.
    pub fences: Fences,
    /// How tables looked, where the log does not say it.
    #[serde(default, skip_serializing_if = "Shapes::is_empty")]
    pub shapes: Shapes,
    /// Transactions that are prepared and not decided.
    #[serde(default, skip_serializing_if = "Prepared::is_empty")]
    pub prepared: Prepared,
}

/// Names one log: a position means nothing in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceIdentity {
    /// A PostgreSQL cluster, its timeline, one database of it, and the slot that holds its WAL for us.
    Postgres {
        /// Of the cluster: `IDENTIFY_SYSTEM`.
        system_identifier: String,
        /// Which the position was reached on.
        timeline: u32,
        /// Slots belong to one.
        database: String,
        /// The slot's name.
        slot: String,
    },
    /// A server's binary log.
    Binlog {
        /// Whose: MySQL's `@@server_uuid`, or what tells servers of MariaDB apart.
        server: String,
        /// What the names of its files begin with, up to the number.
        base: String,
    },
}

/// What is remembered of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableState {
    /// The number of its last change.
    pub table_seq: u64,
    /// What of it is sent: the source's filter of rows and columns; empty for all of it.
    #[serde(default)]
    pub limits: String,
    /// Which table this is: another one under the same name has other rows. Empty: not known.
    #[serde(default)]
    pub incarnation: String,
    /// What decides how values of the database's own types are written.
    #[serde(default)]
    pub type_parts: BTreeMap<String, String>,
    /// Partitions that were attached, by their OIDs, and the transaction that did it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attached: BTreeMap<u32, String>,
    /// Its changes are sent from there in the log on: before, it was not known, and its load has them. What an earlier run left
    /// out must not come among what that run sent.
    #[serde(default)]
    pub since: LogPlace,
    /// How far its load is.
    pub load: LoadState,
    /// How it is to be loaded, while it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub request: LoadRequest,
}

fn is_default(request: &LoadRequest) -> bool {
    *request == LoadRequest::default()
}

impl TableState {
    /// It is to be loaded from its beginning, like this.
    pub fn load_anew(&mut self, request: LoadRequest) {
        (self.load, self.request) = (LoadState::From(None), request);
    }

    /// It is loaded, or there is nothing to load.
    pub fn loaded(&mut self) {
        (self.load, self.request) = (LoadState::Done, LoadRequest::default());
    }
}

/// How far a table's load is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadState {
    /// There is nothing to load, or it is loaded.
    #[default]
    Done,
    /// The next unit starts at this key; none for the table's beginning.
    From(Option<KeyBound>),
    /// The table is not published at present. Should it come back, it is to be loaded anew.
    Absent,
}

impl Checkpoint {
    /// The first checkpoint of an epoch, to be saved before its slot is created.
    pub fn new(source: SourceIdentity, epoch: u64, filter_hash: u64) -> Self {
        Self {
            source,
            destination: None,
            epoch,
            filter_hash,
            position: None,
            is_streaming: false,
            tables: BTreeMap::new(),
            fences: Fences::default(),
            shapes: Shapes::default(),
            prepared: Prepared::default(),
        }
    }

    /// What the log's reader looks at and adds to.
    pub fn remembered(&mut self) -> Remembered<'_> {
        Remembered { fences: &mut self.fences, shapes: &mut self.shapes, prepared: &mut self.prepared }
    }

    /// Takes over what the ledger says is safe, and forgets what the log has passed with it.
    pub fn advance(&mut self, safe: Safe) {
        for (table, table_seq) in safe.table_seqs {
            // One that was renamed meanwhile comes under a name that nothing was loaded under: that is still to be done.
            let unknown = || TableState { load: LoadState::Absent, ..TableState::default() };
            self.tables.entry(table).or_insert_with(unknown).table_seq = table_seq;
        }
        let place = safe.position.place();
        self.position = Some(safe.position);
        self.fences.forget_before(place);
        self.shapes.forget_before(place);
        self.prepared.forget_before(place);
    }

    /// The tables whose load is not finished, and where each goes on.
    pub fn pending_loads(&self) -> impl Iterator<Item = (&TableName, Option<KeyBound>)> {
        self.tables.iter().filter_map(|(name, table)| match table.load {
            LoadState::From(next) => Some((name, next)),
            LoadState::Done | LoadState::Absent => None,
        })
    }

    /// How a table is to be loaded.
    pub fn request(&self, name: &TableName) -> LoadRequest {
        self.tables.get(name).map(|table| table.request.clone()).unwrap_or_default()
    }

    /// The number of each table's last change.
    pub fn table_seqs(&self) -> impl Iterator<Item = (&TableName, u64)> {
        self.tables.iter().map(|(name, table)| (name, table.table_seq))
    }
}

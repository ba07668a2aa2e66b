use crate::{Cell, EventPosition, KeyRange, LoadPart, Table};

/// One message on its way out, as borrowed views over whatever it was decoded from.
///
/// A reader makes it, [`Batch::push`](crate::Batch::push) encodes it at once, and nothing of it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Where it stands in the log. A load's events stand at the log position their snapshot was taken at.
    pub position: EventPosition<'a>,
    /// The transaction it belongs to; none for loads, heartbeats and non-transactional messages.
    pub transaction: Option<Transaction<'a>>,
    /// When this program received it, in microseconds since 1970-01-01T00:00:00Z. The only part of a stream event
    /// that differs on redelivery.
    pub captured_time_us: i64,
    /// What happened.
    pub body: Body<'a>,
}

/// What an event says of its transaction.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// The source's own id of it.
    pub id: &'a str,
    /// 1, 2, 3 …: the event's place among the transaction's published changes, before any filter of ours.
    pub seq: u64,
    /// In microseconds since 1970-01-01T00:00:00Z.
    pub commit_time_us: i64,
    /// The replication origin; none for local writes.
    pub origin: Option<&'a str>,
}

/// What happened. Rows are positional against the table's schema.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A row came to be.
    Insert {
        /// Where.
        table: &'a Table,
        /// Its dense number in the table.
        table_seq: u64,
        /// The row.
        after: &'a [Cell<'a>],
        /// Whether this is the second half of a key change.
        key_change: bool,
        /// Positions of columns that were fetched afterwards.
        fetched: &'a [usize],
    },
    /// A row changed, its key did not.
    Update {
        /// Where.
        table: &'a Table,
        /// Its dense number in the table.
        table_seq: u64,
        /// The row as it was, as far as the log says.
        before: Before<'a>,
        /// The row as it is.
        after: &'a [Cell<'a>],
        /// Positions of columns that were fetched afterwards.
        fetched: &'a [usize],
    },
    /// A row went.
    Delete {
        /// Where.
        table: &'a Table,
        /// Its dense number in the table.
        table_seq: u64,
        /// The row as it was, as far as the log says.
        before: Before<'a>,
        /// Whether this is the first half of a key change.
        key_change: bool,
    },
    /// All rows went.
    Truncate {
        /// Where.
        table: &'a Table,
        /// The load that makes room for itself by it; none if the source did it.
        load: Option<LoadRef<'a>>,
        /// Its dense number in the table; a load's is not counted.
        table_seq: u64,
        /// 1, 2, 3 …: one statement truncates several tables.
        part: u32,
    },
    /// A load found this row.
    Read {
        /// Where.
        table: &'a Table,
        /// Which load.
        load: LoadRef<'a>,
        /// 1, 2, 3 … within the load.
        seq: u64,
        /// The row.
        after: &'a [Cell<'a>],
        /// Names the row in the event's ID wherever its key columns may not, because there are none or because they
        /// are not unique (PostgreSQL's ctid): two rows under one ID would be one to a sink that deduplicates.
        row_id: Option<&'a str>,
    },
    /// A load starts.
    LoadBegin {
        /// Of what.
        table: &'a Table,
        /// Which load.
        load: LoadRef<'a>,
        /// What it reads; none: all of it. A load of a part has no LOAD_END: what it leaves out is not gone.
        part: Option<&'a LoadPart>,
    },
    /// A load is complete.
    LoadEnd {
        /// Of what.
        table: &'a Table,
        /// Which load.
        load: LoadRef<'a>,
        /// How many READ events it had.
        rows: u64,
    },
    /// What an application wrote into the log itself.
    Message {
        /// The application's own tag.
        prefix: &'a str,
        /// What it wrote.
        content: &'a [u8],
    },
    /// The shape of the rows that follow.
    Schema {
        /// The shape.
        table: &'a Table,
        /// The load it precedes, if it precedes one.
        load: Option<LoadRef<'a>>,
        /// 1, 2, 3 … where one statement needs several schemas (TRUNCATE), else 0.
        part: u32,
    },
    /// The source is alive and has come this far.
    Heartbeat,
}

/// A row as it was.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// The log does not say.
    None,
    /// The key columns; all other cells are `Omitted`.
    Key(&'a [Cell<'a>]),
    /// All columns.
    Full(&'a [Cell<'a>]),
}

/// Names one attempt at reading one unit.
#[derive(Clone, Copy, Debug)]
pub struct LoadRef<'a> {
    /// New at every attempt, never reused.
    pub id: &'a str,
    /// What is read of the table; none for all of it.
    pub range: Option<&'a KeyRange>,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Op {
    Insert,
    Update,
    Delete,
    Truncate,
    Read,
    LoadBegin,
    LoadEnd,
    Message,
    Schema,
    Heartbeat,
}

impl<'a> Event<'a> {
    /// The kind of event.
    pub fn op(&self) -> Op {
        match self.body {
            Body::Insert { .. } => Op::Insert,
            Body::Update { .. } => Op::Update,
            Body::Delete { .. } => Op::Delete,
            Body::Truncate { .. } => Op::Truncate,
            Body::Read { .. } => Op::Read,
            Body::LoadBegin { .. } => Op::LoadBegin,
            Body::LoadEnd { .. } => Op::LoadEnd,
            Body::Message { .. } => Op::Message,
            Body::Schema { .. } => Op::Schema,
            Body::Heartbeat => Op::Heartbeat,
        }
    }

    /// The table it concerns, if it concerns one.
    pub fn table(&self) -> Option<&'a Table> {
        match self.body {
            Body::Insert { table, .. }
            | Body::Update { table, .. }
            | Body::Delete { table, .. }
            | Body::Truncate { table, .. }
            | Body::Read { table, .. }
            | Body::LoadBegin { table, .. }
            | Body::LoadEnd { table, .. }
            | Body::Schema { table, .. } => Some(table),
            Body::Message { .. } | Body::Heartbeat => None,
        }
    }

    /// The row that holds the message key: the new one, or the old one where there is no new one.
    pub fn keyed_row(&self) -> Option<&'a [Cell<'a>]> {
        match self.body {
            Body::Insert { after, .. } | Body::Update { after, .. } | Body::Read { after, .. } => Some(after),
            Body::Delete { before: Before::Key(row) | Before::Full(row), .. } => Some(row),
            _ => None,
        }
    }

    /// Its dense number in its table; a READ's in its load. None for events that are not counted.
    pub fn table_seq(&self) -> Option<u64> {
        match self.body {
            Body::Truncate { load: Some(_), .. } => None,
            Body::Insert { table_seq, .. }
            | Body::Update { table_seq, .. }
            | Body::Delete { table_seq, .. }
            | Body::Truncate { table_seq, .. } => Some(table_seq),
            Body::Read { seq, .. } => Some(seq),
            _ => None,
        }
    }

    /// Which of several events that share one transaction sequence this is; 0 where there is only one.
    pub fn part(&self) -> u32 {
        match self.body {
            Body::Delete { key_change: true, .. } => 1,
            Body::Insert { key_change: true, .. } => 2,
            Body::Truncate { part, .. } | Body::Schema { part, .. } => part,
            _ => 0,
        }
    }
}

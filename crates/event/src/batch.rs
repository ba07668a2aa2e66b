//! The arena that events travel in: encoded once, handed to sinks as slices, recycled.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Encoder, Event, Op, Position, Route};

/// Hands out empty batches for one encoder, and takes their buffers back when they are dropped.
///
/// ```
/// # use std::sync::Arc;
/// use event::{BatchLimits, BatchPool, Encoder, Lsn, Position};
/// let pool = BatchPool::new(Encoder::json("shop", 1), BatchLimits::default());
/// let mut batch = pool.batch();
/// batch.mark(Position::Postgres(Lsn::from(8)), []);   // a transaction of no interest to us ended here
/// assert!(batch.is_empty() && batch.reached().is_some());
/// ```
#[derive(Clone, Debug)]
pub struct BatchPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    encoder: Encoder,
    limits: BatchLimits,
    free: Mutex<Vec<Buffers>>,
}

/// Encoded events in delivery order, and how far into the log they reach.
#[derive(Debug)]
pub struct Batch {
    shared: Arc<Shared>,
    buffers: Buffers,
    routes: Routes,
    reached: Option<Reached>,
}

/// The routes of a batch, numbered.
#[derive(Debug, Default)]
struct Routes {
    routes: Vec<Arc<Route>>,
    /// By address: one `Arc` per route is alive here.
    numbers: HashMap<usize, usize>,
    /// Which was asked for last.
    last: usize,
}

/// What is worth keeping from batch to batch.
#[derive(Debug, Default)]
struct Buffers {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// When a batch counts as full. One event over the limit still goes in, so that every event fits some batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Encoded bytes.
    pub bytes: usize,
    /// Messages.
    pub messages: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { bytes: 1 << 20, messages: 8192 }
    }
}

/// How far into the log a batch reaches: its last transaction end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Where the source resumes once all messages up to here are durable.
    pub position: Position,
    /// How many of the batch's messages stand before that transaction end.
    pub messages: usize,
    /// The tables whose sequence moved since the last batch that reached anything, and what it is there.
    pub table_seqs: HashMap<Arc<Route>, u64>,
}

/// One message to be sent, as slices of its batch.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What kind of event it carries.
    pub op: Op,
    /// Where it goes.
    pub route: &'a Arc<Route>,
    /// Its route's number in [`Batch::routes`].
    pub route_number: usize,
    /// The event's ID, ASCII. A delete shares it with its tombstone and a SCHEMA with its copy by fingerprint: a sink
    /// that deduplicates by ID has to tell those apart.
    pub id: &'a [u8],
    /// The message key.
    pub key: Option<&'a [u8]>,
    /// The event; none for a tombstone.
    pub payload: Option<&'a [u8]>,
}

impl Message<'_> {
    /// Whether every partition of the route needs it, because it concerns rows of all of them.
    pub fn concerns_all_partitions(&self) -> bool {
        let kind = matches!(self.op, Op::Truncate | Op::Schema | Op::LoadBegin | Op::LoadEnd);
        kind && matches!(**self.route, Route::Table(_))
    }
}

#[derive(Clone, Debug)]
struct Entry {
    op: Op,
    route_number: usize,
    id: Range<usize>,
    key: Option<Range<usize>>,
    payload: Option<Range<usize>>,
}

impl BatchPool {
    /// A pool without any buffers yet.
    pub fn new(encoder: Encoder, limits: BatchLimits) -> Self {
        Self(Arc::new(Shared { encoder, limits, free: Mutex::default() }))
    }

    /// An empty batch.
    pub fn batch(&self) -> Batch {
        let buffers = self.0.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Batch {
            shared: Arc::clone(&self.0),
            buffers: buffers.unwrap_or_default(),
            routes: Routes::default(),
            reached: None,
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut buffers = std::mem::take(&mut self.buffers);
        buffers.bytes.clear();
        // One giant event must not be paid for ever after.
        buffers.bytes.shrink_to(2 * self.shared.limits.bytes);
        buffers.entries.clear();
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
    }
}

impl Batch {
    /// Encodes an event.
    pub fn push(&mut self, event: &Event<'_>) {
        let Self { shared, buffers: Buffers { bytes, entries }, routes, .. } = self;
        let encoder = &shared.encoder;
        let id = append(bytes, |out| encoder.write_id(event, out));
        let key = encoder.has_key(event).then(|| append(bytes, |out| encoder.write_key(event, out)));
        let payload = append(bytes, |out| encoder.write_payload(event, out));
        let route_number = routes.number_of(encoder.route(event));
        let entry = Entry { op: event.op(), route_number, id, key, payload: Some(payload) };
        if encoder.has_tombstone(event) {
            let tombstone = Entry { payload: None, ..entry.clone() };
            entries.extend([entry, tombstone]);
        } else if let Op::Schema = event.op() {
            let key = append(bytes, |out| encoder.write_schema_key(event, out));
            let route_number = routes.number_of(encoder.schemas());
            let by_fingerprint = Entry { route_number, key: Some(key), ..entry.clone() };
            entries.extend([entry, by_fingerprint]);
        } else {
            entries.push(entry);
        }
    }

    /// Takes a message that was encoded earlier.
    pub fn push_encoded(
        &mut self,
        op: Op,
        route: &Arc<Route>,
        id: &[u8],
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) {
        let Self { buffers: Buffers { bytes, entries }, routes, .. } = self;
        let mut copy = |part: &[u8]| append(bytes, |out| out.extend_from_slice(part));
        let (id, key, payload) = (copy(id), key.map(&mut copy), payload.map(&mut copy));
        entries.push(Entry { op, route_number: routes.number_of(route), id, key, payload });
    }

    /// The message key that an event would have here, if any.
    pub fn key_of(&self, event: &Event<'_>) -> Option<Vec<u8>> {
        let encoder = &self.shared.encoder;
        encoder.has_key(event).then(|| {
            let mut key = Vec::new();
            encoder.write_key(event, &mut key);
            key
        })
    }

    /// Notes that a transaction ended here, or that the log up to here holds nothing for us, and where the sequences
    /// of the tables that it touched stand.
    pub fn mark<'t>(
        &mut self,
        position: Position,
        table_seqs: impl IntoIterator<Item = (&'t Arc<Route>, u64)>,
    ) {
        self.mark_onward(|| position.clone(), |reached| reached.clone_from(&position), table_seqs);
    }

    /// The same for positions that are costly as a whole: the batch's first one is made, and later ones are the one before
    /// moved on.
    pub fn mark_onward<'t>(
        &mut self,
        first: impl FnOnce() -> Position,
        move_on: impl FnOnce(&mut Position),
        table_seqs: impl IntoIterator<Item = (&'t Arc<Route>, u64)>,
    ) {
        let messages = self.buffers.entries.len();
        let reached = match &mut self.reached {
            Some(reached) => {
                move_on(&mut reached.position);
                reached.messages = messages;
                reached
            }
            none => none.insert(Reached { position: first(), messages, table_seqs: HashMap::new() }),
        };
        for (route, table_seq) in table_seqs {
            reached.table_seqs.insert(Arc::clone(route), table_seq);
        }
    }

    /// Whether it is time to hand the batch over.
    pub fn is_full(&self) -> bool {
        self.buffers.bytes.len() >= self.shared.limits.bytes
            || self.buffers.entries.len() >= self.shared.limits.messages
    }

    /// Whether there is nothing to send. It may still have reached somewhere.
    pub fn is_empty(&self) -> bool {
        self.buffers.entries.is_empty()
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.buffers.entries.len()
    }

    /// How many encoded bytes there are.
    pub fn len_bytes(&self) -> usize {
        self.buffers.bytes.len()
    }

    /// How far into the log it reaches; none while no transaction has ended in it.
    pub fn reached(&self) -> Option<&Reached> {
        self.reached.as_ref()
    }

    /// The routes that its messages go to; a message's `route_number` counts in these.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes.routes
    }

    /// Its messages, in the order they must be stored.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        self.buffers.entries.iter().map(|entry| self.view(entry))
    }

    /// One of its messages.
    pub fn message(&self, number: usize) -> Option<Message<'_>> {
        self.buffers.entries.get(number).map(|entry| self.view(entry))
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> Message<'a> {
        #[allow(clippy::indexing_slicing)] // The ranges and numbers are this batch's own.
        let slice = |range: &Range<usize>| &self.buffers.bytes[range.clone()];
        #[allow(clippy::indexing_slicing)]
        let route = &self.routes.routes[entry.route_number];
        Message {
            op: entry.op,
            route,
            route_number: entry.route_number,
            id: slice(&entry.id),
            key: entry.key.as_ref().map(slice),
            payload: entry.payload.as_ref().map(slice),
        }
    }
}

impl Routes {
    fn number_of(&mut self, route: &Arc<Route>) -> usize {
        // Runs of one table are the rule.
        if !self.routes.get(self.last).is_some_and(|last| Arc::ptr_eq(last, route)) {
            self.last = *self.numbers.entry(Arc::as_ptr(route).addr()).or_insert_with(|| {
                self.routes.push(Arc::clone(route));
                self.routes.len() - 1
            });
        }
        self.last
    }
}

fn append(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    let start = bytes.len();
    write(bytes);
    start..bytes.len()
}

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use event::{Batch, Position, Reached, Route, TableName};

/// Which batches are on their way to the sink, in order, and what becomes safe as it says that they are durable.
///
/// ```
/// use checkpoint::Ledger;
/// let mut ledger = Ledger::default();
/// assert!(ledger.is_empty() && ledger.durable(0).is_none());
/// ```
#[derive(Debug, Default)]
pub struct Ledger {
    /// How many batches the sink was given.
    sent: u64,
    /// How many of them it has.
    durable: u64,
    /// What each of those between the two reached; `None` for one that ended inside a transaction.
    on_their_way: VecDeque<OnItsWay>,
    bytes: usize,
    /// Reached without a message of its own, when nothing was on its way.
    idle: Option<Reached>,
}

#[derive(Debug)]
struct OnItsWay {
    bytes: usize,
    reached: Option<Reached>,
}

/// A place that may be checkpointed, with what changed on the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Safe {
    /// Where the source resumes.
    pub position: Position,
    /// The tables whose sequence moved.
    pub table_seqs: HashMap<TableName, u64>,
}

impl Ledger {
    /// Notes a batch that is about to be written to the sink.
    pub fn sent(&mut self, batch: &Batch) {
        self.sent += 1;
        self.bytes += batch.len_bytes();
        self.on_their_way.push_back(OnItsWay { bytes: batch.len_bytes(), reached: batch.reached().cloned() });
    }

    /// Notes that the log was followed this far without a message to send. Safe as soon as all that was sent is.
    pub fn passed(&mut self, reached: Reached) {
        match self.on_their_way.back_mut() {
            // The last batch on its way carries it.
            Some(last) => last.reached = merge(last.reached.take(), Some(reached)),
            None => self.idle = merge(self.idle.take(), Some(reached)),
        }
    }

    /// Notes that the sink durably has the first `batches` batches; what that makes safe, if anything.
    pub fn durable(&mut self, batches: u64) -> Option<Safe> {
        let mut reached = self.idle.take();
        while self.durable < batches.min(self.sent) {
            self.durable += 1;
            if let Some(arrived) = self.on_their_way.pop_front() {
                self.bytes -= arrived.bytes;
                reached = merge(reached, arrived.reached);
            }
        }
        let Reached { position, table_seqs, .. } = reached?;
        let table_seqs = table_seqs
            .into_iter()
            .filter_map(|(route, table_seq)| match &*route {
                Route::Table(name) => Some((name.clone(), table_seq)),
                Route::Control | Route::Schemas => None,
            })
            .collect();
        Some(Safe { position, table_seqs })
    }

    /// How many batches the sink durably has.
    pub fn durable_batches(&self) -> u64 {
        self.durable
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.on_their_way.is_empty()
    }

    /// How many batches are on their way.
    pub fn len(&self) -> usize {
        self.on_their_way.len()
    }

    /// How many encoded bytes are on their way.
    pub fn len_bytes(&self) -> usize {
        self.bytes
    }
}

/// The later of two, with the table sequences of both.
fn merge(earlier: Option<Reached>, later: Option<Reached>) -> Option<Reached> {
    match (earlier, later) {
        (Some(mut earlier), Some(later)) => {
            earlier.table_seqs.extend(later.table_seqs);
            Some(Reached { table_seqs: earlier.table_seqs, ..later })
        }
        (earlier, later) => later.or(earlier),
    }
}

//! Where the parts meet. A source does not know which sink it feeds, and a sink not which source.

use std::collections::HashSet;
use std::future::Future;

use crate::{
    Batch, Begun, Fences, KeyBound, LoadRequest, LogPlace, Position, Prepared, Read, Shapes, TableName,
    TransactionPlace,
};

/// An error that says what the pipeline can do about it.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// Whether opening both ends anew, from the last checkpoint, may mend it without anybody's help.
    fn is_retryable(&self) -> bool;

    /// Whether the other end refused who we say we are, or could not prove itself, or a proof could not be read. What
    /// was accepted before may be accepted again, once passwords or certificates are renewed on both sides.
    fn is_about_credentials(&self) -> bool {
        false
    }

    /// The stable code that docs/errors.md explains.
    fn code(&self) -> &'static str;
}

/// What is kept in the checkpoint for the log's sake, until the log has passed it.
#[derive(Debug)]
pub struct Remembered<'c> {
    /// What finished loads contain.
    pub fences: &'c mut Fences,
    /// How tables looked, where the log does not say it.
    pub shapes: &'c mut Shapes,
    /// Transactions that are prepared and not decided.
    pub prepared: &'c mut Prepared,
}

/// What a log says of a table itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableNews {
    /// It came to be, and all its rows are in the log: nothing is to be loaded.
    Created(TableName),
    /// It was given other rows without a word on each (a table renamed to this, an exchanged partition): it is to be
    /// loaded.
    Rewritten(TableName),
    /// It is gone.
    Dropped(TableName),
}

/// A log that can be tailed, opened at a position.
pub trait Source: Send {
    /// What can go wrong.
    type Error: Failure;

    /// Waits until there is something, then appends whole events until the batch is full or nothing more is there
    /// just now, and marks how far it came. May come further without any event. Cancel-safe: what a cancelled call
    /// did stays in the batch, and the next call goes on from there.
    fn fill(
        &mut self,
        batch: &mut Batch,
        remembered: &mut Remembered<'_>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Lets go of the log before this position, which is checkpointed. Never blocks; the greatest wins; errors
    /// surface in `fill`.
    fn release(&mut self, position: &Position);

    /// How far the server's log reached when it last said so.
    fn log_end(&self) -> LogPlace;

    /// Whatever ended before it was handed over.
    fn passed(&self) -> LogPlace;

    /// Whether a transaction is being received.
    fn is_in_transaction(&self) -> bool;

    /// From now on, a batch that holds the end of a transaction holds nothing after it: for whoever is about to leave.
    fn cut_at_commit(&mut self);

    /// From now on, batches are cut where they are full again.
    fn cut_when_full(&mut self);

    /// From now on, notes the transactions that are delivered: a load that is to come must contain them.
    fn note_delivered(&mut self);

    /// The transactions delivered since [`note_delivered`](Self::note_delivered).
    fn delivered(&self) -> Option<&HashSet<TransactionPlace>>;

    /// No load is to come.
    fn forget_delivered(&mut self);

    /// What the log said of tables themselves since this was last asked.
    fn take_news(&mut self) -> Vec<TableNews> {
        Vec::new()
    }

    /// Tells the server what was released last, and ends the stream in good order.
    fn close(self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Reads tables as they stand, a unit at a time.
pub trait Load: Send {
    /// What can go wrong.
    type Error: Failure;

    /// Who keeps a reading from being exact, in words; none: nobody does.
    fn blockers(&mut self) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Begins to read the unit of the table that starts at `from`, as requested. `delivered`: the transactions that
    /// the stream has delivered since this loader was opened; the unit must contain them all, or its rows could
    /// overwrite newer ones. Of a part, the stream must pass [`limit`](Self::limit) before the first row is read.
    fn begin(
        &mut self,
        request: &LoadRequest,
        name: &TableName,
        from: Option<KeyBound>,
        delivered: &HashSet<TransactionPlace>,
    ) -> impl Future<Output = Result<Begun, Self::Error>> + Send;

    /// The log position of the reading that was begun: what it contains was committed before that.
    fn limit(&self) -> Option<LogPlace>;

    /// Whether the reading that was begun contains this transaction.
    fn sees(&self, transaction: TransactionPlace) -> bool;

    /// Leaves out the rows with these message keys: something newer than the reading was sent of them.
    fn leave_out(&mut self, keys: HashSet<Vec<u8>>);

    /// Appends rows of the unit until the batch is full or the unit is over. Cancel-safe.
    fn read(&mut self, batch: &mut Batch) -> impl Future<Output = Result<Read, Self::Error>> + Send;
}

/// A database: its log and its tables, as a pipeline opens them, over and over.
pub trait Database: Clone + Send + Sync {
    /// What can go wrong.
    type Error: Failure;
    /// Its log.
    type Log: Source<Error = Self::Error>;
    /// What reads its tables.
    type Loader: Load<Error = Self::Error>;

    /// Opens the log at a checkpointed position. The caller has made sure that it belongs to this log. `table_seqs`:
    /// the number of each table's last change.
    fn open_log(
        &self,
        position: &Position,
        table_seqs: Vec<(TableName, u64)>,
    ) -> impl Future<Output = Result<Self::Log, Self::Error>> + Send;

    /// Connects for loads. From here on is noted what a unit must contain.
    fn open_loader(&self) -> impl Future<Output = Result<Self::Loader, Self::Error>> + Send;

    /// How far the log reaches now.
    fn log_end(&self) -> impl Future<Output = Result<LogPlace, Self::Error>> + Send;

    /// Of these tables, the first that the configuration does not mean, or the database does not have.
    fn first_unknown<'t>(
        &self,
        tables: &'t [TableName],
    ) -> impl Future<Output = Result<Option<&'t TableName>, Self::Error>> + Send;
}

/// Somewhere durable. Opened for one pipeline; failing retryably means: open both ends anew from the checkpoint.
pub trait Sink: Send {
    /// What can go wrong.
    type Error: Failure;

    /// Names what the events go into, always in the same words: what one destination has, another lacks, so a
    /// checkpoint is good for one alone.
    fn destination(&self) -> String;

    /// Takes a batch over, after all earlier ones; returns when the sink can take another. Not cancel-safe. The
    /// pipeline bounds how many batches a sink holds.
    fn write(&mut self, batch: Batch) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Waits until more is durable than it said last time, and says how many batches are, counted from the first one
    /// written. Only an unbroken prefix counts. Cancel-safe.
    fn durable(&mut self) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// How many events it has put aside, durably, because the other end refuses them for good.
    fn dead_letters(&self) -> u64 {
        0
    }
}

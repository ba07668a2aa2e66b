//! Where the parts meet. A source does not know which sink it feeds, and a sink not which source.

use std::future::Future;

use crate::{Batch, Fences, Position};

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
        fences: &mut Fences,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Lets go of the log before this position, which is checkpointed. Never blocks; the greatest wins; errors
    /// surface in `fill`.
    fn release(&mut self, position: Position);
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
}

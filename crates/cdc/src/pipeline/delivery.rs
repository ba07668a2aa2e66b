use std::collections::VecDeque;
use std::sync::Arc;

use checkpoint::{Checkpoint, Ledger, LoadState};
use event::{Batch, BatchPool, Failure as _, Finished, LoadRequest, Sink, TableName};
use tracing::Span;

use super::saves::{Saves, Unsaved};
use crate::error::Error;
use crate::spans;
use crate::status::Status;
use crate::store::Store;

/// Batches to the sink, what their arrival makes safe, and the checkpoint that remembers it.
pub(super) struct Delivery<'s, K> {
    pub(super) sink: K,
    pub(super) checkpoint: Checkpoint,
    pub(super) status: Arc<Status>,
    pool: BatchPool,
    pub(super) saves: Saves<'s>,
    ledger: Ledger,
    budget_bytes: usize,
    /// Batches given to the sink.
    sent: u64,
    /// Units that were read to their end, and how many batches must be durable for each.
    finished: VecDeque<(u64, Finished)>,
    ends_inside_transaction: bool,
    /// The last batch was not taken by the sink, or not yet.
    is_handing_over: bool,
    /// What the sink has put aside so far.
    dead_letters: u64,
    /// Of the batches that are on their way.
    spans: VecDeque<Span>,
}

/// Batches in flight, however small.
const BATCHES_IN_FLIGHT: usize = 256;

impl<'s, K> Delivery<'s, K>
where
    K: Sink,
    Error: From<K::Error>,
{
    pub(super) fn new(
        sink: K,
        pool: BatchPool,
        budget_bytes: usize,
        checkpoint: Checkpoint,
        store: &'s mut Store,
        status: Arc<Status>,
    ) -> Self {
        if let Some(position) = &checkpoint.position {
            status.delivered(position);
        }
        Self {
            sink,
            saves: Saves::new(store, checkpoint.position.clone()),
            checkpoint,
            status,
            pool,
            ledger: Ledger::default(),
            budget_bytes,
            sent: 0,
            finished: VecDeque::new(),
            ends_inside_transaction: false,
            is_handing_over: false,
            dead_letters: 0,
            spans: VecDeque::new(),
        }
    }

    /// An empty batch.
    pub(super) fn batch(&self) -> Batch {
        self.pool.batch()
    }

    /// Whether another batch may be filled.
    pub(super) fn has_room(&self) -> bool {
        self.ledger.len_bytes() < self.budget_bytes && self.ledger.len() < BATCHES_IN_FLIGHT
    }

    /// Whether all that was sent so far ends with a transaction.
    pub(super) fn is_between_transactions(&self) -> bool {
        !self.ends_inside_transaction
    }

    /// Whether the sink has all that it was given.
    pub(super) fn is_drained(&self) -> bool {
        self.ledger.is_empty()
    }

    /// Hands a batch over to the sink. One without messages only moves the position.
    pub(super) async fn send(&mut self, batch: Batch) -> Result<(), Error> {
        if batch.is_empty() {
            if let Some(reached) = batch.reached() {
                self.ledger.passed(reached.clone());
                self.ends_inside_transaction = false;
                self.arrived(self.ledger.durable_batches());
            }
            return Ok(());
        }
        self.ends_inside_transaction = match batch.reached() {
            Some(reached) => reached.messages < batch.len(),
            None => true,
        };
        self.status.sent(&batch);
        self.spans.push_back(spans::deliver(self.status.pipeline(), batch.len(), batch.len_bytes()));
        self.ledger.sent(&batch);
        self.sent += 1;
        self.is_handing_over = true;
        self.sink.write(batch).await?;
        self.is_handing_over = false;
        self.status.in_flight(self.ledger.len(), self.ledger.len_bytes());
        Ok(())
    }

    /// Notes that a unit's last row is in the batch that was sent last.
    pub(super) fn finished(&mut self, unit: Finished) {
        self.ends_inside_transaction = false;
        self.finished.push_back((self.sent, unit));
    }

    /// Notes that a table that was to be loaded is not there.
    pub(super) fn nothing_to_load(&mut self, name: &TableName) {
        tracing::warn!(table = %name, "the table is gone, or no longer published: there is nothing to load");
        self.checkpoint.tables.entry(name.clone()).or_default().loaded();
        self.saves.changed(Unsaved::Idle);
        self.status.nothing_to_load(name);
    }

    /// Gives up a load that was asked for and can't be done: the pipeline goes on without it.
    pub(super) fn give_up_load(&mut self, name: &TableName, error: &Error) {
        tracing::error!(table = %name, code = error.code(), %error, "the load is given up; the pipeline goes on");
        self.checkpoint.tables.entry(name.clone()).or_default().loaded();
        self.saves.changed(Unsaved::Idle);
        self.status.trouble(error);
        self.status.nothing_to_load(name);
    }

    /// Notes that a table was created while changes are sent: they are all there is of it.
    pub(super) fn nothing_left_to_load(&mut self, name: &TableName) {
        self.checkpoint.tables.entry(name.clone()).or_default().loaded();
        self.saves.changed(Unsaved::Idle);
    }

    /// Notes that a table is gone: should one come under its name, all of that is sent, or loaded.
    pub(super) fn dropped(&mut self, name: &TableName) {
        let Some(state) = self.checkpoint.tables.get_mut(name) else { return };
        if matches!(state.load, LoadState::From(_)) {
            self.status.nothing_to_load(name);
        }
        (state.load, state.request) = (LoadState::Absent, LoadRequest::default());
        self.saves.changed(Unsaved::Idle);
    }

    /// A table whose part can't be read is read whole.
    pub(super) fn load_whole(&mut self, name: &TableName) {
        self.checkpoint.tables.entry(name.clone()).or_default().load_anew(LoadRequest::default());
        self.saves.changed(Unsaved::Idle);
    }

    /// Takes note that the sink durably has this many batches.
    pub(super) fn arrived(&mut self, batches: u64) {
        let dead_letters = self.sink.dead_letters();
        if dead_letters > self.dead_letters {
            self.status.dead_letters(dead_letters - self.dead_letters);
            self.dead_letters = dead_letters;
        }
        let before = self.ledger.durable_batches();
        if let Some(safe) = self.ledger.durable(batches) {
            self.status.delivered(&safe.position);
            self.checkpoint.advance(safe);
            self.saves.changed(Unsaved::Idle);
        }
        if self.ledger.durable_batches() > before {
            self.saves.changed(Unsaved::Events);
        }
        // Counted first: what a finished unit holds is among it.
        self.status.in_flight(self.ledger.len(), self.ledger.len_bytes());
        // They end here.
        self.spans.drain(..self.spans.len().saturating_sub(self.ledger.len()));
        while let Some((needed, _)) = self.finished.front()
            && *needed <= batches
            && let Some((_, unit)) = self.finished.pop_front()
        {
            let state = self.checkpoint.tables.entry(unit.table.clone()).or_default();
            // All that a part contains was sent before it; its fence would keep changes of what it left out.
            let is_part = state.request.part.is_some();
            match unit.next {
                Some(next) => state.load = LoadState::From(Some(next)),
                None => state.loaded(),
            }
            self.status.unit_loaded(&unit, state.load == LoadState::Done);
            if let Some(shape) = unit.shape {
                self.checkpoint.shapes.put(&unit.table, unit.fence.limit, shape);
            }
            if !is_part {
                self.checkpoint.fences.add(unit.table, unit.fence);
            }
        }
    }

    /// Waits until more has arrived.
    pub(super) async fn arrival(&mut self) -> Result<(), Error> {
        let batches = self.sink.durable().await?;
        self.arrived(batches);
        Ok(())
    }

    /// Whether the sink lacks something that it took. What it did not take in time may never arrive.
    pub(super) fn awaits_arrivals(&self) -> bool {
        self.ledger.len() > usize::from(self.is_handing_over)
    }

    /// Waits until the sink has all that it was given, and saves that.
    pub(super) async fn drain(&mut self) -> Result<(), Error> {
        while !self.is_drained() {
            self.arrival().await?;
        }
        self.save().await
    }

    /// Takes note of a save that has ended, and begins one beside the loop if it is due.
    pub(super) async fn save_if_due(&mut self) -> Result<(), Error> {
        match self.note_saved().await {
            Err(error) if self.saves.tries_again_after(&error) => {
                self.status.trouble(&error);
                tracing::warn!(code = error.code(), %error, "the checkpoint can't be saved; the slot keeps its place meanwhile");
            }
            noted => noted?,
        }
        if self.saves.is_due() {
            self.saves.begin(&self.checkpoint, self.status.pipeline()).await;
        }
        Ok(())
    }

    /// Saves now, and waits for it.
    pub(super) async fn save(&mut self) -> Result<(), Error> {
        self.saves.ended().await;
        match self.note_saved().await {
            // What follows saves the same and more.
            Err(error) if self.saves.tries_again_after(&error) => {}
            noted => noted?,
        }
        self.saves.begin(&self.checkpoint, self.status.pipeline()).await;
        self.saves.ended().await;
        self.note_saved().await
    }

    async fn note_saved(&mut self) -> Result<(), Error> {
        let saved = self.saves.noted().await?;
        self.status.saved(saved);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

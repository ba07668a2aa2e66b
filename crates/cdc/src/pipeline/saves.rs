use std::time::Duration;

use checkpoint::Checkpoint;
use event::{Failure as _, Position};
use tokio::time::Instant;
use tracing::Span;

use crate::error::Error;
use crate::spans;
use crate::store::{Saving, Store};

/// What of the checkpoint is saved, is being saved beside the loop, and is still to be saved.
pub(super) struct Saves<'s> {
    store: &'s mut Store,
    unsaved: Option<Unsaved>,
    running: Option<Running>,
    /// What the source may let go of.
    saved: Option<Position>,
    /// When the last save ended, or a later time before which none is to begin.
    last: Instant,
}

/// How much there is to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unsaved {
    /// The log moved on, without anything of ours in it.
    Idle,
    /// Events arrived.
    Events,
}

struct Running {
    saving: Saving,
    outcome: Option<Result<(), Error>>,
    position: Option<Position>,
    unsaved: Option<Unsaved>,
    _span: Span,
}

impl<'s> Saves<'s> {
    /// `saved`: the position of what is saved already.
    pub(super) fn new(store: &'s mut Store, saved: Option<Position>) -> Self {
        Self { store, unsaved: None, running: None, saved, last: Instant::now() }
    }

    /// Notes that there is something to save.
    pub(super) fn changed(&mut self, unsaved: Unsaved) {
        self.unsaved = self.unsaved.max(Some(unsaved));
    }

    /// The position that is saved, not merely safe.
    pub(super) fn position(&self) -> Option<&Position> {
        self.saved.as_ref()
    }

    /// When the next save is to begin, if there is anything to save and no save goes on.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let (events, idle) = self.store.intervals();
        let every = match self.unsaved? {
            Unsaved::Events => events,
            Unsaved::Idle => idle,
        };
        self.running.is_none().then(|| self.last + every)
    }

    pub(super) fn is_due(&self) -> bool {
        self.due_at().is_some_and(|at| at <= Instant::now())
    }

    /// Begins to save this, as it is now. The loop goes on meanwhile: an fsync takes tens of milliseconds on a busy disk.
    pub(super) async fn begin(&mut self, checkpoint: &Checkpoint, pipeline: &str) {
        let span = spans::save(pipeline);
        let saving = self.store.begin_save(checkpoint).await;
        let (position, unsaved) = (checkpoint.position.clone(), self.unsaved.take());
        self.running = Some(Running { saving, outcome: None, position, unsaved, _span: span });
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Waits until the save that goes on has ended: [`Saves::noted`] tells how. At once if none goes on.
    pub(super) async fn ended(&mut self) {
        if let Some(running) = &mut self.running
            && running.outcome.is_none()
        {
            running.outcome = Some(running.saving.end().await);
        }
    }

    /// Takes note of a save that has ended, if one has; the position that is saved since then.
    pub(super) async fn noted(&mut self) -> Result<Option<&Position>, Error> {
        if self.running.as_ref().is_some_and(|running| running.saving.has_ended()) {
            self.ended().await;
        }
        let Some(Running { outcome: Some(outcome), position, unsaved, .. }) =
            self.running.take_if(|running| running.outcome.is_some())
        else {
            return Ok(None);
        };
        self.last = Instant::now();
        match outcome {
            Ok(()) => {
                self.saved = position;
                Ok(self.saved.as_ref())
            }
            Err(error) => {
                self.unsaved = self.unsaved.max(unsaved);
                Err(error)
            }
        }
    }

    /// Whether a save that failed like this is simply tried again later: a disk that refuses is no reason to stop
    /// delivering, since nothing is let go of meanwhile.
    pub(super) fn tries_again_after(&mut self, error: &Error) -> bool {
        let tries_again = error.is_retryable() && self.store.can_save_again();
        if tries_again {
            // Not before the disk had a moment: a line each 10 s, not a flood.
            self.last = Instant::now() + Duration::from_secs(10);
        }
        tries_again
    }
}

//! What a sink's own thread or task tells the pipeline: how many batches are durable, or what failed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::Error;

/// The two ends.
pub(crate) fn progress() -> (Reporter, Progress) {
    let (sender, receiver) = watch::channel(State::default());
    let failure = Arc::new(Mutex::new(None));
    (
        Reporter { state: sender, failure: Arc::clone(&failure) },
        Progress { state: receiver, told: 0, failure },
    )
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Reporter {
    state: watch::Sender<State>,
    failure: Arc<Mutex<Option<Error>>>,
}

/// The pipeline's end.
#[derive(Debug)]
pub(crate) struct Progress {
    state: watch::Receiver<State>,
    told: u64,
    failure: Arc<Mutex<Option<Error>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    durable: u64,
    failed: bool,
}

impl Reporter {
    /// So many batches are durable, counted from the first one written.
    pub(crate) fn durable(&self, batches: u64) {
        self.state.send_if_modified(|state| {
            let more = batches > state.durable && !state.failed;
            if more {
                state.durable = batches;
            }
            more
        });
    }

    /// Nothing more will become durable. Only the first failure counts: others follow from it.
    pub(crate) fn fail(&self, error: Error) {
        self.state.send_if_modified(|state| {
            let first = !state.failed;
            if first {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                state.failed = true;
            }
            first
        });
    }
}

impl Progress {
    /// Waits for more than was told last time. What became durable before a failure is told before it.
    pub(crate) async fn durable(&mut self) -> Result<u64, Error> {
        loop {
            let State { durable, failed } = *self.state.borrow_and_update();
            if durable > self.told {
                self.told = durable;
                return Ok(durable);
            }
            if failed || self.state.changed().await.is_err() {
                return Err(self.failure());
            }
        }
    }

    /// What went wrong.
    pub(crate) fn failure(&self) -> Error {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(Error::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_durable_is_told_before_the_failure() {
        let (reporter, mut progress) = progress();
        reporter.durable(2);
        assert_eq!(progress.durable().await.unwrap(), 2);
        reporter.durable(3);
        reporter.fail(Error::StdoutClosed);
        assert_eq!(progress.durable().await.unwrap(), 3);
        assert!(matches!(progress.durable().await, Err(Error::StdoutClosed)));
        assert!(matches!(progress.durable().await, Err(Error::Stopped)));
    }
}

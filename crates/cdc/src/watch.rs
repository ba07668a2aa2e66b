use std::sync::Arc;
use std::time::Duration;

use event::Failure as _;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::danger::Danger;
pub(crate) use self::eye::Eye;
pub(crate) use self::sight::Sight;
use crate::status::Status;

mod danger;
mod eye;
mod sight;

/// Looks at the database every few seconds, from a connection of its own, until it is dropped. So the lag grows and the
/// slot's WAL, or how long the log is kept, is known also while the pipeline reads nothing; and whatever fails here, the pipeline goes on.
#[derive(Debug)]
pub(crate) struct SourceWatch(JoinHandle<()>);

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// While there is no slot yet, or nothing is known of the tables that are being loaded.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// A look that takes longer is given up, with its connection.
const PATIENCE: Duration = Duration::from_secs(10);

impl SourceWatch {
    /// Starts looking.
    pub(crate) fn start(eye: Eye, status: Arc<Status>) -> Self {
        Self(tokio::spawn(async move { Watcher { eye, status, danger: Danger::Safe }.run().await }))
    }
}

impl Drop for SourceWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Watcher {
    eye: Eye,
    status: Arc<Status>,
    danger: Danger,
}

impl Watcher {
    async fn run(mut self) {
        // Of the tables that the pipeline begins with; those that are loaded later are few.
        let mut has_estimates = false;
        loop {
            let wants_estimates = !has_estimates && self.status.has_loads();
            let sight = match timeout(PATIENCE, self.eye.look(&self.status, wants_estimates)).await {
                Ok(Ok(sight)) => {
                    // Streaming without having loaded: nothing to guess.
                    has_estimates |= wants_estimates || self.status.is_streaming();
                    Some(sight)
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "what the server keeps of its log is not known just now");
                    None
                }
                Err(_) => {
                    tracing::debug!(patience_s = PATIENCE.as_secs(), "the database does not say how it is");
                    None
                }
            };
            let is_reachable = sight.is_some();
            let is_incomplete = sight.as_ref().is_some_and(Sight::is_incomplete);
            if let Some(sight) = &sight {
                self.warn(sight);
            }
            self.status.seen(sight);
            // A database that is away is looked for no more often than one that is there.
            let wants_more = is_reachable && (is_incomplete || !has_estimates);
            sleep(if wants_more { LOOK_SOON } else { LOOK_EVERY }).await;
        }
    }

    /// Once at each crossing, well before the way on is lost.
    fn warn(&mut self, sight: &Sight) {
        let before = self.danger;
        self.danger = Danger::of(sight.share_left(), before);
        if self.danger > before {
            let failure = sight.failure(self.danger);
            self.status.trouble(&failure);
            tracing::warn!(code = failure.code(), "{failure}");
        } else if self.danger < before && self.danger == Danger::Safe {
            tracing::info!("what the pipeline needs of the server's log is in no danger any more");
        }
    }
}

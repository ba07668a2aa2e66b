use std::sync::Arc;
use std::time::Duration;

use event::Failure as _;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use wal_reader::watch::{Sight, estimated_rows, look};
use wal_reader::wire::{self, Connection, Mode};
use wal_reader::{Error, Options};

use crate::status::Status;

use self::danger::{Danger, SlotInDanger};

mod danger;

/// Looks at the database every few seconds, from a connection of its own, until it is dropped. So the lag grows and the
/// slot's WAL is known also while the pipeline reads nothing; and whatever fails here, the pipeline goes on.
#[derive(Debug)]
pub(crate) struct SourceWatch(JoinHandle<()>);

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// While there is no slot yet, or nothing is known of the tables that are being loaded.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// A look that takes longer is given up, with its connection.
const PATIENCE: Duration = Duration::from_secs(10);

impl SourceWatch {
    /// Starts looking.
    pub(crate) fn start(options: Options, status: Arc<Status>) -> Self {
        Self(tokio::spawn(async move {
            Watcher { options, status, connection: None, danger: Danger::Safe }.run().await
        }))
    }
}

impl Drop for SourceWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Watcher {
    options: Options,
    status: Arc<Status>,
    connection: Option<Connection>,
    danger: Danger,
}

impl Watcher {
    async fn run(mut self) {
        // Of the tables that the pipeline begins with; those that are loaded later are few.
        let mut has_estimates = false;
        loop {
            let wants_estimates = !has_estimates && self.status.has_loads();
            let sight = match timeout(PATIENCE, self.look(wants_estimates)).await {
                Ok(Ok(sight)) => {
                    // Streaming without having loaded: nothing to guess.
                    has_estimates |= wants_estimates || self.status.is_streaming();
                    Some(sight)
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the slot's WAL and the log's end are not known just now");
                    None
                }
                Err(_) => {
                    tracing::debug!(patience_s = PATIENCE.as_secs(), "the database does not say how it is");
                    None
                }
            };
            let is_reachable = sight.is_some();
            let has_no_slot = sight.as_ref().is_some_and(|sight| sight.slot.is_none());
            if let Some(sight) = &sight {
                self.warn(sight);
            }
            self.status.seen(sight);
            // A database that is away is looked for no more often than one that is there.
            let wants_more = is_reachable && (has_no_slot || !has_estimates);
            sleep(if wants_more { LOOK_SOON } else { LOOK_EVERY }).await;
        }
    }

    /// Once at each crossing, well before the slot is lost.
    fn warn(&mut self, sight: &Sight) {
        let before = self.danger;
        self.danger = Danger::of(sight, before);
        if self.danger > before {
            let failure = SlotInDanger::of(sight, self.danger);
            self.status.trouble(&failure);
            tracing::warn!(code = failure.code(), slot = self.options.slot, "{failure}");
        } else if self.danger < before && self.danger == Danger::Safe {
            tracing::info!(slot = self.options.slot, "the slot is in no danger any more");
        }
    }

    async fn look(&mut self, wants_estimates: bool) -> Result<Sight, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => wire::connect(&self.options.connection, Mode::Sql).await?,
        };
        if wants_estimates {
            let estimates = estimated_rows(&mut connection).await?;
            self.status.rows_expected(&estimates);
        }
        let sight = look(&mut connection, &self.options.slot).await?;
        self.connection = Some(connection);
        Ok(sight)
    }
}

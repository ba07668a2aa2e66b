use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use event::TableName;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::error::Error;
use crate::reader::News;

/// The reading thread's end: what it says, and whether it is to stop.
pub(crate) struct Control {
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// How late a request to stop may be noticed.
const NOTICED_WITHIN: Duration = Duration::from_millis(50);

impl Control {
    /// Errs once it is to stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.stop.load(Ordering::Relaxed) || self.news.is_closed() {
            true => Err(Error::Superseded),
            false => Ok(()),
        }
    }

    /// Something new is in the outbox. Waits while nobody takes note: the outbox must not grow without bounds.
    pub(crate) fn committed(&self) {
        self.say(News::Written);
    }

    /// How far a scan is. Of no interest to somebody who is busy.
    pub(crate) fn progress(&self, resource: &TableName, rows: u64) {
        if let Err(TrySendError::Closed(_)) =
            self.news.try_send(News::Read { resource: resource.clone(), rows })
        {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn say(&self, news: News) {
        if self.news.blocking_send(news).is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn sleep_until(&self, then: Instant) -> Result<(), Error> {
        loop {
            self.check()?;
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(NOTICED_WITHIN));
        }
    }
}

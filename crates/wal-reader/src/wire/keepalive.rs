use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::replication::{ReplicationWriter, Status};
use crate::error::Error;

/// Keeps the server informed, whatever the rest of the program waits for.
///
/// A task of its own holds the writing half of the stream. It reports the greatest position that it was told of:
/// after each interval, and sooner when there is news or the server asks, though at most once a second. That limit
/// matters: a server that shuts down asks again with every answer, hundreds of thousands of times. The task ends when
/// this handle is dropped.
#[derive(Debug)]
pub struct Keepalive {
    wanted: watch::Sender<Wanted>,
    error: Arc<OnceLock<Error>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    flushed: u64,
    /// Counts the server's requests.
    replies: u64,
    is_last: bool,
}

/// The least time between two updates of which the second is not due to the interval.
const LEAST_GAP: Duration = Duration::from_secs(1);
/// The longest time between two updates, on a server that never gives up a silent connection.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);

impl Keepalive {
    /// How often to report to a server with this `wal_sender_timeout`: often enough that one update may be late.
    pub fn interval(wal_sender_timeout: Option<Duration>) -> Duration {
        wal_sender_timeout.map_or(LONGEST_INTERVAL, |timeout| (timeout / 3).min(LONGEST_INTERVAL))
    }

    /// Starts the task. Until told of more it reports `flushed`, the position the stream was started at.
    pub fn spawn(writer: ReplicationWriter, interval: Duration, flushed: u64) -> Self {
        let (wanted, changes) = watch::channel(Wanted { flushed, ..Wanted::default() });
        let error = Arc::new(OnceLock::new());
        let latch = error.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = report(writer, changes, interval).await {
                // Only this task sets it, once.
                let _ = latch.set(error);
            }
        });
        Self { wanted, error, task }
    }

    /// Everything before this position is safe: the server may forget it. Never blocks; a smaller one changes nothing.
    pub fn advance_to(&self, flushed: u64) {
        self.wanted.send_if_modified(|wanted| {
            let is_news = flushed > wanted.flushed;
            wanted.flushed = wanted.flushed.max(flushed);
            is_news
        });
    }

    /// The server asked for a sign of life.
    pub fn reply_requested(&self) {
        self.wanted.send_modify(|wanted| wanted.replies = wanted.replies.wrapping_add(1));
    }

    /// Why the task ended, if it could not go on.
    pub fn error(&self) -> Option<&Error> {
        self.error.get()
    }

    /// Reports the greatest position once more, ends the stream, and waits until both are written.
    pub async fn finish(mut self) -> Result<(), Error> {
        self.wanted.send_modify(|wanted| wanted.is_last = true);
        // It can only fail by being cancelled, which nobody but `drop` does.
        let _ = (&mut self.task).await;
        self.error.get().cloned().map_or(Ok(()), Err)
    }
}

impl Drop for Keepalive {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn report(
    mut writer: ReplicationWriter,
    mut changes: watch::Receiver<Wanted>,
    interval: Duration,
) -> Result<(), Error> {
    let gap = LEAST_GAP.min(interval);
    let mut is_news = false;
    let mut sent_at = Instant::now();
    // The first answer need not wait.
    let mut soonest = sent_at;
    loop {
        let due = if is_news { soonest } else { sent_at + interval };
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                is_news = true;
                if !changes.borrow().is_last {
                    continue;
                }
            }
            () = sleep_until(due) => {}
        }
        let wanted = *changes.borrow_and_update();
        let Wanted { flushed, .. } = wanted;
        writer.send_status(Status { written: flushed, flushed, applied: flushed }).await?;
        if wanted.is_last {
            return writer.copy_done().await;
        }
        is_news = false;
        sent_at = Instant::now();
        soonest = sent_at + gap;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::super::replication;
    use super::*;

    const UPDATE_BYTES: usize = 39;

    fn flushed(update: &[u8]) -> u64 {
        assert_eq!(update[5], b'r');
        let positions: Vec<_> =
            update[6..30].chunks(8).map(|lsn| u64::from_be_bytes(lsn.try_into().unwrap())).collect();
        assert!(positions.iter().all(|position| *position == positions[0]), "{positions:?}");
        positions[0]
    }

    /// A keepalive with an interval that never comes, and what the server gets.
    fn started(flushed: u64) -> (Keepalive, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (_, writer) = replication::split(replication::tests::connection(ours)).unwrap();
        (Keepalive::spawn(writer, Duration::from_secs(3600), flushed), theirs)
    }

    #[tokio::test]
    async fn the_greatest_wins_and_is_the_last_word() {
        let (keepalive, mut server) = started(3);
        let mut update = [0; UPDATE_BYTES];
        keepalive.reply_requested();
        server.read_exact(&mut update).await.unwrap();
        assert_eq!(flushed(&update), 3);
        keepalive.advance_to(7);
        keepalive.advance_to(5);
        assert!(keepalive.error().is_none());
        keepalive.finish().await.unwrap();
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        assert_eq!(flushed(&rest[..UPDATE_BYTES]), 7);
        assert_eq!(&rest[UPDATE_BYTES..], b"c\0\0\0\x04");
    }

    #[tokio::test]
    async fn a_flood_of_requests_is_answered_once_a_second() {
        let (keepalive, mut server) = started(1);
        let began = Instant::now();
        for _ in 0..10_000 {
            keepalive.reply_requested();
            tokio::task::yield_now().await;
        }
        keepalive.finish().await.unwrap();
        let mut sent = Vec::new();
        server.read_to_end(&mut sent).await.unwrap();
        // The first, the last, and one for each second between.
        let most = 2 + began.elapsed().as_secs();
        assert!((sent.len() / UPDATE_BYTES) as u64 <= most, "{} bytes", sent.len());
    }

    #[tokio::test]
    async fn what_ended_it_stays() {
        let (keepalive, server) = started(1);
        drop(server);
        keepalive.advance_to(2);
        while keepalive.error().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(keepalive.error().unwrap().is_retryable());
        assert!(keepalive.finish().await.is_err());
    }

    #[tokio::test]
    async fn it_ends_with_its_handle() {
        let (keepalive, mut server) = started(1);
        drop(keepalive);
        assert_eq!(server.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }

    #[test]
    fn intervals() {
        assert_eq!(Keepalive::interval(None), Duration::from_secs(10));
        assert_eq!(Keepalive::interval(Some(Duration::from_secs(60))), Duration::from_secs(10));
        assert_eq!(Keepalive::interval(Some(Duration::from_secs(3))), Duration::from_secs(1));
    }
}

use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use self::alarm::Alarm;

/// When to read from a walsender.
///
/// It flushes every message by itself (`WalSndWriteData` calls `pq_flush_if_writable`), so a reader that is woken
/// for each makes both sides switch context once a row. While much arrives, a read therefore waits until a pause after
/// the last one is over; a quiet stream is read at once.
///
/// What counts as much is judged by the bytes of the last few milliseconds, not by the size of the last read: small
/// reads are what pausing too rarely looks like, so they would keep the pauses from ever beginning.
///
/// A flood from this very machine gets pauses that are long enough to fill a receive buffer made small for that
/// (`Socket::set_paced` says why).
#[derive(Debug)]
pub(crate) struct Pace {
    alarm: Alarm,
    flood_pause: Duration,
    resume_at: Instant,
    window_started: Instant,
    window_bytes: usize,
    last_window_bytes: usize,
}

const PAUSE: Duration = Duration::from_micros(500);
/// In a flood whose sender has room for all that comes in this time.
const LONG_PAUSE: Duration = Duration::from_millis(4);
const WINDOW: Duration = Duration::from_millis(5);
/// About 3 MB/s.
const BUSY_BYTES: usize = 16 * 1024;
/// About 16 MB/s: some 80,000 small changes a second.
const FLOOD_BYTES: usize = 80 * 1024;

impl Pace {
    /// `is_near`: the sender is on this machine, with a buffer of its own for what a long pause leaves there.
    pub(crate) fn new(is_near: bool) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            alarm: Alarm::new()?,
            flood_pause: if is_near { LONG_PAUSE } else { PAUSE },
            resume_at: now,
            window_started: now,
            window_bytes: 0,
            last_window_bytes: 0,
        })
    }

    /// Whether so much arrives that reads are worth putting off.
    pub(crate) fn is_busy(&self) -> bool {
        self.window_bytes.max(self.last_window_bytes) >= BUSY_BYTES
    }

    /// Notes a read. `drained`: nothing was left behind it; otherwise the next read need not wait.
    pub(crate) fn record(&mut self, now: Instant, bytes: usize, drained: bool) {
        let elapsed = now.saturating_duration_since(self.window_started);
        if elapsed >= WINDOW {
            self.last_window_bytes =
                if elapsed < 4 * WINDOW { per_window(self.window_bytes, elapsed) } else { 0 };
            self.window_bytes = 0;
            self.window_started = now;
        }
        self.window_bytes = self.window_bytes.saturating_add(bytes);
        self.resume_at = if drained { now + self.pause() } else { now };
    }

    fn pause(&self) -> Duration {
        // One large read is no flood: it takes a whole window of it.
        if self.last_window_bytes >= FLOOD_BYTES {
            self.flood_pause
        } else if self.is_busy() {
            PAUSE
        } else {
            Duration::ZERO
        }
    }

    /// Ready when it is time to read. May be dropped and polled anew.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let left = self.resume_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.alarm.poll(context, left))?;
        }
    }
}

/// Windows end with a read, so those with pauses in them are longer than [`WINDOW`].
fn per_window(bytes: usize, elapsed: Duration) -> usize {
    (bytes as u128 * WINDOW.as_micros() / elapsed.as_micros().max(1)) as usize
}

#[cfg(target_os = "linux")]
mod alarm {
    use std::io;
    use std::sync::Arc;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;

    use crate::watch::{Watched, watch};

    /// A timerfd: tokio's own timer counts in whole milliseconds.
    #[derive(Debug)]
    pub(super) struct Alarm {
        timer: Watched,
        is_set: bool,
    }

    impl Alarm {
        pub(super) fn new() -> io::Result<Self> {
            let timer =
                timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            Ok(Self { timer: watch(Arc::new(timer), Interest::READABLE)?, is_set: false })
        }

        /// Ready when the time set at the first poll is over.
        pub(super) fn poll(&mut self, context: &mut Context<'_>, left: Duration) -> Poll<io::Result<()>> {
            if !self.is_set {
                let once = Itimerspec {
                    it_interval: Timespec::default(),
                    it_value: Timespec::try_from(left).map_err(io::Error::other)?,
                };
                timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
                self.is_set = true;
            }
            // No read of the count: the next expiry is a new event all the same, as the watch is edge-triggered, and
            // the caller looks at the clock.
            ready!(self.timer.poll_read_ready(context))?.clear_ready();
            self.is_set = false;
            Poll::Ready(Ok(()))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod alarm {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use tokio::time::{Sleep, sleep};

    /// Tokio's timer, which counts in whole milliseconds.
    #[derive(Debug)]
    pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

    impl Alarm {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(None))
        }

        /// Ready when the time set at the first poll is over.
        pub(super) fn poll(&mut self, context: &mut Context<'_>, left: Duration) -> Poll<io::Result<()>> {
            ready!(self.0.get_or_insert_with(|| Box::pin(sleep(left))).as_mut().poll(context));
            self.0 = None;
            Poll::Ready(Ok(()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads of these sizes at these microseconds after the start.
    fn paced(reads: &[(u64, usize)]) -> Pace {
        let mut pace = Pace::new(true).unwrap();
        let start = pace.window_started;
        for (at_us, bytes) in reads {
            pace.record(start + Duration::from_micros(*at_us), *bytes, true);
        }
        pace
    }

    #[tokio::test]
    async fn a_quiet_stream_is_not_busy() {
        assert!(!paced(&[]).is_busy());
        assert!(!paced(&[(0, 10_000), (11_000, 10_000)]).is_busy());
    }

    #[tokio::test]
    async fn many_small_reads_are_busy() {
        let reads: Vec<_> = (0..200).map(|index| (index * 20, 200)).collect();
        let pace = paced(&reads);
        assert!(pace.is_busy());
        assert_eq!(pace.resume_at, pace.window_started + Duration::from_micros(199 * 20) + PAUSE);
    }

    #[tokio::test]
    async fn it_stays_busy_over_a_window_s_edge_and_ends_after_silence() {
        assert!(paced(&[(0, 60_000), (5_100, 100)]).is_busy());
        assert!(!paced(&[(0, 60_000), (20_100, 100)]).is_busy());
    }

    #[tokio::test]
    async fn a_flood_is_paused_for_longer_if_its_sender_is_near() {
        let reads: Vec<_> = (0..20).map(|index| (index * 1000, 30_000)).collect();
        let mut pace = paced(&reads);
        let last = pace.window_started.max(pace.resume_at - LONG_PAUSE);
        assert_eq!(pace.resume_at, last + LONG_PAUSE);
        pace.flood_pause = PAUSE;
        pace.record(last, 30_000, true);
        assert_eq!(pace.resume_at, last + PAUSE);
        assert_eq!(paced(&[(0, 1_000_000)]).pause(), PAUSE, "one large read");
    }

    #[tokio::test]
    async fn what_was_left_behind_is_read_at_once() {
        let mut pace = paced(&[(0, 60_000)]);
        let now = Instant::now();
        pace.record(now, 60_000, false);
        assert_eq!(pace.resume_at, now);
    }

    #[tokio::test]
    async fn a_pause_ends_and_may_be_dropped_on_the_way() {
        let mut pace = paced(&[]);
        for _ in 0..20 {
            pace.record(Instant::now(), 60_000, true);
            let mut due = std::pin::pin!(std::future::poll_fn(|context| pace.poll_due(context)));
            tokio::select! { biased; _ = due.as_mut() => {}, () = tokio::task::yield_now() => {} }
        }
        std::future::poll_fn(|context| pace.poll_due(context)).await.unwrap();
        assert!(Instant::now() >= pace.resume_at);
    }
}

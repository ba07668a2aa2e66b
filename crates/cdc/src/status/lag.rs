use std::collections::VecDeque;
use std::time::Duration;

use event::{BinlogOffset, LogPlace};
use tokio::time::Instant;

/// How far the sink is behind the database's log: in bytes, and since when. Two clocks never meet here: what counts is
/// when this process learnt of an end of the log that the sink has not durably reached yet.
#[derive(Debug, Default)]
pub(super) struct Lag {
    reached: LogPlace,
    /// The furthest end, and when it was learnt of.
    end: Option<(LogPlace, Instant)>,
    /// Ends not reached yet, and when they were learnt of, ascending; not all of them.
    ends: VecDeque<(LogPlace, Instant)>,
    /// The files of a binary log, by number, and how long each was when it was looked at last.
    files: Vec<(u32, u64)>,
}

const ENDS_KEPT: usize = 1024;
const NOTE_EVERY: Duration = Duration::from_millis(100);

impl Lag {
    pub(super) fn reached(&mut self, position: LogPlace) {
        self.reached = self.reached.max(position);
        while self.ends.front().is_some_and(|(end, _)| *end <= self.reached) {
            self.ends.pop_front();
        }
    }

    pub(super) fn log_end(&mut self, end: LogPlace, now: Instant) {
        if self.end.is_some_and(|(furthest, _)| furthest >= end) {
            return;
        }
        self.end = Some((end, now));
        if end <= self.reached
            || self.ends.back().is_some_and(|(_, at)| now.saturating_duration_since(*at) < NOTE_EVERY)
        {
            return;
        }
        if self.ends.len() == ENDS_KEPT {
            // Every other one will do: it makes the answer a little coarser, never too small by more than that.
            let mut keep = false;
            self.ends.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.ends.push_back((end, now));
    }

    /// What a binary log consists of.
    pub(super) fn files(&mut self, files: Vec<(u32, u64)>) {
        self.files = files;
    }

    pub(super) fn bytes(&self) -> Option<u64> {
        match (self.reached, self.end?.0) {
            (LogPlace::Postgres(reached), LogPlace::Postgres(end)) => {
                Some(u64::from(end).saturating_sub(u64::from(reached)))
            }
            (LogPlace::Binlog(reached), LogPlace::Binlog(end)) if reached < end => {
                // A file that was begun since the last look counts from the next one on.
                let seen =
                    self.files.last().map(|(file, offset)| BinlogOffset { file: *file, offset: *offset });
                self.bytes_between(reached, end).or_else(|| self.bytes_between(reached, seen?))
            }
            (reached, end) => (reached >= end).then_some(0),
        }
    }

    /// Between two places of a binary log; none if it is not known how long the files between them are.
    fn bytes_between(&self, reached: BinlogOffset, end: BinlogOffset) -> Option<u64> {
        let length = |file| self.files.iter().find(|(number, _)| *number == file).map(|(_, bytes)| *bytes);
        let before: u64 = (reached.file..end.file).map(length).sum::<Option<u64>>()?;
        Some((before + end.offset).saturating_sub(reached.offset))
    }

    pub(super) fn seconds(&self, now: Instant) -> Option<f64> {
        let (end, learnt) = self.end?;
        if end <= self.reached {
            return Some(0.0);
        }
        let behind_since = self.ends.front().map_or(learnt, |(_, at)| *at);
        Some(now.saturating_duration_since(behind_since).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use event::Lsn;

    use super::*;

    #[test]
    fn the_lag_is_since_the_oldest_end_that_is_not_reached() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut lag = Lag::default();
        assert_eq!((lag.bytes(), lag.seconds(start)), (None, None));
        lag.reached(Lsn::from(100).into());
        lag.log_end(Lsn::from(100).into(), after(0));
        assert_eq!((lag.bytes(), lag.seconds(after(5))), (Some(0), Some(0.0)));
        lag.log_end(Lsn::from(200).into(), after(10));
        lag.log_end(Lsn::from(300).into(), after(20));
        assert_eq!((lag.bytes(), lag.seconds(after(30))), (Some(200), Some(20.0)));
        lag.reached(Lsn::from(200).into());
        assert_eq!((lag.bytes(), lag.seconds(after(30))), (Some(100), Some(10.0)));
        lag.reached(Lsn::from(300).into());
        assert_eq!((lag.bytes(), lag.seconds(after(30))), (Some(0), Some(0.0)));
    }

    #[test]
    fn an_end_that_came_right_after_another_counts_too() {
        let start = Instant::now();
        let mut lag = Lag::default();
        lag.log_end(Lsn::from(100).into(), start);
        lag.log_end(Lsn::from(200).into(), start + NOTE_EVERY / 2);
        lag.reached(Lsn::from(100).into());
        let seconds = lag.seconds(start + Duration::from_secs(10)).unwrap();
        assert!((9.0..=10.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_binary_log_s_files_are_added_up() {
        let at = |file, offset| LogPlace::Binlog(BinlogOffset { file, offset });
        let mut lag = Lag::default();
        lag.reached(at(7, 900));
        lag.log_end(at(7, 1000), Instant::now());
        assert_eq!(lag.bytes(), Some(100), "within a file");
        lag.log_end(at(9, 50), Instant::now());
        assert_eq!(lag.bytes(), None, "nobody has looked yet");
        lag.files(vec![(6, 9999), (7, 1000), (8, 2000), (9, 40)]);
        assert_eq!(lag.bytes(), Some(100 + 2000 + 50));
        lag.log_end(at(11, 30), Instant::now());
        assert_eq!(lag.bytes(), Some(100 + 2000 + 40), "up to where it was seen");
        lag.reached(at(11, 30));
        assert_eq!(lag.bytes(), Some(0));
    }

    #[test]
    fn a_long_stall_takes_little_memory() {
        let start = Instant::now();
        let mut lag = Lag::default();
        for number in 1..100_000_u64 {
            lag.log_end(Lsn::from(number).into(), start + Duration::from_secs(number));
        }
        assert!(lag.ends.len() <= ENDS_KEPT);
        assert_eq!(lag.seconds(start + Duration::from_secs(100_000)), Some(99_999.0));
    }
}

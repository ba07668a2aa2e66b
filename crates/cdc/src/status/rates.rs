use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::report::{Flow, Moment, Rates};

/// How fast events come and go: what was counted in all, noted every second for some minutes.
#[derive(Debug)]
pub(super) struct RateMeter {
    pub(super) read: Total,
    pub(super) delivered: Total,
    notes: VecDeque<Note>,
}

/// Since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    events: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    at: Instant,
    read: Total,
    delivered: Total,
    lag_bytes: Option<u64>,
}

/// What a rate is the mean of.
const WINDOW: Duration = Duration::from_secs(5);
/// Five minutes.
const NOTES_KEPT: usize = 301;

impl RateMeter {
    pub(super) fn new(now: Instant) -> Self {
        let (read, delivered) = Default::default();
        let first = Note { at: now, read, delivered, lag_bytes: None };
        Self { read, delivered, notes: VecDeque::from([first]) }
    }

    /// Called about every second.
    pub(super) fn note(&mut self, lag_bytes: Option<u64>, now: Instant) {
        if self.notes.len() == NOTES_KEPT {
            self.notes.pop_front();
        }
        self.notes.push_back(Note { at: now, read: self.read, delivered: self.delivered, lag_bytes });
    }

    /// The mean of the last seconds.
    pub(super) fn rates(&self, now: Instant) -> Rates {
        let before = self.notes.iter().rev().find(|note| now.saturating_duration_since(note.at) >= WINDOW);
        let Some(before) = before.or_else(|| self.notes.front()) else { return Rates::default() };
        let seconds = now.saturating_duration_since(before.at).as_secs_f64();
        Rates {
            read: self.read.flow_since(before.read, seconds),
            delivered: self.delivered.flow_since(before.delivered, seconds),
        }
    }

    /// Second by second, the oldest first.
    pub(super) fn history(&self) -> Vec<Moment> {
        let pairs = self.notes.iter().zip(self.notes.iter().skip(1));
        pairs
            .map(|(before, note)| {
                let seconds = note.at.saturating_duration_since(before.at).as_secs_f64();
                Moment {
                    events_per_second: note.delivered.flow_since(before.delivered, seconds).events_per_second,
                    lag_bytes: note.lag_bytes,
                }
            })
            .collect()
    }
}

impl Total {
    pub(super) fn add(&mut self, (events, bytes): (u64, u64)) {
        self.events += events;
        self.bytes += bytes;
    }

    fn flow_since(self, before: Self, seconds: f64) -> Flow {
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Flow {
            events_per_second: per_second(self.events.saturating_sub(before.events)),
            bytes_per_second: per_second(self.bytes.saturating_sub(before.bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        assert_eq!(meter.rates(start), Rates::default());
        for second in 1..=1000 {
            meter.delivered.add((if second > 990 { 10 } else { 0 }, 100));
            meter.note(Some(second), start + Duration::from_secs(second));
        }
        let now = start + Duration::from_secs(1000);
        assert_eq!(meter.rates(now).delivered, Flow { events_per_second: 10.0, bytes_per_second: 100.0 });
        assert_eq!(meter.rates(now + Duration::from_secs(60)).delivered.events_per_second, 0.0);
        let history = meter.history();
        assert_eq!(history.len(), NOTES_KEPT - 1);
        assert_eq!(history.last().unwrap(), &Moment { events_per_second: 10.0, lag_bytes: Some(1000) });
        assert_eq!(history[0].events_per_second, 0.0);
    }
}

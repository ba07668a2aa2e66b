use std::time::{Duration, Instant};

/// How long to wait before the next attempt: twice as long each time, anew after an attempt that lasted.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures_in_a_row: u32,
    last_failure: Option<Instant>,
}

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// An attempt that lasted this long is not part of a series of failures.
const LASTED: Duration = Duration::from_secs(60);

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        if self.last_failure.is_some_and(|at| at.elapsed() > LASTED + LONGEST) {
            self.failures_in_a_row = 0;
        }
        self.last_failure = Some(Instant::now());
        let wait = FIRST * 2_u32.pow(self.failures_in_a_row.min(10));
        self.failures_in_a_row += 1;
        wait.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    }
}

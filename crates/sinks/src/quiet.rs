use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one log line through a minute, and says how many it held back since.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<Option<(Instant, u64)>>);

const PAUSE: Duration = Duration::from_secs(60);

impl Quiet {
    /// Whether to log now: how many lines were held back since the last one.
    pub(crate) fn pass(&self) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((since, held_back)) if since.elapsed() < PAUSE => {
                *held_back += 1;
                None
            }
            _ => Some(last.replace((Instant::now(), 0)).map_or(0, |(_, held_back)| held_back)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute() {
        let quiet = Quiet::default();
        assert_eq!(quiet.pass(), Some(0));
        assert_eq!(quiet.pass(), None);
        assert_eq!(quiet.pass(), None);
        if let Some((since, _)) = &mut *quiet.0.lock().unwrap() {
            *since -= PAUSE;
        }
        assert_eq!(quiet.pass(), Some(2));
        assert_eq!(quiet.pass(), None);
    }
}

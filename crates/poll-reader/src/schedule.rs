//! When a resource is read.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use croner::Cron;
use jiff::Zoned;
use jiff::civil::Time;

/// When a resource is read: at intervals or by the clock, but not in quiet hours.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What sets it off.
    pub beat: Beat,
    /// Up to so much later, by chance, so that many do not ask at once.
    pub jitter: Duration,
    /// Not within these.
    pub quiet_hours: Vec<QuietHours>,
}

/// What sets a scan off.
#[derive(Clone, Debug)]
pub enum Beat {
    /// So long after the last one began. Measured by a clock that nobody sets.
    Every(Duration),
    /// At these times of the machine's time zone.
    Cron(Box<Cron>),
}

/// Hours of the day, in the machine's time zone: `22:00-06:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    to: Time,
}

impl Beat {
    /// Reads a pattern of five fields, as cron has them.
    pub fn cron(pattern: &str) -> Result<Self, String> {
        Cron::from_str(pattern).map(|cron| Self::Cron(Box::new(cron))).map_err(|error| error.to_string())
    }
}

impl Schedule {
    /// How long after a scan began the next one is due; `now` is when it began.
    pub(crate) fn pause(&self, now: &Zoned) -> Duration {
        self.beat_after(now) + self.jitter.mul_f64(chance())
    }

    /// The same at most.
    pub(crate) fn longest_pause(&self, now: &Zoned) -> Duration {
        self.beat_after(now) + self.jitter
    }

    fn beat_after(&self, now: &Zoned) -> Duration {
        match &self.beat {
            Beat::Every(interval) => *interval,
            Beat::Cron(cron) => cron
                .find_next_occurrence(now, false)
                .ok()
                .and_then(|next| Duration::try_from(now.duration_until(&next)).ok())
                // No such time will ever come (30 February): look again tomorrow.
                .unwrap_or(Duration::from_secs(24 * 3600)),
        }
    }

    /// Whether nothing is read now.
    pub(crate) fn is_quiet(&self, now: Time) -> bool {
        self.quiet_hours.iter().any(|hours| hours.contains(now))
    }
}

impl QuietHours {
    fn contains(self, now: Time) -> bool {
        match self.from <= self.to {
            true => self.from <= now && now < self.to,
            // Over midnight.
            false => self.from <= now || now < self.to,
        }
    }
}

impl FromStr for QuietHours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
        let (from, to) =
            text.split_once('-').ok_or_else(|| format!("`{text}` must be two times, as in 22:00-06:00"))?;
        match (time(from), time(to)) {
            (Some(from), Some(to)) if from != to => Ok(Self { from, to }),
            _ => Err(format!("`{text}` must be two different times of the day, as in 22:00-06:00")),
        }
    }
}

/// Between 0 and 1. Good enough to keep machines apart.
fn chance() -> f64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    f64::from(nanos % 1_000_003) / 1_000_003.0
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;

    fn at(hour: i8, minute: i8) -> Zoned {
        date(2026, 11, 22).at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).unwrap()
    }

    fn schedule(beat: Beat, quiet: &[&str]) -> Schedule {
        let quiet_hours = quiet.iter().map(|hours| hours.parse().unwrap()).collect();
        Schedule { beat, jitter: Duration::ZERO, quiet_hours }
    }

    #[test]
    fn a_pattern_is_followed_by_the_clock() {
        let nightly = schedule(Beat::cron("30 2 * * *").unwrap(), &[]);
        assert_eq!(nightly.pause(&at(1, 0)), Duration::from_secs(90 * 60));
        assert_eq!(nightly.pause(&at(2, 30)), Duration::from_secs(24 * 3600));
        assert!(Beat::cron("every day").is_err());
        let never = schedule(Beat::cron("0 0 30 2 *").unwrap(), &[]);
        assert_eq!(never.pause(&at(1, 0)), Duration::from_secs(24 * 3600));
    }

    #[test]
    fn an_interval_does_not_care_for_the_clock() {
        let every = schedule(Beat::Every(Duration::from_secs(30)), &[]);
        assert_eq!(every.pause(&at(1, 0)), Duration::from_secs(30));
        let jittery = Schedule { jitter: Duration::from_secs(10), ..every };
        let pause = jittery.pause(&at(1, 0));
        assert!((30..=40).contains(&pause.as_secs()), "{pause:?}");
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        let night = schedule(Beat::Every(Duration::ZERO), &["22:00-06:00", "12:00-13:00"]);
        for (hour, minute, is_quiet) in
            [(21, 59, false), (22, 0, true), (3, 0, true), (6, 0, false), (12, 30, true), (13, 0, false)]
        {
            assert_eq!(night.is_quiet(at(hour, minute).time()), is_quiet, "{hour}:{minute}");
        }
        for wrong in ["22:00", "25:00-03:00", "03:00-03:00", ""] {
            assert!(wrong.parse::<QuietHours>().is_err(), "{wrong}");
        }
    }
}

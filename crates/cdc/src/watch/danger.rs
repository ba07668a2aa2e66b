use binlog_reader::watch::SOON_PURGED;
use event::Failure;
use wal_reader::watch::Sight;

/// How near a pipeline's way on is to being lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Danger {
    Safe,
    /// Half of what the server allows is used up.
    Half,
    /// Hardly anything is left.
    Great,
}

/// What a pipeline still needs of the server's log will be lost if nothing changes.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct InDanger {
    code: &'static str,
    text: String,
}

/// Shares of what the server allows.
const HALF: f64 = 0.5;
const HARDLY_ANYTHING: f64 = 0.1;
/// One who goes to and fro at a border is told of once.
const MARGIN: f64 = 1.2;

impl Danger {
    /// What a look shows by the share that is left, after what the last one showed.
    pub(super) fn of(left: f64, before: Self) -> Self {
        let now = Self::at(left);
        if now >= before { now } else { Self::at(left / MARGIN).min(before) }
    }

    fn at(left: f64) -> Self {
        match left {
            _ if left < HARDLY_ANYTHING => Self::Great,
            _ if left < HALF => Self::Half,
            _ => Self::Safe,
        }
    }
}

impl InDanger {
    /// A file of the binary log that is purged by its age.
    pub(super) fn log(sight: &binlog_reader::watch::Sight) -> Self {
        let text = sight.kept.as_ref().map(|kept| kept.explanation().to_string()).unwrap_or_default();
        Self { code: SOON_PURGED, text }
    }

    /// Of a slot's WAL or time, whichever is scarcer.
    pub(super) fn share_left(sight: &Sight) -> f64 {
        let shares = [wal_left(sight), idle_left(sight)].into_iter().flatten();
        shares.map(|(left, limit)| left / limit.max(1.0)).fold(1.0, f64::min)
    }

    /// A slot.
    pub(super) fn slot(sight: &Sight, danger: Danger) -> Self {
        let used = if danger == Danger::Great { "almost all" } else { "half" };
        let text = match (wal_left(sight), idle_left(sight)) {
            (_, Some((left, limit))) if wal_left(sight).is_none_or(|wal| left / limit <= wal.0 / wal.1) => {
                format!(
                    "{used} of the time is over after which the server gives a slot up that nobody reads \
                 (idle_replication_slot_timeout = {limit} s): {left} s are left. Then all tables must be loaded anew. Mend \
                 what keeps the pipeline from reading, or raise it"
                )
            }
            (Some((left, limit)), _) => format!(
                "{used} of the WAL is used up that the server keeps for the slot (max_slot_wal_keep_size): {:.0} MiB of {:.0} \
                 MiB are left. Then the slot is lost, and all tables must be loaded anew. Mend the sink, or raise it (ALTER \
                 SYSTEM and pg_reload_conf() do) if the disk has room",
                left / f64::from(1 << 20),
                limit / f64::from(1 << 20)
            ),
            (None, _) => String::new(),
        };
        Self { code: "CDC-PG-059", text }
    }
}

impl Failure for InDanger {
    fn is_retryable(&self) -> bool {
        true
    }

    fn code(&self) -> &'static str {
        self.code
    }
}

/// How much may still be written, and how much in all; none without a limit.
fn wal_left(sight: &Sight) -> Option<(f64, f64)> {
    let slot = sight.slot.as_ref()?;
    let left = slot.safe_wal_bytes?.max(0) as f64;
    Some((left, left + slot.held_bytes? as f64))
}

fn idle_left(sight: &Sight) -> Option<(f64, f64)> {
    sight.idle.map(|idle| (idle.left_seconds as f64, idle.limit_seconds as f64))
}

#[cfg(test)]
mod tests {
    use event::Lsn;
    use wal_reader::slot::Slot;
    use wal_reader::watch::Idle;

    use super::Danger::{Great, Half, Safe};
    use super::*;

    fn sight(held: u64, left: Option<i64>, idle: Option<(u64, u64)>) -> Sight {
        let slot = Slot {
            name: "cdc_shop".to_owned(),
            plugin: None,
            database: None,
            active_pid: None,
            confirmed: None,
            wal_status: None,
            held_bytes: Some(held),
            safe_wal_bytes: left,
        };
        let idle = idle.map(|(left_seconds, limit_seconds)| Idle { left_seconds, limit_seconds });
        Sight { slot: Some(slot), log_end: Lsn::ZERO, idle }
    }

    #[test]
    fn each_border_is_told_of_once() {
        let mut danger = Safe;
        let looks = [(10, 90), (49, 51), (51, 49), (49, 51), (60, 40), (91, 9), (89, 11), (85, 15), (30, 70)];
        let seen = looks.map(|(held, left)| {
            danger = Danger::of(InDanger::share_left(&sight(held, Some(left), None)), danger);
            danger
        });
        assert_eq!(seen, [Safe, Safe, Half, Half, Half, Great, Great, Half, Safe]);
        assert_eq!(Danger::of(InDanger::share_left(&sight(100, Some(-5), None)), Safe), Great);
        assert_eq!(Danger::of(InDanger::share_left(&sight(1 << 40, None, None)), Safe), Safe);
    }

    #[test]
    fn the_scarcer_is_spoken_of() {
        let wal = sight(90 << 20, Some(10 << 20), Some((3600, 3600)));
        let said = InDanger::slot(&wal, Danger::of(InDanger::share_left(&wal), Safe)).to_string();
        assert!(said.contains("10 MiB of 100 MiB are left") && said.starts_with("half"), "{said}");
        let idle = sight(10, Some(90), Some((60, 3600)));
        let said = InDanger::slot(&idle, Danger::of(InDanger::share_left(&idle), Safe)).to_string();
        assert!(said.contains("60 s are left") && said.starts_with("almost all"), "{said}");
        let unlimited = sight(10, None, Some((60, 3600)));
        assert_eq!(Danger::of(InDanger::share_left(&unlimited), Safe), Great);
    }
}

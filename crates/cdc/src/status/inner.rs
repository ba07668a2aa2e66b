use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use event::{Failure, Position};
use poll_reader::Scanned;
use tokio::time::Instant;
use wal_reader::slot::Slot;
use wal_reader::watch::Idle;

use super::lag::Lag;
use super::rates::RateMeter;
use super::remedy::remedy;
use super::report::{
    ErrorReport, InFlight, Report, SavedPosition, ScanReport, SlotReport, SourceReport, State,
};
use super::tables::Tables;
use super::tally::Tally;
use crate::watch::Sight;

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) phase: Phase,
    pub(super) tables: Tables,
    pub(super) lag: Lag,
    pub(super) saved: Option<(Position, Instant)>,
    pub(super) retries: u64,
    pub(super) dead_letters: u64,
    beat: Instant,
    rates: RateMeter,
    /// What the sink was given and does not durably have, the oldest first.
    sent: VecDeque<Tally>,
    in_flight: InFlight,
    /// When the sink last stored something, or had nothing to store.
    moved: Instant,
    position: Option<Position>,
    source_is_reachable: Option<bool>,
    slot: Option<(Instant, SlotReport)>,
    /// The last scan of each resource, of a database that is polled.
    scans: BTreeMap<String, (Instant, ScanReport)>,
    /// Until the server may purge what is still needed of its log.
    purge_left_seconds: Option<(Instant, u64)>,
    error_counts: BTreeMap<&'static str, u64>,
    errors: VecDeque<(Instant, ErrorReport)>,
    errors_version: u64,
    /// Grows with every change of what is reported piece by piece: tables and errors.
    version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Loading,
    Streaming,
    Waiting { code: &'static str, reason: String },
    Stopped { code: Option<&'static str>, message: Option<String> },
}

pub(super) const ERRORS_KEPT: usize = 20;

/// A loop that gave no sign of life for so long hangs.
const ALIVE_WITHIN: Duration = Duration::from_secs(30);
/// A sink that stored nothing for so long, though it has something, takes nothing.
const MOVES_WITHIN: Duration = Duration::from_secs(10);
/// What was seen of the slot longer ago says nothing of the disk any more.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

impl Inner {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Starting,
            tables: Tables::default(),
            lag: Lag::default(),
            saved: None,
            retries: 0,
            dead_letters: 0,
            beat: now,
            rates: RateMeter::new(now),
            sent: VecDeque::new(),
            in_flight: InFlight::default(),
            moved: now,
            position: None,
            source_is_reachable: None,
            slot: None,
            scans: BTreeMap::new(),
            purge_left_seconds: None,
            error_counts: BTreeMap::new(),
            errors: VecDeque::new(),
            errors_version: 0,
            version: 0,
        }
    }

    /// The version of what is changed next.
    pub(super) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn rates(&self) -> &RateMeter {
        &self.rates
    }

    /// A sign of life, about every second.
    pub(super) fn beat(&mut self, now: Instant) {
        self.beat = now;
        self.rates.note(self.lag.bytes(), now);
    }

    /// Takes note of a failure. The same one over and over takes one place in the list.
    pub(super) fn note(&mut self, failure: &dyn Failure, message: &str) {
        let now = Instant::now();
        self.errors_version = self.next_version();
        *self.error_counts.entry(failure.code()).or_default() += 1;
        if let Some((at, last)) = self.errors.back_mut()
            && last.code == failure.code()
            && last.message == message
        {
            *at = now;
            last.times += 1;
            return;
        }
        if self.errors.len() == ERRORS_KEPT {
            self.errors.pop_front();
        }
        let error = ErrorReport {
            code: failure.code().to_owned(),
            message: message.to_owned(),
            remedy: remedy(failure.code()),
            is_retryable: failure.is_retryable(),
            times: 1,
            seconds_ago: 0,
        };
        self.errors.push_back((now, error));
    }

    pub(super) fn forget_in_flight(&mut self) {
        self.sent.clear();
        self.in_flight = InFlight::default();
    }

    pub(super) fn sent(&mut self, tally: Tally, now: Instant) {
        if self.sent.is_empty() {
            self.moved = now;
        }
        let total = tally.total();
        self.rates.read.add(total);
        self.in_flight.events += total.0;
        self.sent.push_back(tally);
    }

    pub(super) fn in_flight(&mut self, batches: usize, bytes: usize, now: Instant) {
        if batches == 0 || batches < self.sent.len() {
            self.moved = now;
        }
        while self.sent.len() > batches {
            if let Some(tally) = self.sent.pop_front() {
                let total = tally.total();
                self.rates.delivered.add(total);
                self.in_flight.events = self.in_flight.events.saturating_sub(total.0);
                let version = self.next_version();
                self.tables.count(&tally, version);
            }
        }
        self.in_flight.batches = batches as u64;
        self.in_flight.bytes = bytes as u64;
    }

    /// The source was read this far.
    pub(super) fn read(&mut self, position: &Position) {
        // The position of an idle database is further than the last batch's, and the other way round.
        if self.position.as_ref().is_none_or(|before| before.place() < position.place()) {
            self.position = Some(position.clone());
        }
    }

    /// The sink durably has everything up to here.
    pub(super) fn delivered(&mut self, position: &Position) {
        self.read(position);
        self.lag.reached(position.place());
    }

    pub(super) fn seen(&mut self, sight: Option<Sight>, now: Instant) {
        self.source_is_reachable = Some(sight.is_some());
        match sight {
            Some(Sight::Postgres(sight)) => {
                self.lag.log_end(sight.log_end.into(), now);
                self.slot = sight.slot.map(|slot| (now, slot_report(slot, sight.idle)));
            }
            Some(Sight::Mysql(sight)) => {
                if let Some(end) = sight.log_end() {
                    self.lag.log_end(end.into(), now);
                }
                self.lag.files(sight.files);
                self.purge_left_seconds = sight.kept.map(|kept| (now, kept.left_seconds));
            }
            None => {}
        }
    }

    pub(super) fn scanned(&mut self, scanned: &Scanned, now: Instant) {
        self.source_is_reachable = Some(true);
        let report = ScanReport {
            resource: scanned.resource.to_string(),
            scan: scanned.scan,
            is_full: scanned.is_full,
            rows: scanned.found.rows,
            inserted: scanned.found.inserted,
            updated: scanned.found.updated,
            deleted: scanned.found.deleted,
            held_deletes: scanned.held.map_or(0, |held| held.gone),
            seconds: scanned.took.as_secs_f64(),
            fetching_seconds: scanned.fetching.as_secs_f64(),
            seconds_ago: 0,
        };
        self.scans.insert(report.resource.clone(), (now, report));
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        !matches!(self.phase, Phase::Stopped { .. })
            && now.saturating_duration_since(self.beat) < ALIVE_WITHIN
    }

    /// Why changes do not arrive in the sink; none if they do. For anybody to read, so without names and messages.
    pub(super) fn not_ready_because(&self, now: Instant) -> Option<String> {
        let still = now.saturating_duration_since(self.moved);
        match &self.phase {
            Phase::Streaming if self.in_flight.batches > 0 && still >= MOVES_WITHIN => {
                Some(format!("the sink has stored nothing for {} s", still.as_secs()))
            }
            Phase::Streaming => None,
            Phase::Starting => Some("source and sink are being opened".to_owned()),
            Phase::Loading => {
                let load = self.tables.load_report().unwrap_or_default();
                Some(format!("loading: {} of {} tables are done", load.tables_done, load.tables))
            }
            Phase::Waiting { code, .. } => Some(format!("waiting to go on after {code}")),
            Phase::Stopped { code: Some(code), .. } => Some(format!("stopped by {code}")),
            Phase::Stopped { code: None, .. } => Some("stopped as it was told to".to_owned()),
        }
    }

    /// The picture, with those of the tables and errors that changed after a version.
    pub(super) fn report(&self, pipeline: &str, uptime: Duration, now: Instant, since: u64) -> Report {
        let not_ready_because = self.not_ready_because(now);
        let seconds = |at: Instant| now.saturating_duration_since(at).as_secs();
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < SEEN_WITHIN;
        Report {
            pipeline: pipeline.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: uptime.as_secs(),
            is_healthy: self.is_alive(now),
            is_ready: not_ready_because.is_none(),
            not_ready_because,
            state: self.state(),
            position: self.position.clone(),
            lag_bytes: self.lag.bytes(),
            lag_seconds: self.lag.seconds(now),
            rates: self.rates.rates(now),
            source: SourceReport {
                is_reachable: self.source_is_reachable,
                slot: self.slot.as_ref().filter(|(at, _)| is_fresh(*at)).map(|(_, slot)| slot.clone()),
                purge_left_seconds: self
                    .purge_left_seconds
                    .filter(|(at, _)| is_fresh(*at))
                    .map(|(_, left)| left),
            },
            in_flight: self.in_flight,
            checkpoint: self.saved.as_ref().map(|(position, at)| SavedPosition {
                position: position.clone(),
                age_seconds: Some(seconds(*at)),
            }),
            load: self.tables.load_report(),
            scans: self
                .scans
                .values()
                .map(|(at, scan)| ScanReport { seconds_ago: seconds(*at), ..scan.clone() })
                .collect(),
            tables: self.tables.report(since),
            retries: self.retries,
            dead_letters: self.dead_letters,
            error_counts: self
                .error_counts
                .iter()
                .map(|(code, count)| ((*code).to_owned(), *count))
                .collect(),
            last_errors: self
                .errors
                .iter()
                .filter(|_| self.errors_version > since)
                .map(|(at, error)| ErrorReport { seconds_ago: seconds(*at), ..error.clone() })
                .collect(),
        }
    }

    fn state(&self) -> State {
        match &self.phase {
            Phase::Starting => State::Starting,
            Phase::Loading => {
                let load = self.tables.load_report().unwrap_or_default();
                State::Loading {
                    table: self.tables.first_pending(),
                    done: load.tables_done,
                    total: load.tables,
                }
            }
            Phase::Streaming => State::Streaming,
            Phase::Waiting { reason, .. } => State::Waiting { reason: reason.clone() },
            Phase::Stopped { code, message } => {
                State::Stopped { code: code.map(str::to_owned), message: message.clone() }
            }
        }
    }
}

fn slot_report(slot: Slot, idle: Option<Idle>) -> SlotReport {
    SlotReport {
        name: slot.name,
        wal_bytes: slot.held_bytes,
        // Below zero once the limit is passed and the next checkpoint of the server may take the WAL away.
        wal_left_bytes: slot.safe_wal_bytes.map(|bytes| bytes.max(0).unsigned_abs()),
        wal_status: slot.wal_status,
        idle_left_seconds: idle.map(|idle| idle.left_seconds),
    }
}

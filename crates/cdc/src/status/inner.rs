use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use event::{Failure, Position, TableName};
use tokio::time::Instant;

use super::lag::Lag;
use super::report::{ErrorReport, InFlight, LoadReport, Report, SavedPosition, State, TableReport};
use super::tally::Tally;

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) phase: Phase,
    pub(super) beat: Instant,
    pub(super) load: Load,
    pub(super) lag: Lag,
    pub(super) saved: Option<(Position, Instant)>,
    pub(super) retries: u64,
    /// What the sink was given and does not durably have, the oldest first.
    pub(super) sent: VecDeque<Tally>,
    in_flight: InFlight,
    /// When the sink last stored something, or had nothing to store.
    moved: Instant,
    position: Option<Position>,
    counts: BTreeMap<Counted, Counts>,
    error_counts: BTreeMap<&'static str, u64>,
    errors: VecDeque<(Instant, ErrorReport)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Loading,
    Streaming,
    Waiting { reason: String },
    Stopped { code: Option<&'static str>, message: Option<String> },
}

/// The tables that this process was to load, and whether they are.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) tables: BTreeMap<TableName, bool>,
    pub(super) rows: u64,
}

/// Whose events are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Table(TableName),
    /// Beyond the first thousand: tables named by date must not fill the memory.
    OtherTables,
    /// Events that belong to no table.
    NoTable,
}

#[derive(Debug, Default)]
struct Counts {
    events: BTreeMap<&'static str, u64>,
    bytes: u64,
}

pub(super) const TABLES_COUNTED: usize = 1000;
pub(super) const ERRORS_KEPT: usize = 20;

/// A loop that gave no sign of life for so long hangs.
const ALIVE_WITHIN: Duration = Duration::from_secs(30);
/// A sink that stored nothing for so long, though it has something, takes nothing.
const MOVES_WITHIN: Duration = Duration::from_secs(10);

impl Inner {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Starting,
            beat: now,
            load: Load::default(),
            lag: Lag::default(),
            saved: None,
            retries: 0,
            sent: VecDeque::new(),
            in_flight: InFlight::default(),
            moved: now,
            position: None,
            counts: BTreeMap::new(),
            error_counts: BTreeMap::new(),
            errors: VecDeque::new(),
        }
    }

    /// Takes note of a failure. The same one over and over takes one place in the list.
    pub(super) fn note(&mut self, failure: &dyn Failure, message: &str) {
        let now = Instant::now();
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

    pub(super) fn in_flight(&mut self, batches: usize, bytes: usize, now: Instant) {
        if batches == 0 || batches < self.sent.len() {
            self.moved = now;
        }
        while self.sent.len() > batches {
            if let Some(tally) = self.sent.pop_front() {
                self.count(&tally);
            }
        }
        self.in_flight = InFlight { batches: batches as u64, bytes: bytes as u64 };
    }

    pub(super) fn reached(&mut self, position: Position) {
        let Position::Postgres(lsn) = position;
        // The saved position of an idle database is further than the last batch's, and the other way round.
        if self.position.is_none_or(|Position::Postgres(before)| before < lsn) {
            self.position = Some(position);
            self.lag.reached(lsn);
        }
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        !matches!(self.phase, Phase::Stopped { .. })
            && now.saturating_duration_since(self.beat) < ALIVE_WITHIN
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let arrive = match self.phase {
            Phase::Streaming => true,
            Phase::Loading => self.load.tables.values().all(|is_loaded| *is_loaded),
            Phase::Starting | Phase::Waiting { .. } | Phase::Stopped { .. } => false,
        };
        let stands_still =
            self.in_flight.batches > 0 && now.saturating_duration_since(self.moved) >= MOVES_WITHIN;
        arrive && !stands_still
    }

    pub(super) fn report(&self, pipeline: &str, uptime: Duration, now: Instant) -> Report {
        let seconds = |at: Instant| now.saturating_duration_since(at).as_secs();
        Report {
            pipeline: pipeline.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: uptime.as_secs(),
            is_healthy: self.is_alive(now),
            is_ready: self.is_ready(now),
            state: self.state(),
            position: self.position,
            lag_bytes: self.lag.bytes(),
            lag_seconds: self.lag.seconds(now),
            in_flight: self.in_flight,
            checkpoint: self
                .saved
                .map(|(position, at)| SavedPosition { position, age_seconds: Some(seconds(at)) }),
            load: self.load_report(),
            tables: self.counts.iter().map(|(counted, counts)| table_report(counted, counts)).collect(),
            retries: self.retries,
            error_counts: self
                .error_counts
                .iter()
                .map(|(code, count)| ((*code).to_owned(), *count))
                .collect(),
            last_errors: self
                .errors
                .iter()
                .map(|(at, error)| ErrorReport { seconds_ago: seconds(*at), ..error.clone() })
                .collect(),
        }
    }

    fn count(&mut self, tally: &Tally) {
        for (table, op, events, bytes) in tally.counts() {
            let mut counted = table.map_or(Counted::NoTable, |table| Counted::Table(table.clone()));
            if table.is_some() && self.counts.len() >= TABLES_COUNTED && !self.counts.contains_key(&counted) {
                counted = Counted::OtherTables;
            }
            let counts = self.counts.entry(counted).or_default();
            if events > 0 {
                *counts.events.entry(op).or_default() += events;
            }
            counts.bytes += bytes;
        }
    }

    fn state(&self) -> State {
        match &self.phase {
            Phase::Starting => State::Starting,
            Phase::Loading => State::Loading {
                table: self
                    .load
                    .tables
                    .iter()
                    .find(|(_, is_loaded)| !**is_loaded)
                    .map(|(table, _)| table.to_string()),
                done: self.load.tables.values().filter(|is_loaded| **is_loaded).count() as u64,
                total: self.load.tables.len() as u64,
            },
            Phase::Streaming => State::Streaming,
            Phase::Waiting { reason } => State::Waiting { reason: reason.clone() },
            Phase::Stopped { code, message } => {
                State::Stopped { code: code.map(str::to_owned), message: message.clone() }
            }
        }
    }

    fn load_report(&self) -> Option<LoadReport> {
        (!self.load.tables.is_empty()).then(|| LoadReport {
            tables_done: self.load.tables.values().filter(|is_loaded| **is_loaded).count() as u64,
            tables: self.load.tables.len() as u64,
            rows: self.load.rows,
        })
    }
}

fn table_report(counted: &Counted, counts: &Counts) -> TableReport {
    let table = match counted {
        Counted::Table(table) => table.to_string(),
        Counted::OtherTables => "(other tables)".to_owned(),
        Counted::NoTable => "(no table)".to_owned(),
    };
    let events = counts.events.iter().map(|(op, count)| ((*op).to_owned(), *count)).collect();
    TableReport { table, events, bytes: counts.bytes }
}

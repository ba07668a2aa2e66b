//! What a pipeline is doing, for whoever asks: the terminal, the admin pages, the control socket.
//!
//! The one idea: **one state, one picture of it.** The pipeline tells [`Status`] what happens by plain methods;
//! everybody else asks for a [`Report`], and `/status`, `/metrics`, `cdc status` and the progress bar all show the
//! same one. Nothing here is read back by the pipeline.

mod inner;
mod lag;
mod rates;
mod remedy;
mod report;
mod tables;
mod tally;

#[cfg(test)]
pub(crate) mod tests;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::{Batch, BinlogOffset, Failure, Finished, LogPlace, Position, TableName};
use poll_reader::Scanned;
use tokio::time::{Instant, MissedTickBehavior, interval};

#[cfg(test)]
pub(crate) use self::report::ScanReport;
pub(crate) use self::report::{Moment, Report, State, TableReport};

use self::inner::{Inner, Phase};
use self::tally::Tally;
use crate::config::PipelineName;
use crate::diagnostics::news;
use crate::watch::Sight;

/// A pipeline's state, shared by all who show it.
#[derive(Debug)]
pub(crate) struct Status {
    pipeline: String,
    started: Instant,
    inner: Mutex<Inner>,
}

const BEAT_EVERY: Duration = Duration::from_secs(1);

impl Status {
    /// Of a pipeline that is just starting.
    pub(crate) fn new(pipeline: &PipelineName) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self { pipeline: pipeline.to_string(), started: now, inner: Mutex::new(Inner::new(now)) })
    }

    /// The pipeline's name.
    pub(crate) fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Does the work, and gives signs of life on the same task: they stop when the work blocks its thread.
    pub(crate) async fn alive_during<W: Future>(&self, work: W) -> W::Output {
        let mut work = pin!(work);
        let mut beats = interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = beats.tick() => self.lock().beat(Instant::now()),
            }
        }
    }

    /// Both ends are being opened, the first time or again.
    pub(crate) fn starting(&self) {
        let mut inner = self.lock();
        inner.phase = Phase::Starting;
        // What was on its way is forgotten, and sent again.
        inner.forget_in_flight();
    }

    /// These tables are to be read as they stand, some of them from where an earlier attempt came to.
    pub(crate) fn load_due<'t>(&self, tables: impl IntoIterator<Item = (&'t TableName, bool)>) {
        let mut inner = self.lock();
        let version = inner.next_version();
        for (table, is_begun) in tables {
            inner.tables.load_due(table, is_begun, version);
        }
        // A reload happens beside the stream.
        if inner.phase != Phase::Streaming {
            inner.phase = Phase::Loading;
        }
    }

    /// A piece of a table is durable in the sink; perhaps the last one.
    pub(crate) fn unit_loaded(&self, unit: &Finished, is_last: bool) {
        self.table_loaded(&unit.table, unit.rows, is_last);
    }

    /// So many more rows of a table that is read the first time; perhaps the last ones.
    pub(crate) fn table_loaded(&self, table: &TableName, rows: u64, is_last: bool) {
        let mut inner = self.lock();
        let version = inner.next_version();
        inner.tables.unit_loaded(table, rows, is_last, version);
    }

    /// A table that was to be read is not there.
    pub(crate) fn nothing_to_load(&self, table: &TableName) {
        let mut inner = self.lock();
        let version = inner.next_version();
        inner.tables.load_gone(table, version);
    }

    /// Whether changes are being sent.
    pub(crate) fn is_streaming(&self) -> bool {
        self.lock().phase == Phase::Streaming
    }

    /// Whether tables are still to be read.
    pub(crate) fn has_loads(&self) -> bool {
        self.lock().tables.has_loads()
    }

    /// How many rows tables probably have.
    pub(crate) fn rows_expected(&self, estimates: &[(TableName, u64)]) {
        let mut inner = self.lock();
        let version = inner.next_version();
        for (table, rows) in estimates {
            inner.tables.rows_expected(table, *rows, version);
        }
    }

    /// What was seen of the database from beside the stream; none if it could not be reached.
    pub(crate) fn seen(&self, sight: Option<Sight>) {
        self.lock().seen(sight, Instant::now());
    }

    /// Changes are being sent as they come.
    pub(crate) fn streaming(&self) {
        self.lock().phase = Phase::Streaming;
    }

    /// The sink takes nothing more, so the database was let go of.
    pub(crate) fn sink_stalled(&self) {
        let failure = crate::error::Error::SinkStalls;
        let (code, reason) = (failure.code(), failure.to_string());
        let mut inner = self.lock();
        inner.note(&failure, &reason);
        inner.phase = Phase::Waiting { code, reason };
    }

    /// A failure that is mended by beginning anew, after a while.
    pub(crate) fn waiting(&self, failure: &dyn Failure) {
        let message = chain(failure);
        let mut inner = self.lock();
        inner.note(failure, &message);
        inner.retries += 1;
        inner.phase = Phase::Waiting { code: failure.code(), reason: message };
    }

    /// A failure beside which everything goes on.
    pub(crate) fn trouble(&self, failure: &dyn Failure) {
        self.lock().note(failure, &chain(failure));
    }

    /// The failure that ended the pipeline.
    pub(crate) fn failed(&self, failure: &dyn Failure) {
        let message = chain(failure);
        let mut inner = self.lock();
        inner.note(failure, &message);
        inner.phase = Phase::Stopped { code: Some(failure.code()), message: Some(message) };
    }

    /// The pipeline has ended as it should.
    pub(crate) fn finished(&self) {
        self.lock().phase = Phase::Stopped { code: None, message: None };
    }

    /// A batch is about to be given to the sink.
    pub(crate) fn sent(&self, batch: &Batch) {
        let tally = Tally::of(batch);
        let mut inner = self.lock();
        inner.sent(tally, Instant::now());
        if let Some(reached) = batch.reached() {
            inner.read(&reached.position);
        }
    }

    /// The sink durably has everything up to here.
    pub(crate) fn delivered(&self, position: &Position) {
        self.lock().delivered(position);
    }

    /// The sink has put so many events aside, because the other end refuses them for good.
    pub(crate) fn dead_letters(&self, count: u64) {
        self.lock().dead_letters += count;
    }

    /// So many of the batches that were sent last are not durable yet.
    pub(crate) fn in_flight(&self, batches: usize, bytes: usize) {
        self.lock().in_flight(batches, bytes, Instant::now());
    }

    /// A scan of a polled database is over.
    pub(crate) fn scanned(&self, scanned: &Scanned) {
        self.lock().scanned(scanned, Instant::now());
    }

    /// Where the database's log ends.
    pub(crate) fn log_end(&self, end: LogPlace) {
        self.lock().lag.log_end(end, Instant::now());
    }

    /// This position is saved; none while there is none yet.
    pub(crate) fn saved(&self, position: Option<&Position>) {
        let Some(position) = position else { return };
        let mut inner = self.lock();
        inner.delivered(position);
        inner.saved = Some((position.clone(), Instant::now()));
    }

    /// From where on the binary log is still needed: where a new start would go on.
    pub(crate) fn needed_offset(&self) -> Option<BinlogOffset> {
        match &self.lock().saved {
            Some((Position::Binlog(position), _)) => Some(position.offset),
            _ => None,
        }
    }

    /// The picture of it all.
    pub(crate) fn report(&self) -> Report {
        self.changes(0).0
    }

    /// The picture without tables and errors: the same work for one table as for thousands.
    pub(crate) fn summary(&self) -> Report {
        self.changes(u64::MAX).0
    }

    /// The picture with those of the tables and errors that changed after a version, and the version to ask after next.
    pub(crate) fn changes(&self, since: u64) -> (Report, u64) {
        let now = Instant::now();
        let inner = self.lock();
        let uptime = now.saturating_duration_since(self.started);
        (inner.report(&self.pipeline, uptime, now, since), inner.version())
    }

    /// The version of all that is known now, to ask [`Self::changes`] after.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version()
    }

    /// The last minutes, second by second.
    pub(crate) fn history(&self) -> Vec<Moment> {
        self.lock().rates().history()
    }

    /// Whether the loop gave a sign of life lately. A pipeline that has stopped is not alive.
    pub(crate) fn is_alive(&self) -> bool {
        self.lock().is_alive(Instant::now())
    }

    /// Why changes do not arrive in the sink; none if they do: it streams, and the sink stores what it is given.
    pub(crate) fn not_ready_because(&self) -> Option<String> {
        self.lock().not_ready_because(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No method leaves it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The failure with all its causes in one line.
fn chain(failure: &dyn Failure) -> String {
    let text = failure.to_string();
    let causes = news(&text, std::error::Error::source(failure));
    std::iter::once(text).chain(causes).collect::<Vec<_>>().join(": ")
}

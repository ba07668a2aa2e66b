//! A database without a log: what scans find goes from the outbox to the sink, and leaves it once it is durable there.
//!
//! There is no checkpoint beside the outbox, nor are there fences and loads: the first scan finds all rows new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use event::{BatchLimits, BatchPool, Encoder, Failure as _, Sink, TableName};
use poll_reader::{News, Options, Outbox, Reader, Scanned};
use tokio::task::block_in_place;
use tokio::time::timeout;
use tracing::Span;

use super::{Ended, Past, Pipeline};
use crate::config::{self, Config, LoadMode};
use crate::control::ControlRequest;
use crate::error::Error;
use crate::status::Status;

/// How long batches that are on their way may take to arrive once the pipeline is told to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);
/// Batches in flight, however small.
const BATCHES_IN_FLIGHT: usize = 256;

/// What is read, with the secrets.
pub(crate) fn options(source: &config::Odbc, config: &Config) -> Result<Options, Error> {
    let mut resources = source.resources.clone();
    for resource in &mut resources {
        resource.rules = config.tables.rules(&resource.name);
    }
    Ok(Options {
        connection_string: source.connection_string()?,
        dialect: source.dialect.map(Into::into),
        resources,
        folder: config.pipeline.folder(),
        once: config.load.mode == LoadMode::Only,
    })
}

/// The outbox, on its way into a sink.
struct Emptying<'p, K> {
    sink: K,
    outbox: Outbox,
    pool: BatchPool,
    status: &'p Status,
    budget_bytes: usize,
    /// The last event that was given to the sink.
    sent_through: i64,
    /// Whether there may be more after it.
    has_more: bool,
    /// Batches given to the sink, and of those that it does not durably have: the last event, the size.
    sent: u64,
    in_flight: VecDeque<(i64, usize)>,
}

impl Pipeline {
    pub(super) async fn send_polled<K>(
        &mut self,
        source: &config::Odbc,
        sink: K,
        past: &mut Past,
        span: Span,
    ) -> Result<Ended, Error>
    where
        K: Sink,
        Error: From<K::Error>,
    {
        let options = options(source, &self.config)?;
        let mut outbox = block_in_place(|| Outbox::open(&options.folder))?;
        outbox.check_destination(&sink.destination())?;
        let name = self.config.pipeline.name.as_str();
        let encoder = Encoder::new(name, outbox.epoch()?, self.config.format.encoding(""));
        let budget_bytes = self.config.pipeline.buffer_mb.bytes();
        let limits =
            BatchLimits { bytes: (budget_bytes / 8).clamp(64 << 10, 1 << 20), ..BatchLimits::default() };
        let status = self.status.as_ref();
        let mut asked = BTreeSet::new();
        let mut first = FirstScans::of(&options, &outbox, status)?;
        let mut emptying = Emptying {
            sink,
            outbox,
            pool: BatchPool::new(encoder, limits),
            status,
            budget_bytes,
            sent_through: 0,
            // What an earlier run has left.
            has_more: true,
            sent: 0,
            in_flight: VecDeque::new(),
        };
        drop(span);
        let mut reader = Reader::start(options);
        loop {
            if emptying.has_more && emptying.has_room() {
                emptying.send().await?;
            }
            let has_room = emptying.has_room();
            tokio::select! {
                // Until the sink has room, the reader waits: the outbox must not grow without bounds.
                news = reader.next(), if has_room => match news {
                    Some(News::Written) => emptying.has_more = true,
                    Some(News::Begun { resource }) => tracing::debug!(table = %resource, "reading"),
                    Some(News::Read { resource, rows }) => first.read(&resource, rows, status),
                    Some(News::Scanned(scanned)) => {
                        past.was_accepted = true;
                        first.scanned(&scanned, status);
                        say(&scanned);
                        ask(&scanned, &mut asked, status);
                        status.scanned(&scanned);
                    }
                    Some(News::Done) | None => {
                        emptying.drain().await?;
                        return Ok(Ended::Done);
                    }
                    Some(News::Failed(error)) => {
                        // What was found before stands.
                        emptying.drain().await?;
                        return Err(error.into());
                    }
                },
                durable = emptying.sink.durable(), if !emptying.in_flight.is_empty() => {
                    emptying.arrived(durable?)?;
                }
                Some(request) = self.requests.recv() => refuse(request),
                () = async {}, if emptying.has_more && has_room => {}
                () = self.shutdown.requested() => {
                    drop(reader);
                    // What does not arrive in time is sent again by the next run, the same to the byte.
                    return match timeout(DRAIN_WITHIN, emptying.arrive()).await {
                        Ok(arrived) => arrived.map(|()| Ended::Done),
                        Err(_) => Ok(Ended::Done),
                    };
                }
            }
        }
    }
}

impl<K> Emptying<'_, K>
where
    K: Sink,
    Error: From<K::Error>,
{
    fn has_room(&self) -> bool {
        let bytes: usize = self.in_flight.iter().map(|(_, bytes)| bytes).sum();
        bytes < self.budget_bytes && self.in_flight.len() < BATCHES_IN_FLIGHT
    }

    /// Gives the sink one batch of what is there.
    async fn send(&mut self) -> Result<(), Error> {
        let mut batch = self.pool.batch();
        (self.sent_through, self.has_more) =
            block_in_place(|| self.outbox.fill(self.sent_through, &mut batch))?;
        if batch.is_empty() {
            return Ok(());
        }
        self.status.sent(&batch);
        self.in_flight.push_back((self.sent_through, batch.len_bytes()));
        self.sent += 1;
        self.sink.write(batch).await?;
        self.report();
        Ok(())
    }

    /// Takes note that the sink durably has so many batches.
    fn arrived(&mut self, durable: u64) -> Result<(), Error> {
        let left = usize::try_from(self.sent.saturating_sub(durable)).unwrap_or(usize::MAX);
        let mut through = None;
        while self.in_flight.len() > left {
            through = self.in_flight.pop_front().map(|(through, _)| through);
        }
        if let Some(through) = through {
            block_in_place(|| self.outbox.delivered(through))?;
        }
        self.report();
        Ok(())
    }

    /// Waits until all that was given to the sink is durable.
    async fn arrive(&mut self) -> Result<(), Error> {
        while !self.in_flight.is_empty() {
            let durable = self.sink.durable().await?;
            self.arrived(durable)?;
        }
        Ok(())
    }

    /// Sends all that is there, and waits until it is durable.
    async fn drain(&mut self) -> Result<(), Error> {
        self.has_more = true;
        while self.has_more {
            while !self.has_room() {
                let durable = self.sink.durable().await?;
                self.arrived(durable)?;
            }
            self.send().await?;
        }
        self.arrive().await
    }

    fn report(&self) {
        self.status.in_flight(self.in_flight.len(), self.in_flight.iter().map(|(_, bytes)| bytes).sum());
    }
}

/// The resources that were never read to their end, and how many rows of each were by now: the load of this source.
struct FirstScans(BTreeMap<TableName, u64>);

impl FirstScans {
    fn of(options: &Options, outbox: &Outbox, status: &Status) -> Result<Self, Error> {
        let mut first = BTreeMap::new();
        for resource in &options.resources {
            if !outbox.was_read(&resource.name)? {
                first.insert(resource.name.clone(), 0);
            }
        }
        match first.is_empty() {
            true => status.streaming(),
            false => status.load_due(first.keys().map(|name| (name, false))),
        }
        Ok(Self(first))
    }

    fn read(&mut self, resource: &TableName, rows: u64, status: &Status) {
        if let Some(before) = self.0.get_mut(resource) {
            // A scan that is begun anew counts from zero.
            status.table_loaded(resource, rows.saturating_sub(*before), false);
            *before = rows;
        }
    }

    fn scanned(&mut self, scanned: &Scanned, status: &Status) {
        if scanned.held.is_some() {
            return;
        }
        if let Some(before) = self.0.remove(&scanned.resource) {
            status.table_loaded(&scanned.resource, scanned.found.rows.saturating_sub(before), true);
            if self.0.is_empty() {
                status.streaming();
            }
        }
    }
}

fn say(scanned: &Scanned) {
    let Scanned { resource, scan, is_full, found, took, fetching, held } = scanned;
    tracing::info!(
        table = %resource,
        scan,
        is_full,
        rows = found.rows,
        inserted = found.inserted,
        updated = found.updated,
        deleted = found.deleted,
        held = held.map(|held| held.gone),
        took_ms = took.as_millis() as u64,
        fetching_ms = fetching.as_millis() as u64,
        "scanned"
    );
}

/// Once, and not after each scan that finds the same.
fn ask(scanned: &Scanned, asked: &mut BTreeSet<TableName>, status: &Status) {
    let Some(question) = scanned.question() else {
        asked.remove(&scanned.resource);
        return;
    };
    if asked.insert(scanned.resource.clone()) {
        tracing::warn!(code = question.code(), error = %question, "deletes are held back");
        status.trouble(&question);
    }
}

fn refuse(request: ControlRequest) {
    let ControlRequest::Snapshot { reply, .. } = request;
    // Whoever asked may have gone.
    _ = reply.send(Err("this database is polled: `cdc resync` sends its rows again".to_owned()));
}

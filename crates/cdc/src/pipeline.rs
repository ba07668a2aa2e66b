//! The one loop: from a source to a sink, and what is remembered of it.
//!
//! **A checkpoint is the only way on from anything.** Whatever breaks (the network, a broker's order, the server's
//! patience), both ends are closed and opened anew from what was saved last. There is no second way to recover, so
//! the one there is gets exercised all the time.
//!
//! | file | what |
//! |---|---|
//! | `postgres` | making sure that the log, the slot and the checkpoint belong together |
//! | `mysql` | the same for a binary log |
//! | `poll` | a database without a log: what scans find, to the sink |
//! | `adopt` | going on where another program's slot stands |
//! | `history` | which tables there were and are |
//! | `delivery` | batches to the sink, and what their arrival makes safe |
//! | `saves` | what of that is saved, and is being saved beside the loop |
//! | `first_load` | tables as they stand, before any change is sent |
//! | `streaming` | changes as they come |
//! | `reload` | tables as they stand, while changes come |
//! | `catch_up` | what is sent between a snapshot and the rows of a part of its table |
//! | `tables` | whether other tables are to be sent by now |
//! | `stall` | letting go of the database while a sink takes nothing |
//! | `backoff` | how long to wait before the next attempt |

mod adopt;
mod backoff;
mod catch_up;
mod delivery;
mod first_load;
mod history;
pub(crate) mod mysql;
pub(crate) mod poll;
mod postgres;
mod reload;
mod saves;
mod stall;
mod streaming;
mod tables;

use std::sync::Arc;

use checkpoint::Checkpoint;
use event::{BatchLimits, BatchPool, Database, Encoder, Failure, Format, Sink};
use sinks::Retained;
use tokio::sync::mpsc;
use tracing::Span;
use wal_reader::Options;

pub(crate) use self::adopt::adopt;
use self::backoff::Backoff;
use self::delivery::Delivery;
use self::history::{LeftOut, Since};
use self::postgres::Prepared;
pub(crate) use self::postgres::{options, prepare, slot_created, start_over};
use self::tables::{Sent, TableWatch};
use crate::config::{self, Config};
use crate::control::ControlRequest;
use crate::error::Error;
use crate::shutdown::Shutdown;
use crate::spans;
use crate::status::Status;
use crate::store::Store;

/// What to do with a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Load what is due, then stream until told to stop.
    Run,
    /// Load what is due, and end.
    Load,
}

/// One pipeline with all it needs from outside.
pub(crate) struct Pipeline {
    pub(crate) config: Config,
    pub(crate) mode: Mode,
    pub(crate) status: Arc<Status>,
    pub(crate) requests: mpsc::Receiver<ControlRequest>,
    pub(crate) shutdown: Shutdown,
}

/// What earlier attempts leave to later ones.
#[derive(Debug, Default)]
struct Past {
    /// From then on, a refused login is worth another try: passwords and certificates are renewed at both ends, and not
    /// at once (docs/decisions/2026-11-21-credentials-that-had-worked.md).
    was_accepted: bool,
    /// Streams of running transactions have left something in doubt: this run does without.
    reads_whole: bool,
    left_out: LeftOut,
}

/// Why an attempt came to its end in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// All is done, or it was told to stop.
    Done,
    /// What is sent must be decided anew.
    OtherTables,
}

/// What a sink is told of the pipeline.
pub(crate) fn about(config: &Config) -> sinks::Pipeline {
    sinks::Pipeline {
        source: config.pipeline.name.to_string(),
        memory_bytes: config.pipeline.buffer_mb.bytes(),
    }
}

impl Pipeline {
    /// Runs until it is done, told to stop, or in need of a person.
    pub(crate) async fn run(mut self, mut store: Store) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        let mut past = Past::default();
        loop {
            let error = match self.attempt(&mut store, &mut past).await {
                Ok(Ended::Done) => return Ok(()),
                Ok(Ended::OtherTables) => {
                    tracing::info!("other tables are to be sent: going on from the checkpoint with those");
                    continue;
                }
                Err(error) if error.is_retryable() || (past.was_accepted && error.is_about_credentials()) => {
                    error
                }
                Err(error) => {
                    self.status.failed(&error);
                    return Err(error);
                }
            };
            past.reads_whole |= matches!(error, Error::Postgres(wal_reader::Error::MessagesInDoubt { .. }));
            let wait = backoff.next();
            self.status.waiting(&error);
            tracing::warn!(code = error.code(), %error, retry_in_ms = wait.as_millis() as u64, "trying again from the checkpoint");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.requested() => return Ok(()),
            }
        }
    }

    /// Opens the sink first: a slot that nobody reads from fills the server's disk.
    async fn attempt(&mut self, store: &mut Store, past: &mut Past) -> Result<Ended, Error> {
        self.status.starting();
        let about = about(&self.config);
        let framing = self.config.format.framing();
        match self.config.sink.clone() {
            config::Sink::Kafka(options) => {
                self.deliver(sinks::Kafka::open(&options, &about), store, past).await
            }
            config::Sink::Nats(options) => {
                self.deliver(sinks::Nats::open(&options, &about), store, past).await
            }
            config::Sink::Http(options) => {
                self.deliver(sinks::Http::open(&options, &about, framing), store, past).await
            }
            config::Sink::File(options) => {
                self.deliver(async { sinks::File::open(&options, framing) }, store, past).await
            }
            config::Sink::Stdout(options) => {
                self.deliver(async move { sinks::Stdout::open(options, framing) }, store, past).await
            }
            config::Sink::Null(options) => {
                self.deliver(async move { Ok(sinks::Null::open(options)) }, store, past).await
            }
        }
    }

    async fn deliver<K>(
        &mut self,
        opening: impl Future<Output = Result<K, sinks::Error>>,
        store: &mut Store,
        past: &mut Past,
    ) -> Result<Ended, Error>
    where
        K: Sink<Error = sinks::Error>,
    {
        let span = spans::open(self.status.pipeline());
        let sink = tokio::select! {
            opened = opening => opened?,
            () = self.shutdown.requested() => return Ok(Ended::Done),
        };
        let retain = self.config.retain.map(|retain| retain.options(self.config.pipeline.retained()));
        let sink = Retained::open(sink, retain.as_ref(), self.config.format.name())?;
        match self.config.source.clone() {
            config::Source::Postgres(source) => self.send_postgres(&source, sink, store, past, span).await,
            config::Source::Mysql(source) => self.send_mysql(&source, sink, store, past, span).await,
            config::Source::Odbc(source) => self.send_polled(&source, sink, past, span).await,
        }
    }

    async fn send_postgres<K>(
        &mut self,
        source: &config::Postgres,
        sink: K,
        store: &mut Store,
        past: &mut Past,
        span: Span,
    ) -> Result<Ended, Error>
    where
        K: Sink,
        Error: From<K::Error> + From<wal_reader::Error> + From<binlog_reader::Error>,
    {
        let mut options = options(source, &self.config)?;
        if past.reads_whole {
            options.spool = None;
        }
        let Prepared { checkpoint, survey } = tokio::select! {
            ready = prepare(&options, store, &self.config, Some(sink.destination())) => ready?,
            () = self.shutdown.requested() => return Ok(Ended::Done),
        };
        past.was_accepted = true;
        drop(span);
        let known = checkpoint.tables.keys().cloned().collect();
        let sent = Sent { tables: survey.tables, known, new_tables: source.new_tables };
        past.left_out.say(sent.worth_saying(survey.left_out), &self.status);
        let tables = TableWatch::start(&options, sent, Arc::clone(&self.status), past.left_out.clone());
        let format = self.config.format.encoding(options.connection.database());
        let taken_in = |since| Options { since, ..options.clone() };
        self.send(sink, checkpoint, store, &options, taken_in, &tables, format).await
    }

    async fn send_mysql<K>(
        &mut self,
        source: &config::Mysql,
        sink: K,
        store: &mut Store,
        past: &mut Past,
        span: Span,
    ) -> Result<Ended, Error>
    where
        K: Sink,
        Error: From<K::Error> + From<wal_reader::Error> + From<binlog_reader::Error>,
    {
        let options = mysql::options(source, &self.config)?;
        let checkpoint = tokio::select! {
            ready = mysql::prepare(&options, store, &self.config, sink.destination()) => ready?,
            () = self.shutdown.requested() => return Ok(Ended::Done),
        };
        past.was_accepted = true;
        drop(span);
        // Whatever becomes of tables is in the log.
        let tables = TableWatch::none();
        let format = self.config.format.encoding("");
        let taken_in = |since| binlog_reader::Options { since, ..options.clone() };
        self.send(sink, checkpoint, store, &options, taken_in, &tables, format).await
    }

    /// Loads what is due, and sends changes from the checkpoint on. `taken_in`: the database, with what is sent of each
    /// table.
    #[allow(clippy::too_many_arguments)]
    async fn send<D, K>(
        &mut self,
        sink: K,
        checkpoint: Checkpoint,
        store: &mut Store,
        database: &D,
        taken_in: impl FnOnce(Since) -> D,
        tables: &TableWatch,
        format: Format,
    ) -> Result<Ended, Error>
    where
        D: Database,
        K: Sink,
        Error: From<D::Error> + From<K::Error>,
    {
        let encoder = Encoder::new(self.config.pipeline.name.as_str(), checkpoint.epoch, format);
        let budget_bytes = self.config.pipeline.buffer_mb.bytes();
        let limits =
            BatchLimits { bytes: (budget_bytes / 8).clamp(64 << 10, 1 << 20), ..BatchLimits::default() };
        let pool = BatchPool::new(encoder, limits);
        let mut delivery =
            Delivery::new(sink, pool, budget_bytes, checkpoint, store, Arc::clone(&self.status));
        if !delivery.checkpoint.is_streaming
            && !first_load::run(&mut delivery, database, &mut self.shutdown).await?
        {
            return Ok(Ended::Done);
        }
        let mode = if self.config.load.mode == config::LoadMode::Only { Mode::Load } else { self.mode };
        if mode == Mode::Load && delivery.checkpoint.pending_loads().next().is_none() {
            return Ok(Ended::Done);
        }
        let Some(position) = delivery.checkpoint.position.clone() else { return Ok(Ended::Done) };
        let taken_in = taken_in(history::only_taken_in(&delivery.checkpoint, &self.config));
        let (requests, shutdown) = (&mut self.requests, &mut self.shutdown);
        streaming::run(&mut delivery, database, &taken_in, &position, mode, tables, requests, shutdown).await
    }
}

//! Changes as they come, for a person to look at.
//!
//! The one idea: **nothing of the pipeline's is touched.** The changes come from a slot of our own that the server drops
//! with the connection, or from a binary log's end on, under a server id of our own; publication, checkpoint and state folder are left as they are. And since a slot that nobody reads
//! from fills the server's disk, whoever stops taking lines is hung up on.

mod printer;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::{BatchLimits, BatchPool, Encoder, Fences, Op, Prepared, Remembered, Route, Shapes, TableName};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use wal_reader::wire::{self, Mode};
use wal_reader::{Options, Stream, publication};

use self::printer::Printer;
use crate::cli::TailArgs;
use crate::config::{Config, Source, not_on_odbc};
use crate::diagnostics::{Colour, Problem};
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline;

/// What is shown of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum TailOp {
    Insert,
    Update,
    Delete,
    Truncate,
    Message,
    Schema,
}

/// How long the server has to hear that we leave; it would notice anyway.
const GOODBYE: Duration = Duration::from_secs(2);

/// Prints changes until told to stop, or until there were enough.
pub(crate) async fn tail(config: &Config, args: &TailArgs) -> Result<ExitStatus, Problem> {
    match &config.source {
        Source::Postgres(source) => {
            let options = pipeline::options(source, config)?;
            let wanted = chosen(&options.wanted, args);
            let options = Options { slot: slot(), wanted, ..options };
            follow(async { Ok((open(&options).await?, Shapes::default())) }, config, args).await
        }
        Source::Mysql(source) => {
            let options = pipeline::mysql::options(source, config)?;
            let wanted = chosen(&options.wanted, args);
            // Two readers of one number would end each other's streams.
            let options = binlog_reader::Options { server_id: None, wanted, ..options };
            follow(open_binlog(&options), config, args).await
        }
        Source::Odbc(_) => Err(not_on_odbc("cdc tail")),
    }
}

/// Prints what a stream says, which needs these shapes of tables to begin with.
async fn follow<S: event::Source>(
    opening: impl Future<Output = Result<(S, Shapes), Error>>,
    config: &Config,
    args: &TailArgs,
) -> Result<ExitStatus, Problem>
where
    Error: From<S::Error>,
{
    let mut told_to_end = std::pin::pin!(told_to_end());
    let (mut stream, shapes) = tokio::select! {
        opened = opening => opened?,
        () = &mut told_to_end => return Ok(ExitStatus::Done),
    };
    let printed = tokio::select! {
        printed = print(&mut stream, shapes, config, args) => printed,
        () = &mut told_to_end => Ok(()),
    };
    // The slot goes with the connection, however that ends.
    _ = timeout(GOODBYE, stream.close()).await;
    printed.map(|()| ExitStatus::Done)
}

/// One that nobody else has.
fn slot() -> String {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
    format!("cdc_tail_{}_{nanoseconds}", std::process::id())
}

type Wanted = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;

/// Of the pipeline's tables, those that were asked for.
fn chosen(wanted: &Wanted, args: &TailArgs) -> Wanted {
    let (wanted, tables) = (Arc::clone(wanted), args.tables.clone());
    Arc::new(move |name: &TableName| {
        let is_chosen =
            tables.is_empty() || tables.iter().any(|pattern| pattern.matches(&name.schema, &name.table));
        is_chosen && wanted(name)
    })
}

async fn open(options: &Options) -> Result<Stream, Error> {
    let mut sql = wire::connect(&options.connection, Mode::Sql).await?;
    let tables = publication::existing(&mut sql, options).await?;
    let stream = pipeline::slot_created(Stream::open_temporary(options), options).await?;
    tracing::info!(tables = tables.len(), publication = options.publication, "waiting for changes");
    Ok(stream)
}

/// From the log's end on, with the tables as they look there.
async fn open_binlog(options: &binlog_reader::Options) -> Result<(binlog_reader::Stream, Shapes), Error> {
    let (position, shapes) = pipeline::mysql::at_the_end(options).await?;
    let stream = binlog_reader::Stream::open(options, &position, []).await?;
    let tables = shapes.tables().filter(|name| !binlog_reader::Shape::is_database(name)).count();
    tracing::info!(tables, "waiting for changes");
    Ok((stream, shapes))
}

/// Ends when there were enough, or when nobody reads it any more.
async fn print<S: event::Source>(
    stream: &mut S,
    mut shapes: Shapes,
    config: &Config,
    args: &TailArgs,
) -> Result<(), Problem>
where
    Error: From<S::Error>,
{
    let ops: BTreeSet<TailOp> = if args.op.is_empty() {
        use TailOp::{Delete, Insert, Message, Truncate, Update};
        BTreeSet::from([Insert, Update, Delete, Truncate, Message])
    } else {
        args.op.iter().copied().collect()
    };
    // Numbers begin with this command, so they are of an epoch of their own.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let encoder = Encoder::json(config.pipeline.name.as_str(), now);
    // Small, so that little is read ahead of whoever looks at it.
    let pool = BatchPool::new(encoder, BatchLimits { bytes: 64 << 10, ..BatchLimits::default() });
    let mut printer = Printer::start()?;
    let (mut fences, mut prepared) = (Fences::default(), Prepared::default());
    let mut remembered = Remembered { fences: &mut fences, shapes: &mut shapes, prepared: &mut prepared };
    let (colour, mut left) = (Colour::of_stdout(), args.limit.unwrap_or(u64::MAX));
    while left > 0 {
        let mut batch = pool.batch();
        stream.fill(&mut batch, &mut remembered).await.map_err(Error::from)?;
        for message in batch.messages() {
            let is_shown = TailOp::of(message.op).is_some_and(|op| ops.contains(&op));
            let is_copy = matches!(**message.route, Route::Schemas);
            let Some(event) = message.payload.filter(|_| is_shown && !is_copy && left > 0) else { continue };
            left -= 1;
            let line = if args.json { view::as_it_is(event) } else { view::line(event, colour) };
            if !printer.print(line).await? {
                return Ok(());
            }
        }
        if let Some(reached) = batch.reached() {
            stream.release(&reached.position);
        }
    }
    printer.finish().await;
    Ok(())
}

impl TailOp {
    fn of(op: Op) -> Option<Self> {
        match op {
            Op::Insert => Some(Self::Insert),
            Op::Update => Some(Self::Update),
            Op::Delete => Some(Self::Delete),
            Op::Truncate => Some(Self::Truncate),
            Op::Message => Some(Self::Message),
            Op::Schema => Some(Self::Schema),
            Op::Read | Op::LoadBegin | Op::LoadEnd | Op::Heartbeat => None,
        }
    }
}

/// There is nothing to save: the first signal ends it.
async fn told_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

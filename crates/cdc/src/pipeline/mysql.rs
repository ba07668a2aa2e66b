//! Making sure that the binary log and the checkpoint belong together, before a row is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use binlog_reader::system::{self, Continuity, System};
use binlog_reader::{Options, Refusal, Session};
use checkpoint::{Checkpoint, LoadState, SourceIdentity};
use event::{BinlogPosition, LoadRequest, LogPlace, Position, Prepared, Shapes, TableName};
use wal_reader::publication::{Published, Shown};

use super::history;
use crate::config::{Config, KeyChanges, Mysql};
use crate::error::Error;
use crate::store::Store;

/// What the configuration says, as the reader takes it.
pub(crate) fn options(source: &Mysql, config: &Config) -> Result<Options, Error> {
    let mut connection = binlog_reader::Config::parse(source.url.expose())?;
    if let Some(path) = &source.password_file {
        connection = connection.with_password_file(path);
    }
    if let Some(password) = &source.password {
        connection = connection.with_password(password.expose());
    }
    let wanted = source.clone();
    let tables = config.tables.clone();
    Ok(Options {
        connection,
        server_id: source.server_id.map(Into::into),
        wanted: Arc::new(move |name: &TableName| wanted.wants(&name.schema, &name.table)),
        since: Arc::new(|_| LogPlace::START),
        rules: Arc::new(move |name: &TableName| tables.rules(name)),
        drop_origins: source.drop_origins.clone(),
        join_key_changes: source.key_changes == KeyChanges::Update,
        load_workers: config.load.workers.count(),
        load_unit_rows: Options::LOAD_UNIT_ROWS,
        snapshot_max: config.load.snapshot_max_minutes.duration(),
        spool: Some(config.pipeline.folder()),
    })
}

/// Connects, checks, and says where to go on, and with what.
pub(super) async fn prepare(
    options: &Options,
    store: &mut Store,
    config: &Config,
    destination: String,
) -> Result<Checkpoint, Error> {
    let saved = store.load().await?;
    history::check_destination(saved.as_ref(), Some(&destination))?;
    let mut session = Session::open(&options.connection).await?;
    let system = system::identify(&mut session).await?;
    let mut checkpoint = match saved {
        Some(Checkpoint { position: Some(Position::Postgres(_)), .. }) => {
            return Err(Error::AnotherKind { state: store.place() });
        }
        Some(checkpoint @ Checkpoint { position: Some(_), .. }) => {
            resume(&mut session, options, checkpoint, &system, config).await?
        }
        begun => start(&mut session, options, begun, &system, config).await?,
    };
    history::take_filter(&mut checkpoint, config.source.filter_hash());
    checkpoint.destination = Some(destination);
    store.save(&checkpoint).await?;
    Ok(checkpoint)
}

/// Gives up the history so far: the next run begins where the log ends, and loads all tables. What was remembered is set
/// aside, not deleted.
pub(crate) async fn start_over(store: &mut Store) -> Result<(), Error> {
    let nowhere = SourceIdentity::Binlog { server: String::new(), base: String::new() };
    history::start_over(store, nowhere).await
}

/// Begins a history: all tables are to be loaded.
async fn start(
    session: &mut Session,
    options: &Options,
    begun: Option<Checkpoint>,
    system: &System,
    config: &Config,
) -> Result<Checkpoint, Error> {
    let tables = tables(session, options).await?;
    let epoch = history::next_epoch(begun.map(|begun| begun.epoch));
    let mut checkpoint = Checkpoint::new(identity(system), epoch, config.source.filter_hash());
    history::take_in(&mut checkpoint, tables.clone(), LogPlace::START, config);
    let (position, shapes) = log_end(session, system, &tables).await?;
    tracing::info!(offset = %position.offset, epoch, tables = tables.len(), "the log is read from here on");
    checkpoint.shapes = shapes;
    checkpoint.position = Some(Position::Binlog(position));
    Ok(checkpoint)
}

/// Where the log ends, and how the wanted tables look there: for a reader without a checkpoint.
pub(crate) async fn at_the_end(options: &Options) -> Result<(Position, Shapes), Error> {
    let mut session = Session::open(&options.connection).await?;
    let system = system::identify(&mut session).await?;
    let tables = tables(&mut session, options).await?;
    let (position, shapes) = log_end(&mut session, &system, &tables).await?;
    session.close().await;
    Ok((Position::Binlog(position), shapes))
}

/// Where the log ends, and how these tables look there.
async fn log_end(
    session: &mut Session,
    system: &System,
    tables: &Published,
) -> Result<(BinlogPosition, Shapes), Error> {
    // As they were written down before and after the position was asked for, so as they were at it.
    loop {
        let before = all_shapes(session, tables).await?;
        let position = system::position(session, system).await?;
        let after = all_shapes(session, tables).await?;
        if before == after {
            let (place, mut shapes) = (position.offset.into(), Shapes::default());
            after.into_iter().for_each(|(name, shape)| shapes.put(&name, place, shape));
            return Ok((position, shapes));
        }
    }
}

/// Goes on from a checkpoint, if the log still has all that comes after it.
async fn resume(
    session: &mut Session,
    options: &Options,
    mut checkpoint: Checkpoint,
    now: &System,
    config: &Config,
) -> Result<Checkpoint, Error> {
    let (SourceIdentity::Binlog { server, base }, Some(Position::Binlog(position))) =
        (checkpoint.source.clone(), checkpoint.position.clone())
    else {
        return Err(Error::AnotherKind { state: config.pipeline.folder().display().to_string() });
    };
    let known = checkpoint.tables.keys();
    match system::check(session, now, &server, &base, &position, known).await? {
        Continuity::Same => {}
        Continuity::FailedOver(position) => {
            fail_over(&mut checkpoint, config);
            checkpoint.position = Some(Position::Binlog(position));
        }
    }
    checkpoint.source = identity(now);
    let tables = tables(session, options).await?;
    let since = if checkpoint.filter_hash == config.source.filter_hash() {
        // What is not known was created after the checkpoint: all of it is in the log.
        for name in tables.keys() {
            checkpoint.tables.entry(name.clone()).or_default();
        }
        LogPlace::START
    } else {
        system::position(session, now).await?.offset.into()
    };
    let unknown: Vec<&TableName> =
        tables.keys().filter(|name| !checkpoint.shapes.tables().any(|known| known == *name)).collect();
    let shapes = shapes(session, unknown).await?;
    shapes.into_iter().for_each(|(name, shape)| checkpoint.shapes.put(&name, since, shape));
    history::take_in(&mut checkpoint, tables, since, config);
    Ok(checkpoint)
}

/// Another server has the same transactions at other places: whatever was remembered by place is worth nothing there, and
/// events are numbered and named anew.
fn fail_over(checkpoint: &mut Checkpoint, config: &Config) {
    let unfinished = checkpoint.fences.tables().cloned().collect::<Vec<_>>();
    for name in unfinished {
        checkpoint.fences.remove_table(&name);
        let state = checkpoint.tables.entry(name).or_default();
        state.load_anew(LoadRequest::default());
    }
    for state in checkpoint.tables.values_mut() {
        state.since = LogPlace::START;
        if matches!(state.load, LoadState::From(Some(_))) {
            state.load = LoadState::From(None);
        }
    }
    if !checkpoint.prepared.is_empty() {
        // Where their rows are in this server's log is not known; but a load waits for them to be decided.
        tracing::warn!("transactions are prepared and not decided: all tables are loaded again");
        checkpoint.prepared = Prepared::default();
        let states = checkpoint.tables.values_mut().filter(|state| state.load != LoadState::Absent);
        states.for_each(|state| state.load_anew(LoadRequest::default()));
    }
    let shapes = std::mem::take(&mut checkpoint.shapes);
    shapes.latest().for_each(|(name, shape)| checkpoint.shapes.put(name, LogPlace::START, shape.to_owned()));
    tracing::info!(pipeline = %config.pipeline.name, "another server: the epoch begins anew");
    history::begin_epoch(checkpoint);
}

/// The tables that are sent. Nothing of them is hidden by the server.
async fn tables(session: &mut Session, options: &Options) -> Result<Published, Error> {
    let candidates = binlog_reader::candidates(session).await?;
    let wanted = candidates.into_iter().map(|candidate| candidate.name).filter(|name| (options.wanted)(name));
    let tables: Published = wanted.map(|name| (name, Shown::default())).collect();
    if tables.is_empty() {
        // A user without rights sees none: whatever is in the log would be sent, and nothing loaded.
        let account = options.connection.user().to_owned();
        return Err(binlog_reader::Error::from(Refusal::NoTables { account }).into());
    }
    Ok(tables)
}

/// How these tables look now, and what new ones get from their databases.
async fn all_shapes(session: &mut Session, tables: &Published) -> Result<BTreeMap<TableName, String>, Error> {
    let mut shapes = shapes(session, tables.keys()).await?;
    for (name, shape) in binlog_reader::databases(session).await? {
        shapes.insert(name, serde_json::to_string(&shape).unwrap_or_default());
    }
    Ok(shapes)
}

/// How these tables look now, as a checkpoint keeps it.
async fn shapes(
    session: &mut Session,
    names: impl IntoIterator<Item = &TableName>,
) -> Result<BTreeMap<TableName, String>, Error> {
    let mut shapes = BTreeMap::new();
    for name in names {
        if let Some(shape) = binlog_reader::shape_of(session, name).await? {
            shapes.insert(name.clone(), serde_json::to_string(&shape).unwrap_or_default());
        }
    }
    Ok(shapes)
}

fn identity(system: &System) -> SourceIdentity {
    SourceIdentity::Binlog { server: system.identity.clone(), base: system.base.clone() }
}

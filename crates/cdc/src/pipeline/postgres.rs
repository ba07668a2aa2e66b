//! Making sure that the log, the slot and the checkpoint belong together, before a row is read.

use std::sync::Arc;
use std::time::Duration;

use checkpoint::{Checkpoint, SourceIdentity};
use event::{Finding, LogPlace, Lsn, Position, TableName};
use wal_reader::publication::{Survey, Taking};
use wal_reader::system::{self, System};
use wal_reader::wire::{self, Connection, Mode};
use wal_reader::{Options, Refusal, publication, slot};

use super::history;
use crate::config::{Config, KeyChanges, NewTables, Postgres, Unchanged};
use crate::error::Error;
use crate::store::Store;

/// What the configuration says, as the reader takes it.
pub(crate) fn options(source: &Postgres, config: &Config) -> Result<Options, Error> {
    let mut connection = wire::Config::parse(source.url.expose())?;
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
        slot: source.slot(&config.pipeline.name),
        publication: source.publication(&config.pipeline.name),
        wanted: Arc::new(move |name: &TableName| wanted.wants(&name.schema, &name.table)),
        since: Arc::new(|_| LogPlace::START),
        rules: Arc::new(move |name: &TableName| tables.rules(name)),
        drop_origins: source.drop_origins.clone(),
        fetch_unchanged: source.unchanged == Unchanged::Fetch,
        join_key_changes: source.key_changes == KeyChanges::Update,
        spool: source.streaming.then(|| config.pipeline.folder().join("spool")),
        load_workers: config.load.workers.count(),
        load_unit_rows: Options::LOAD_UNIT_ROWS,
        snapshot_max: config.load.snapshot_max_minutes.duration(),
    })
}

/// Where to go on, and with what.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) checkpoint: Checkpoint,
    /// What is sent, and what is left out of it.
    pub(crate) survey: Survey,
}

/// Connects, checks, and creates what is missing: the publication, then the slot.
pub(crate) async fn prepare(
    options: &Options,
    store: &mut Store,
    config: &Config,
    destination: Option<String>,
) -> Result<Prepared, Error> {
    let saved = store.load().await?;
    history::check_destination(saved.as_ref(), destination.as_ref())?;
    let mut replication = wire::connect(&options.connection, Mode::Replication).await?;
    let system = system::identify(&mut replication).await?;
    let mut sql = wire::connect(&options.connection, Mode::Sql).await?;
    if let Some(Finding { code, explanation, .. }) = wal_reader::version(sql.server_version_num()) {
        tracing::warn!(code, "{explanation}");
    }
    let Prepared { mut checkpoint, survey } = match saved {
        Some(checkpoint @ Checkpoint { position: Some(Position::Postgres(position)), .. }) => {
            resume(&mut replication, &mut sql, options, checkpoint, position, &system, config).await?
        }
        Some(Checkpoint { position: Some(Position::Binlog(_)), .. }) => {
            return Err(Error::AnotherKind { state: store.place() });
        }
        begun => start(&mut sql, options, store, begun, &system, config).await?,
    };
    history::take_filter(&mut checkpoint, config.source.filter_hash());
    checkpoint.destination = destination.or(checkpoint.destination);
    store.save(&checkpoint).await?;
    Ok(Prepared { checkpoint, survey })
}

/// Gives up the history so far: the next [`prepare`] drops the slot, creates it anew and loads all tables. What was
/// remembered is set aside, not deleted.
pub(crate) async fn start_over(options: &Options, store: &mut Store) -> Result<(), Error> {
    let nowhere = System { identifier: String::new(), timeline: 0 };
    history::start_over(store, identity(options, &nowhere)).await
}

/// Begins a history: all tables are to be loaded.
async fn start(
    sql: &mut Connection,
    options: &Options,
    store: &mut Store,
    begun: Option<Checkpoint>,
    system: &System,
    config: &Config,
) -> Result<Prepared, Error> {
    if let Some(existing) = slot::find(sql, &options.slot).await? {
        existing.check_kind(options.connection.database())?;
        if begun.is_none() {
            return Err(Refusal::SlotUnknown {
                slot: options.slot.clone(),
                confirmed: existing.confirmed.unwrap_or(Lsn::ZERO),
                state: store.place(),
            }
            .into());
        }
        // A checkpoint without a position was saved right before this slot was created: nothing was read from it.
        slot::drop(sql, &options.slot).await?;
    }
    let survey = publication::ensure(sql, options, Taking::All).await?;
    wal_reader::rules::check(sql, options, survey.tables.keys()).await?;
    let source = identity(options, system);
    let epoch = history::next_epoch(begun.map(|begun| begun.epoch));
    let mut checkpoint = Checkpoint::new(source, epoch, config.source.filter_hash());
    history::take_in(&mut checkpoint, survey.tables.clone(), LogPlace::START, config);
    store.save(&checkpoint).await?;
    let position = slot_created(slot::create(sql, &options.slot), options).await?;
    tracing::info!(slot = options.slot, %position, epoch, tables = checkpoint.tables.len(), "created the slot");
    checkpoint.position = Some(Position::Postgres(position));
    Ok(Prepared { checkpoint, survey })
}

/// Goes on from a checkpoint, if the slot still has all that comes after it.
async fn resume(
    replication: &mut Connection,
    sql: &mut Connection,
    options: &Options,
    mut checkpoint: Checkpoint,
    position: Lsn,
    now: &System,
    config: &Config,
) -> Result<Prepared, Error> {
    let SourceIdentity::Postgres { system_identifier, timeline, slot: name, .. } = checkpoint.source.clone()
    else {
        return Err(Error::AnotherKind { state: config.pipeline.folder().display().to_string() });
    };
    let before = System { identifier: system_identifier, timeline };
    system::check(replication, now, &before, position, checkpoint.tables.keys()).await?;
    if name != options.slot {
        return Err(Refusal::SlotForeign {
            slot: options.slot.clone(),
            problem: format!("is not the one that the checkpoint was made with, \"{name}\""),
        }
        .into());
    }
    let Some(slot) = slot::find(sql, &name).await? else {
        return Err(Refusal::missing_slot(name, position, checkpoint.tables.keys()).into());
    };
    slot.check(options.connection.database(), position, checkpoint.tables.keys())?;
    // Other patterns than before: what they add is meant.
    let and_new = config.source.new_tables() == NewTables::Auto
        || checkpoint.filter_hash != config.source.filter_hash();
    let is_known = |name: &TableName| checkpoint.tables.contains_key(name);
    let survey = publication::ensure(sql, options, Taking::Known { is_known: &is_known, and_new }).await?;
    wal_reader::rules::check(sql, options, survey.tables.keys()).await?;
    checkpoint.source = identity(options, now);
    // Earlier runs may have sent what others wrote up to now.
    let since = match history::sends_unknown(config) {
        true => LogPlace::START,
        false => system::log_end(sql).await?.into(),
    };
    history::take_in(&mut checkpoint, survey.tables.clone(), since, config);
    Ok(Prepared { checkpoint, survey })
}

/// Waits for a slot to be created, and says who is in the way.
pub(crate) async fn slot_created<T>(
    creating: impl Future<Output = Result<T, wal_reader::Error>>,
    options: &Options,
) -> Result<T, Error> {
    let mut aside = wire::connect(&options.connection, Mode::Sql).await?;
    let mut creating = std::pin::pin!(creating);
    loop {
        tokio::select! {
            created = &mut creating => return Ok(created?),
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        if let Some(blockers) = wal_reader::blockers(&mut aside).await? {
            tracing::info!(slot = options.slot, %blockers, "the slot's creation waits for open transactions to end");
        }
    }
}

pub(super) fn identity(options: &Options, system: &System) -> SourceIdentity {
    SourceIdentity::Postgres {
        system_identifier: system.identifier.clone(),
        timeline: system.timeline,
        database: options.connection.database().to_owned(),
        slot: options.slot.clone(),
    }
}

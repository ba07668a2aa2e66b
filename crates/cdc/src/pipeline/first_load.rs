use std::collections::HashSet;
use std::time::Duration;

use checkpoint::LoadState;
use event::{KeyBound, Sink, TableName};
use tokio::time::{Instant, sleep};
use wal_reader::{Begun, Loader, Options, Read};

use super::delivery::Delivery;
use crate::error::Error;
use crate::shutdown::Shutdown;

/// Reads all tables that are due, before any change is sent; whether it came to its end. There is no order to keep
/// against the stream, so the next unit is read while the sink still stores the last.
pub(super) async fn run<K>(
    delivery: &mut Delivery<'_, K>,
    options: &Options,
    shutdown: &mut Shutdown,
) -> Result<bool, Error>
where
    K: Sink,
    Error: From<K::Error>,
{
    let pending: Vec<(TableName, Option<KeyBound>)> =
        delivery.checkpoint.pending_loads().map(|(name, from)| (name.clone(), from)).collect();
    if !pending.is_empty() {
        delivery.status.load_due(pending.iter().map(|(name, _)| name));
        tracing::info!(tables = pending.len(), "loading");
        let mut loader = Loader::open(options).await?;
        let settled = tokio::select! {
            settled = settle(&mut loader) => settled.map(|()| true),
            () = shutdown.requested() => Ok(false),
        };
        if !settled? {
            return Ok(false);
        }
        for (name, from) in pending {
            if !load_table(&mut loader, delivery, &name, from, shutdown).await? {
                delivery.drain().await?;
                return Ok(false);
            }
        }
        delivery.drain().await?;
        tracing::info!("loaded");
    }
    // From here on changes go out: whatever is loaded later is loaded in between them.
    delivery.checkpoint.is_streaming = true;
    delivery.save()?;
    Ok(true)
}

/// Waits until snapshots are usable, and says what for.
async fn settle(loader: &mut Loader) -> Result<(), Error> {
    let mut last_said: Option<Instant> = None;
    while let Some(blockers) = loader.blockers().await? {
        if last_said.is_none_or(|at| at.elapsed() > Duration::from_secs(10)) {
            if last_said.is_some() {
                tracing::info!(%blockers, "the load waits for transactions that began before it to end");
            }
            last_said = Some(Instant::now());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Reads a table, unit by unit; whether it came to its end.
async fn load_table<K>(
    loader: &mut Loader,
    delivery: &mut Delivery<'_, K>,
    name: &TableName,
    mut from: Option<KeyBound>,
    shutdown: &mut Shutdown,
) -> Result<bool, Error>
where
    K: Sink,
    Error: From<K::Error>,
{
    loop {
        match loader.begin(name, from, &HashSet::new()).await? {
            Begun::Reading => {}
            Begun::NotYet(reason) => {
                tracing::debug!(table = %name, reason, "the load waits");
                tokio::select! {
                    () = sleep(Duration::from_millis(100)) => continue,
                    () = shutdown.requested() => return Ok(false),
                }
            }
            Begun::Gone => {
                tracing::warn!(table = %name, "the table is gone, or no longer published: there is nothing to load");
                delivery.checkpoint.tables.entry(name.clone()).or_default().load = LoadState::Done;
                return Ok(true);
            }
        }
        match read_unit(loader, delivery, shutdown).await? {
            Some(next @ Some(_)) => from = next,
            Some(None) => return Ok(true),
            None => return Ok(false),
        }
    }
}

/// Reads the unit that was begun; where the table's next one starts, or nothing if told to stop.
pub(super) async fn read_unit<K>(
    loader: &mut Loader,
    delivery: &mut Delivery<'_, K>,
    shutdown: &mut Shutdown,
) -> Result<Option<Option<KeyBound>>, Error>
where
    K: Sink,
    Error: From<K::Error>,
{
    let mut batch = delivery.batch();
    loop {
        let read = tokio::select! {
            biased;
            () = shutdown.requested() => return Ok(None),
            batches = delivery.sink.durable() => {
                delivery.arrived(batches?);
                delivery.save_if_due()?;
                continue;
            }
            read = loader.read(&mut batch), if delivery.has_room() => read?,
        };
        let full = std::mem::replace(&mut batch, delivery.batch());
        delivery.send(full).await?;
        if let Read::Finished(unit) = read {
            let next = unit.next;
            tracing::debug!(table = %unit.table, rows = unit.rows, "a unit is read");
            delivery.finished(unit);
            return Ok(Some(next));
        }
    }
}

use std::collections::HashSet;
use std::time::Duration;

use event::{Begun, Database, KeyBound, Load, LoadRequest, Read, Sink, TableName};
use tokio::time::{Instant, sleep, sleep_until};

use super::delivery::Delivery;
use super::stall;
use crate::error::Error;
use crate::shutdown::Shutdown;
use crate::spans;

/// Reads all tables that are due, before any change is sent; whether it came to its end. There is no order to keep
/// against the stream, so the next unit is read while the sink still stores the last.
pub(super) async fn run<D, K>(
    delivery: &mut Delivery<'_, K>,
    database: &D,
    shutdown: &mut Shutdown,
) -> Result<bool, Error>
where
    D: Database,
    K: Sink,
    Error: From<D::Error> + From<K::Error>,
{
    // Parts are read behind a stream: once there is one.
    let pending: Vec<(TableName, Option<KeyBound>, LoadRequest)> = delivery
        .checkpoint
        .pending_loads()
        .map(|(name, from)| (name.clone(), from, delivery.checkpoint.request(name)))
        .filter(|(.., request)| request.part.is_none())
        .collect();
    if !pending.is_empty() {
        delivery.status.load_due(pending.iter().map(|(name, from, _)| (name, from.is_some())));
        tracing::info!(tables = pending.len(), "loading");
        let mut loader = database.open_loader().await?;
        let loading = async {
            settle(&mut loader).await?;
            for (name, from, request) in pending {
                load_table(&mut loader, delivery, &name, from, &request).await?;
            }
            stall::drain(delivery).await
        };
        let loaded = tokio::select! {
            loaded = loading => loaded,
            // What is not saved by now is read again.
            () = shutdown.requested() => return Ok(false),
        };
        drop(loader);
        match loaded {
            Err(Error::SinkWasStalled) => return stall::wait(delivery, shutdown).await.map(|()| false),
            loaded => loaded?,
        }
        tracing::info!("loaded");
    }
    // From here on changes go out: whatever is loaded later is loaded in between them.
    delivery.checkpoint.is_streaming = true;
    delivery.save().await?;
    Ok(true)
}

/// How often a load that waits says so.
const SAYS_EVERY: Duration = Duration::from_secs(10);

/// Waits until snapshots are usable, and says what for.
async fn settle<L: Load>(loader: &mut L) -> Result<(), L::Error> {
    let mut last_said: Option<Instant> = None;
    while let Some(blockers) = loader.blockers().await? {
        if last_said.is_none_or(|at| at.elapsed() > SAYS_EVERY) {
            if last_said.is_some() {
                tracing::info!(%blockers, "the load waits for transactions that began before it to end");
            }
            last_said = Some(Instant::now());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Reads a table, unit by unit.
async fn load_table<L, K>(
    loader: &mut L,
    delivery: &mut Delivery<'_, K>,
    name: &TableName,
    mut from: Option<KeyBound>,
    request: &LoadRequest,
) -> Result<(), Error>
where
    L: Load,
    K: Sink,
    Error: From<L::Error> + From<K::Error>,
{
    let mut says_at = Instant::now() + SAYS_EVERY;
    loop {
        match loader.begin(request, name, from, &HashSet::new()).await? {
            Begun::Reading => match read_unit(loader, delivery, name).await? {
                Some(next) => from = Some(next),
                None => return Ok(()),
            },
            Begun::NotYet(reason) => {
                if says_at <= Instant::now() {
                    tracing::info!(table = %name, reason, "the load waits");
                    says_at = Instant::now() + SAYS_EVERY;
                }
                pause(delivery).await?;
            }
            Begun::Gone => {
                delivery.nothing_to_load(name);
                return Ok(());
            }
        }
    }
}

/// Waits a moment, and takes note of what arrives: what was read before counts, whatever holds up the rest.
async fn pause<K>(delivery: &mut Delivery<'_, K>) -> Result<(), Error>
where
    K: Sink,
    Error: From<K::Error>,
{
    let over = Instant::now() + Duration::from_millis(100);
    loop {
        tokio::select! {
            biased;
            batches = delivery.sink.durable() => delivery.arrived(batches?),
            () = sleep_until(over) => return delivery.save_if_due().await,
        }
        delivery.save_if_due().await?;
    }
}

/// Reads the unit that was begun; where the table's next one starts.
pub(super) async fn read_unit<L, K>(
    loader: &mut L,
    delivery: &mut Delivery<'_, K>,
    name: &TableName,
) -> Result<Option<KeyBound>, Error>
where
    L: Load,
    K: Sink,
    Error: From<L::Error> + From<K::Error>,
{
    let span = spans::load(delivery.status.pipeline(), name);
    let mut batch = delivery.batch();
    let mut last_arrival = Instant::now();
    loop {
        let read = tokio::select! {
            biased;
            batches = delivery.sink.durable() => {
                last_arrival = Instant::now();
                delivery.arrived(batches?);
                delivery.save_if_due().await?;
                continue;
            }
            () = sleep_until(last_arrival + stall::HANG_UP_AFTER), if !delivery.has_room() => {
                return Err(Error::SinkWasStalled);
            }
            read = loader.read(&mut batch), if delivery.has_room() => read?,
        };
        let full = std::mem::replace(&mut batch, delivery.batch());
        stall::send(delivery, full).await?;
        if let Read::Finished(unit) = read {
            let next = unit.next;
            spans::loaded(&span, unit.rows);
            tracing::debug!(table = %unit.table, rows = unit.rows, "a unit is read");
            delivery.finished(unit);
            return Ok(next);
        }
    }
}

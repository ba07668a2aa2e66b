//! A sink that takes nothing for long: what is held on the database's side is let go of meanwhile.

use std::time::Duration;

use event::{Batch, Sink};
use tokio::time::timeout;

use super::delivery::Delivery;
use crate::error::Error;
use crate::shutdown::Shutdown;

/// A walsender whose reader stands still keeps its server from stopping, and an open snapshot keeps it from cleaning
/// up. A sink that takes nothing for this long makes us hang up; the slot keeps our place.
pub(super) const HANG_UP_AFTER: Duration = Duration::from_secs(30);

/// Hands a batch over; [`Error::SinkWasStalled`] if the sink does not take it in time. It can't be given another then.
pub(super) async fn send<K>(delivery: &mut Delivery<'_, K>, batch: Batch) -> Result<(), Error>
where
    K: Sink,
    Error: From<K::Error>,
{
    timeout(HANG_UP_AFTER, delivery.send(batch)).await.unwrap_or(Err(Error::SinkWasStalled))
}

/// Waits until the sink has all that it was given, or [`Error::SinkWasStalled`] once none of it arrives for long.
pub(super) async fn drain<K>(delivery: &mut Delivery<'_, K>) -> Result<(), Error>
where
    K: Sink,
    Error: From<K::Error>,
{
    while !delivery.is_drained() {
        timeout(HANG_UP_AFTER, delivery.arrival()).await.unwrap_or(Err(Error::SinkWasStalled))?;
    }
    delivery.save().await
}

/// Once nothing is held any more: waits until the sink has what it took, for the next attempt to go on from there.
pub(super) async fn wait<K>(delivery: &mut Delivery<'_, K>, shutdown: &mut Shutdown) -> Result<(), Error>
where
    K: Sink,
    Error: From<K::Error>,
{
    tracing::warn!("the sink takes nothing; hung up on the database meanwhile, the slot keeps our place");
    delivery.status.sink_stalled();
    while delivery.awaits_arrivals() {
        tokio::select! {
            arrived = delivery.arrival() => arrived?,
            () = shutdown.requested() => return Ok(()),
        }
    }
    delivery.save().await?;
    Err(Error::SinkWasStalled)
}

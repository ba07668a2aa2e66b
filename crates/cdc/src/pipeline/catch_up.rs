//! What is sent between a snapshot and the rows of a part of its table.
//!
//! A part has no fence: a change that its snapshot contains may be one of the rows or columns that it leaves out, so
//! none may be dropped. Instead all that the snapshot contains is sent first, and the rows after it. What was sent on
//! the way and the snapshot does not see is newer than its rows, which are left out then.
//! docs/decisions/2026-11-21-a-part-is-read-behind-the-stream.md

use std::collections::HashSet;
use std::time::Duration;

use event::{Batch, Load, Route, Sink, Source, TableName, TransactionPlace};
use tokio::time::{Instant, sleep_until};

use super::delivery::Delivery;
use super::{stall, streaming};
use crate::error::Error;

/// A stream that is further behind lets go of the snapshot, and the load tries again later.
const BEHIND_AT_MOST: Duration = Duration::from_secs(10);
/// Rows that a single transaction may overtake.
const OVERTAKEN_AT_MOST: usize = 100_000;

/// Sends on until all is sent that the snapshot contains. Returns the message keys of the table's rows of which something
/// newer was sent; none if that was too much, or took too long.
pub(super) async fn catch_up<L, S, K>(
    loader: &L,
    stream: &mut S,
    delivery: &mut Delivery<'_, K>,
    table: &TableName,
) -> Result<Option<HashSet<Vec<u8>>>, Error>
where
    L: Load,
    S: Source,
    K: Sink,
    Error: From<S::Error> + From<K::Error>,
{
    stream.cut_at_commit();
    let overtaken = send_on(loader, stream, delivery, table).await;
    stream.cut_when_full();
    overtaken
}

async fn send_on<L, S, K>(
    loader: &L,
    stream: &mut S,
    delivery: &mut Delivery<'_, K>,
    table: &TableName,
) -> Result<Option<HashSet<Vec<u8>>>, Error>
where
    L: Load,
    S: Source,
    K: Sink,
    Error: From<S::Error> + From<K::Error>,
{
    let Some(limit) = loader.limit() else { return Ok(None) };
    let until = Instant::now() + BEHIND_AT_MOST;
    let (mut overtaken, mut keys) = (HashSet::new(), HashSet::new());
    let mut batch = delivery.batch();
    note_anew(stream);
    while stream.passed() < limit || !delivery.is_between_transactions() {
        if Instant::now() >= until || overtaken.len() + keys.len() > OVERTAKEN_AT_MOST {
            return Ok(None);
        }
        tokio::select! {
            biased;
            batches = delivery.sink.durable() => {
                delivery.arrived(batches?);
                delivery.save_if_due().await?;
            }
            filled = streaming::fill(stream, &mut batch, &mut delivery.checkpoint), if delivery.has_room() => {
                filled?;
                keys.extend(keys_of(&batch, table));
                let full = std::mem::replace(&mut batch, delivery.batch());
                stall::send(delivery, full).await?;
                // One transaction is over at a time.
                if delivery.is_between_transactions() {
                    let is_seen = |transaction: &TransactionPlace| loader.sees(*transaction);
                    if stream.delivered().is_some_and(|delivered| !delivered.iter().all(is_seen)) {
                        overtaken.extend(keys.drain());
                    }
                    keys.clear();
                    note_anew(stream);
                }
            }
            () = sleep_until(until) => {}
        }
    }
    Ok(Some(overtaken))
}

/// What was delivered before is judged already.
fn note_anew<S: Source>(stream: &mut S) {
    stream.forget_delivered();
    stream.note_delivered();
}

fn keys_of<'b>(batch: &'b Batch, table: &'b TableName) -> impl Iterator<Item = Vec<u8>> + 'b {
    let is_of = move |route: &Route| matches!(route, Route::Table(name) if name == table);
    batch
        .messages()
        .filter(move |message| is_of(message.route))
        .filter_map(|message| message.key.map(<[u8]>::to_vec))
}

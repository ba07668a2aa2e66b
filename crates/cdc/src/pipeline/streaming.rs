use std::time::Duration;

use checkpoint::Checkpoint;
use event::{Batch, Database, Position, Sink, Source};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::delivery::Delivery;
use super::reload::{Reloads, Requested};
use super::tables::TableWatch;
use super::{Ended, Mode, stall};
use crate::control::ControlRequest;
use crate::error::Error;
use crate::shutdown::Shutdown;

/// How long a stop may take: what the sink has not stored by then is sent again by the next run.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Sends changes as they come, from a position on, until told to stop. `taken_in`: the database with what is sent by now.
#[allow(clippy::too_many_arguments)]
pub(super) async fn run<D, K>(
    delivery: &mut Delivery<'_, K>,
    database: &D,
    taken_in: &D,
    position: &Position,
    mode: Mode,
    tables: &TableWatch,
    requests: &mut mpsc::Receiver<ControlRequest>,
    shutdown: &mut Shutdown,
) -> Result<Ended, Error>
where
    D: Database,
    K: Sink,
    Error: From<D::Error> + From<K::Error>,
{
    let table_seqs = delivery.checkpoint.table_seqs().map(|(name, table_seq)| (name.clone(), table_seq));
    let table_seqs = table_seqs.collect();
    let opening = async {
        Ok::<_, Error>((
            taken_in.open_log(position, table_seqs).await?,
            Reloads::new(database, delivery).await?,
        ))
    };
    let (mut stream, mut reloads) = tokio::select! {
        opened = opening => opened?,
        () = shutdown.requested() => return Ok(Ended::Done),
    };
    delivery.status.streaming();
    let mut batch = delivery.batch();
    let mut last_arrival = Instant::now();
    // Told to stop: leaves once no transaction is half sent, since all of it would be sent again, and at this time at
    // the latest.
    let mut leave_at = None;
    // What is sent is to be decided anew: leaves once no transaction is half sent, however long that takes.
    let mut is_outdated = false;
    let sink_stalled = loop {
        let is_done = mode == Mode::Load && reloads.is_empty();
        let is_whole =
            delivery.is_between_transactions() || (batch.is_empty() && !stream.is_in_transaction());
        if is_done || ((leave_at.is_some() || is_outdated) && is_whole) {
            break false;
        }
        let (save_at, is_saving) = (delivery.saves.due_at(), delivery.saves.is_running());
        tokio::select! {
            biased;
            () = sleep_until(leave_at.unwrap_or(last_arrival)), if leave_at.is_some() => break false,
            () = shutdown.requested(), if leave_at.is_none() => {
                leave_at = Some(Instant::now() + DRAIN_DEADLINE);
                stream.cut_at_commit();
            }
            batches = delivery.sink.durable() => {
                last_arrival = Instant::now();
                delivery.arrived(batches?);
            }
            filled = fill(&mut stream, &mut batch, &mut delivery.checkpoint), if delivery.has_room() => {
                if let Err(error) = filled {
                    return Err(leave(delivery, error.into()).await);
                }
                reloads.take_news(stream.take_news(), delivery);
                if delivery.is_drained() {
                    last_arrival = Instant::now();
                }
                delivery.status.log_end(stream.log_end());
                let full = std::mem::replace(&mut batch, delivery.batch());
                tokio::select! {
                    biased;
                    sent = stall::send(delivery, full) => if is_stalled(sent)? { break true },
                    () = give_up(shutdown, leave_at) => break false,
                }
            }
            () = sleep_until(save_at.unwrap_or(last_arrival)), if save_at.is_some() => {}
            () = delivery.saves.ended(), if is_saving => {}
            () = sleep_until(reloads.due()), if !reloads.is_empty() && leave_at.is_none() => {
                // What is half filled belongs before the load.
                let full = std::mem::replace(&mut batch, delivery.batch());
                tokio::select! {
                    biased;
                    sent = stall::send(delivery, full) => if is_stalled(sent)? { break true },
                    () = give_up(shutdown, leave_at) => break false,
                }
                tokio::select! {
                    advanced = reloads.advance(&mut stream, delivery) => if is_stalled(advanced)? { break true },
                    // What is half read begins anew at the next start.
                    () = shutdown.requested() => break false,
                }
            }
            Some(request) = requests.recv() => {
                if reloads.request(request, delivery).await? == Requested::OtherTables {
                    is_outdated = true;
                    stream.cut_at_commit();
                }
            }
            () = tables.changed(), if !is_outdated => {
                is_outdated = true;
                stream.cut_at_commit();
            }
            () = sleep_until(last_arrival + stall::HANG_UP_AFTER), if !delivery.is_drained() => break true,
        }
        delivery.save_if_due().await?;
        if let Some(saved) = delivery.saves.position() {
            stream.release(saved);
        }
    };
    if sink_stalled {
        drop((stream, reloads));
        return stall::wait(delivery, shutdown).await.map(|()| Ended::Done);
    }
    drain(delivery, stream, leave_at.unwrap_or_else(|| Instant::now() + DRAIN_DEADLINE)).await?;
    Ok(if is_outdated && leave_at.is_none() { Ended::OtherTables } else { Ended::Done })
}

/// For `select!`, which evaluates what is not awaited too: what is remembered is borrowed only while it is polled.
pub(super) async fn fill<S: Source>(
    stream: &mut S,
    batch: &mut Batch,
    checkpoint: &mut Checkpoint,
) -> Result<(), S::Error> {
    stream.fill(batch, &mut checkpoint.remembered()).await
}

fn is_stalled(result: Result<(), Error>) -> Result<bool, Error> {
    match result {
        Ok(()) => Ok(false),
        Err(Error::SinkWasStalled) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A sink that takes nothing more must not keep us from leaving: returns when the time for that is over.
async fn give_up(shutdown: &mut Shutdown, leave_at: Option<Instant>) {
    match leave_at {
        Some(at) => sleep_until(at).await,
        None => {
            shutdown.requested().await;
            sleep(DRAIN_DEADLINE).await;
        }
    }
}

/// The source failed: what the sink can still store need not be sent again.
async fn leave<K>(delivery: &mut Delivery<'_, K>, error: Error) -> Error
where
    K: Sink,
    Error: From<K::Error>,
{
    if let Ok(Err(second)) = timeout(DRAIN_DEADLINE, delivery.drain()).await {
        tracing::debug!(error = %second, "what was on its way will be sent again");
    }
    error
}

/// Gives the sink time to store what it has, saves that, and lets go of the log up to there.
async fn drain<S, K>(delivery: &mut Delivery<'_, K>, mut stream: S, deadline: Instant) -> Result<(), Error>
where
    S: Source,
    K: Sink,
    Error: From<S::Error> + From<K::Error>,
{
    tracing::info!("stopping: waiting for the sink to store what is on its way");
    match timeout_at(deadline, delivery.drain()).await {
        Ok(drained) => drained?,
        Err(_) => {
            tracing::warn!(
                deadline_s = DRAIN_DEADLINE.as_secs(),
                "the sink did not store everything in time; the next run sends it again"
            );
            delivery.save().await?;
        }
    }
    if let Some(saved) = delivery.saves.position() {
        stream.release(saved);
    }
    Ok(stream.close().await?)
}

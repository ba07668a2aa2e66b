use checkpoint::{Checkpoint, LoadState};
use event::{LogPlace, Lsn, Position};
use wal_reader::wire::{self, Mode};
use wal_reader::{Options, Refusal, publication, rules, slot, system};

use super::{history, postgres};
use crate::config::Config;
use crate::error::Error;
use crate::store::Store;

/// What was taken over.
#[derive(Debug)]
pub(crate) struct Adopted {
    /// Where the pipeline goes on: everything before it was confirmed by the former reader.
    pub(crate) position: Lsn,
    /// How many tables are sent from there on.
    pub(crate) tables: usize,
}

/// Takes over a slot that another program read from, without a load: saves a checkpoint that stands where the slot does.
/// What the former reader had received and not confirmed comes once more.
///
/// # Errors
/// When the slot can't be gone on with, is still being read, or when there is a checkpoint already.
pub(crate) async fn adopt(options: &Options, store: &mut Store, config: &Config) -> Result<Adopted, Error> {
    if store.load().await?.is_some() {
        return Err(Error::AlreadyBegun { state: store.place() });
    }
    let mut replication = wire::connect(&options.connection, Mode::Replication).await?;
    let system = system::identify(&mut replication).await?;
    let mut sql = wire::connect(&options.connection, Mode::Sql).await?;
    let Some(found) = slot::find(&mut sql, &options.slot).await? else {
        let others = slot::all(&mut sql).await?.into_iter().map(|slot| slot.name).collect::<Vec<_>>();
        return Err(Error::NoSuchSlot { slot: options.slot.clone(), others: others.join(", ") });
    };
    let position = found.confirmed.unwrap_or(Lsn::ZERO);
    let none: [&str; 0] = [];
    found.check(options.connection.database(), position, none)?;
    if let Some(pid) = found.active_pid {
        let reader = slot::reader(&mut sql, pid).await?;
        return Err(Refusal::SlotActive { slot: options.slot.clone(), reader }.into());
    }
    let tables = publication::existing(&mut sql, options).await?;
    rules::check(&mut sql, options, tables.keys()).await?;
    let source = postgres::identity(options, &system);
    let mut checkpoint = Checkpoint::new(source, history::next_epoch(None), config.source.filter_hash());
    let adopted = Adopted { position, tables: tables.len() };
    history::take_in(&mut checkpoint, tables, LogPlace::START, config);
    for state in checkpoint.tables.values_mut() {
        state.load = LoadState::Done;
    }
    checkpoint.position = Some(Position::Postgres(position));
    store.save(&checkpoint).await?;
    Ok(adopted)
}

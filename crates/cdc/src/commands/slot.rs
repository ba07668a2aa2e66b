use std::fmt::Write as _;
use std::io::Write as _;

use wal_reader::slot::{self, Slot};
use wal_reader::wire::{self, Mode};
use wal_reader::{Options, Refusal};

use crate::cli::SlotCommand;
use crate::config::Config;
use crate::diagnostics::Problem;
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline;
use crate::store::Store;

/// Lists, creates or drops slots.
pub(crate) async fn slot(config: Config, command: SlotCommand) -> Result<ExitStatus, Problem> {
    let options = pipeline::options(config.postgres("cdc slot")?, &config)?;
    let done = match command {
        SlotCommand::List => list(&options).await?,
        SlotCommand::Create => create(&config, &options).await?,
        SlotCommand::Drop { yes } => drop(&options, yes).await?,
    };
    // Nobody reads it if the pipe is closed.
    _ = writeln!(std::io::stdout(), "{}", done.trim_end());
    Ok(ExitStatus::Done)
}

async fn list(options: &Options) -> Result<String, Problem> {
    let mut connection = wire::connect(&options.connection, Mode::Sql).await.map_err(Error::from)?;
    let slots = slot::all(&mut connection).await.map_err(Error::from)?;
    Ok(table(&slots, &options.slot))
}

/// The slot with the checkpoint that belongs to it: a slot alone would be nobody's.
async fn create(config: &Config, options: &Options) -> Result<String, Problem> {
    let mut store = Store::open(config)?;
    let checkpoint = pipeline::prepare(options, &mut store, config, None).await?.checkpoint;
    let due = checkpoint.pending_loads().count();
    Ok(format!("slot {} is there, with its checkpoint; `cdc run` will load {due} tables", options.slot))
}

async fn drop(options: &Options, yes: bool) -> Result<String, Problem> {
    let mut connection = wire::connect(&options.connection, Mode::Sql).await.map_err(Error::from)?;
    let Some(found) = slot::find(&mut connection, &options.slot).await.map_err(Error::from)? else {
        return Ok(format!("there is no slot {}", options.slot));
    };
    found.check_kind(options.connection.database()).map_err(|refusal: Refusal| Error::from(refusal))?;
    if !yes {
        let what = format!("dropping slot {} loses what its reader has not confirmed", options.slot);
        return Err(Problem::new(
            ExitStatus::Usage,
            "CDC-CLI-007",
            what,
            "say --yes if that is meant; a later run has to load again",
        ));
    }
    slot::drop(&mut connection, &options.slot).await.map_err(Error::from)?;
    Ok(format!("dropped slot {}", options.slot))
}

fn table(slots: &[Slot], ours: &str) -> String {
    let mut text = format!(
        "{:<2}{:<28} {:<12} {:<16} {:<9} {:<16} {:>12} {:>12}  {}\n",
        "", "slot", "plugin", "database", "reader", "confirmed", "WAL held", "until loss", "state"
    );
    for slot in slots {
        _ = writeln!(
            text,
            "{:<2}{:<28} {:<12} {:<16} {:<9} {:<16} {:>12} {:>12}  {}",
            if slot.name == ours { "*" } else { "" },
            slot.name,
            slot.plugin.as_deref().unwrap_or("physical"),
            slot.database.as_deref().unwrap_or("-"),
            slot.active_pid.map_or_else(|| "none".to_owned(), |pid| pid.to_string()),
            slot.confirmed.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string()),
            slot.held_bytes.map_or_else(|| "-".to_owned(), mebibytes),
            slot.safe_wal_bytes
                .map_or_else(|| "no limit".to_owned(), |bytes| mebibytes(bytes.max(0).unsigned_abs())),
            slot.wal_status.as_deref().unwrap_or("-"),
        );
    }
    if slots.iter().any(|slot| slot.name == ours) {
        text.push_str("* this pipeline's\n");
    }
    text
}

/// Bytes for people.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

use event::{Explanation, Findings, Lsn};

use super::{Known, bytes};
use crate::refusal::Refusal;
use crate::slot::{self, Slot};
use crate::sql::quote_text;
use crate::wire::Connection;
use crate::{Error, Options};

/// The pipeline's slot beside its checkpoint, and slots that nobody reads. Whether the pipeline's is there.
pub(super) async fn check(
    sql: &mut Connection,
    options: &Options,
    known: &Known,
    findings: &mut Findings,
) -> Result<bool, Error> {
    let found = slot::find(sql, &options.slot).await?;
    let has_slot = found.is_some();
    if let Some(pid) = found.as_ref().and_then(|slot| slot.active_pid).filter(|_| !known.is_running) {
        let reader = slot::reader(sql, pid).await?;
        findings.push(&Refusal::SlotActive { slot: options.slot.clone(), reader });
    }
    let none: [&str; 0] = [];
    match (found, known.position) {
        (Some(slot), Some(position)) => {
            if let Err(refusal) = slot.check(options.connection.database(), position, none) {
                findings.push(&refusal);
            }
        }
        (Some(slot), None) => findings.push(&Refusal::SlotUnknown {
            slot: slot.name,
            confirmed: slot.confirmed.unwrap_or(Lsn::ZERO),
            state: known.state.clone(),
        }),
        (None, Some(checkpoint)) => {
            let tables = "all tables".to_owned();
            findings.push(&Refusal::SlotMissing { slot: options.slot.clone(), checkpoint, tables });
        }
        (None, None) => {}
    }
    check_idle(sql, options, findings).await?;
    Ok(has_slot)
}

/// Less than `max_wal_size` the server keeps for itself anyway.
async fn check_idle(sql: &mut Connection, options: &Options, findings: &mut Findings) -> Result<(), Error> {
    let own_mb = sql
        .query("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_wal_size'")
        .await?
        .single()?
        .parse::<u64>(0)?;
    let idle = |slot: &Slot| {
        slot.held_bytes.filter(|held| slot.active_pid.is_none() && *held > own_mb.saturating_mul(1 << 20))
    };
    for (slot, held) in slot::all(sql).await?.iter().filter_map(|slot| Some((slot, idle(slot)?))) {
        let what = format!(
            "nobody reads slot \"{}\", which makes the server keep {} of WAL",
            slot.name,
            bytes(held)
        );
        let explanation = if slot.name == options.slot {
            let why = "that grows until the pipeline has caught up, or the slot is lost, or the disk is full";
            Explanation::new(
                what,
                why,
                "start the pipeline (`cdc run`), or give it up for good: `cdc slot drop`",
            )
        } else {
            let why =
                "that grows until the disk is full, or the limit on WAL is reached, which other slots share";
            let statement = format!("SELECT pg_drop_replication_slot({});", quote_text(&slot.name));
            Explanation::new(what, why, "start its reader; or, if that is gone for good, as a superuser")
                .with_sql([statement])
        };
        findings.warning("CDC-PG-054", explanation);
    }
    Ok(())
}

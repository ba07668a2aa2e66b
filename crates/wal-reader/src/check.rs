//! What would fail or lose rows later, asked beforehand and all at once. Changes nothing.
//!
//! | file | what it looks for |
//! |---|---|
//! | `platform` | whose server it is: what mends a setting there |
//! | `version` | versions that are not tested, or are known to lose rows |
//! | `server` | settings, slots and senders left, encoding |
//! | `publication` | what is published, and what is not yet |
//! | `limits` | column lists and row filters that make the application's UPDATE and DELETE fail |
//! | `tables` | unlogged tables, tables that are read under one snapshot |
//! | `rights` | what this role may not read |
//! | `slot` | the pipeline's slot beside its checkpoint, slots that nobody reads |
//! | `transactions` | who would make a slot, or a load, wait |
//! | `standbys` | what a failover would cost |

mod limits;
mod platform;
mod publication;
mod rights;
mod server;
mod slot;
mod standbys;
mod tables;
mod transactions;
mod version;

pub use self::version::version;

use event::{Finding, Findings, Lsn};

use self::platform::Platform;
use crate::refusal::Refusal;
use crate::wire::{self, Mode};
use crate::{Error, Options, rules, system};

/// What a checkpoint says of the slot, if there is one.
#[derive(Clone, Debug)]
pub struct Known {
    /// Where the checkpoint stands; none if nothing was ever saved.
    pub position: Option<Lsn>,
    /// Whether the pipeline is running just now, so that its slot has a reader.
    pub is_running: bool,
    /// Where the checkpoint is kept.
    pub state: String,
}

/// Looks at the server, the role, the tables, the publication and the slot.
///
/// # Errors
/// When the server can't be asked at all.
pub async fn check(options: &Options, known: Known) -> Result<Vec<Finding>, Error> {
    let mut findings = Findings::default();
    let unreadable_log = match identify(options).await {
        // All else can be asked without that right.
        Err(Error::Refused(refusal)) if matches!(*refusal, Refusal::NoReplicationRight { .. }) => {
            Some(*refusal)
        }
        Err(Error::Refused(refusal)) => {
            findings.push(&*refusal);
            return Ok(findings.into_vec());
        }
        identified => {
            identified?;
            None
        }
    };
    let mut sql = wire::connect(&options.connection, Mode::Sql).await?;
    let platform = Platform::recognise(&mut sql).await?;
    if let Some(refusal) = unreadable_log {
        findings.problem(refusal.code(), platform.replication_right(&refusal, options.connection.user()));
    }
    if let Some(finding) = version(sql.server_version_num()) {
        findings.push(finding);
    }
    server::check(&mut sql, platform, &mut findings).await?;
    let tables = publication::check(&mut sql, options, &mut findings).await?;
    limits::check(&mut sql, &options.publication, &tables, &mut findings).await?;
    tables::check(&mut sql, options, &tables, &mut findings).await?;
    rights::check(&mut sql, options, &tables, &mut findings).await?;
    keep(rules::check(&mut sql, options, &tables).await, &mut findings)?;
    let has_slot = slot::check(&mut sql, options, &known, &mut findings).await?;
    transactions::check(&mut sql, has_slot, &mut findings).await?;
    standbys::check(&mut sql, options, platform, &mut findings).await?;
    Ok(findings.into_vec())
}

async fn identify(options: &Options) -> Result<(), Error> {
    let mut replication = wire::connect(&options.connection, Mode::Replication).await?;
    system::identify(&mut replication).await.map(drop)
}

/// A refusal becomes a finding, any other error stays one.
fn keep(result: Result<(), Error>, findings: &mut Findings) -> Result<(), Error> {
    match result {
        Err(Error::Refused(refusal)) => {
            findings.push(&*refusal);
            Ok(())
        }
        result => result,
    }
}

/// Bytes for people.
fn bytes(count: u64) -> String {
    match count {
        0..1_048_576 => format!("{} kB", count >> 10),
        1_048_576..1_073_741_824 => format!("{} MB", count >> 20),
        _ => format!("{:.1} GB", count as f64 / f64::from(1 << 30)),
    }
}

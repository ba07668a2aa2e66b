//! The replication slot: what makes the server keep WAL until we have said that we need it no more.

use event::Lsn;

use crate::Error;
use crate::refusal::Refusal;
use crate::sql::quote_text;
use crate::wire::Connection;

mod alterations;
mod create;

pub(crate) use self::create::end_of_running;
pub use self::create::{create, create_temporary};

/// A replication slot as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// The output plugin; none for a physical slot.
    pub plugin: Option<String>,
    /// The database it belongs to; none for a physical slot.
    pub database: Option<String>,
    /// The process that reads from it just now.
    pub active_pid: Option<i32>,
    /// What its reader confirmed. Reading starts here whatever lower place is asked for.
    pub confirmed: Option<Lsn>,
    /// The server's word on the WAL it holds: `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// How much WAL the server keeps for it, in bytes.
    pub held_bytes: Option<u64>,
    /// How much more may be written before the slot is in danger, in bytes; none: no limit is set.
    pub safe_wal_bytes: Option<i64>,
}

/// The slots of this server, in the order of their names.
pub async fn all(connection: &mut Connection) -> Result<Vec<Slot>, Error> {
    query(connection, "").await
}

/// One slot; none if there is none of this name.
pub async fn find(connection: &mut Connection, name: &str) -> Result<Option<Slot>, Error> {
    Ok(query(connection, &format!("WHERE slot_name = {}", quote_text(name))).await?.pop())
}

/// Drops a slot, and with it the promise that what its reader has not confirmed can still be had.
pub async fn drop(connection: &mut Connection, name: &str) -> Result<(), Error> {
    connection.execute(&format!("SELECT pg_catalog.pg_drop_replication_slot({})", quote_text(name))).await
}

/// Who reads from a slot, for people: what the server tells this role of a process.
pub async fn reader(connection: &mut Connection, pid: i32) -> Result<String, Error> {
    let rows = connection
        .query(&format!(
            "SELECT pg_catalog.concat_ws(', ', 'user ' || usename, 'application ' || NULLIF(application_name, ''), \
               'from ' || COALESCE(pg_catalog.host(client_addr), 'this machine')) AS known \
             FROM pg_catalog.pg_stat_activity WHERE pid = {pid}"
        ))
        .await?;
    let known = rows.first().map(|row| row.get("known")).transpose()?.flatten();
    Ok(known.map_or_else(|| format!("process {pid}"), |known| format!("process {pid} ({known})")))
}

async fn query(connection: &mut Connection, condition: &str) -> Result<Vec<Slot>, Error> {
    let rows = connection
        .query(&format!(
            "SELECT slot_name, plugin, database, active_pid, confirmed_flush_lsn, wal_status, safe_wal_size, \
               CASE WHEN restart_lsn IS NOT NULL AND NOT pg_catalog.pg_is_in_recovery() \
                 THEN GREATEST(pg_catalog.pg_current_wal_lsn() - restart_lsn, 0)::bigint END AS held \
             FROM pg_catalog.pg_replication_slots {condition} ORDER BY slot_name"
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Slot {
                name: row.required("slot_name")?.to_owned(),
                plugin: row.get("plugin")?.map(str::to_owned),
                database: row.get("database")?.map(str::to_owned),
                active_pid: row.get("active_pid")?.and_then(|pid| pid.parse().ok()),
                confirmed: row.get("confirmed_flush_lsn")?.and_then(|lsn| lsn.parse().ok()),
                wal_status: row.get("wal_status")?.map(str::to_owned),
                held_bytes: row.get("held")?.and_then(|bytes| bytes.parse().ok()),
                safe_wal_bytes: row.get("safe_wal_size")?.and_then(|bytes| bytes.parse().ok()),
            })
        })
        .collect()
}

impl Slot {
    /// Whether this slot can go on from a checkpoint without skipping anything.
    ///
    /// # Errors
    /// A [`Refusal`] that names what would be lost.
    pub fn check(
        &self,
        database: &str,
        checkpoint: Lsn,
        tables: impl IntoIterator<Item = impl std::fmt::Display>,
    ) -> Result<(), Refusal> {
        self.check_kind(database)?;
        let lost = |why: &str| Refusal::SlotLost {
            slot: self.name.clone(),
            why: why.to_owned(),
            checkpoint: checkpoint.to_string(),
        };
        match (self.wal_status.as_deref(), self.confirmed) {
            (Some("lost"), _) => Err(lost("the server removed WAL that it still needed")),
            // START_REPLICATION never goes back before it: the changes in between would silently be skipped.
            (_, Some(confirmed)) if confirmed > checkpoint => Err(Refusal::SlotAhead {
                slot: self.name.clone(),
                confirmed,
                checkpoint,
                tables: event::list_names(tables),
            }),
            (_, Some(_)) => Ok(()),
            (_, None) => Err(lost("it has no confirmed position")),
        }
    }

    /// Whether this slot decodes what we read, in the database we read.
    ///
    /// # Errors
    /// A [`Refusal`] if it is somebody else's.
    pub fn check_kind(&self, database: &str) -> Result<(), Refusal> {
        let problem = match (&self.plugin, &self.database) {
            (None, _) => Some("is a physical slot".to_owned()),
            (Some(plugin), _) if plugin != "pgoutput" => {
                Some(format!("decodes with {plugin}, not with pgoutput"))
            }
            (_, Some(found)) if found != database => {
                Some(format!("belongs to database {found}, not to {database}"))
            }
            _ => None,
        };
        match problem {
            Some(problem) => Err(Refusal::SlotForeign { slot: self.name.clone(), problem }),
            None => Ok(()),
        }
    }
}

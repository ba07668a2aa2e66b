//! A look at the database from beside the pipeline: what the slot makes the server keep, and how far the log reaches.
//! Cheap enough to be done every few seconds, and on a connection of its own, so that it says something exactly when
//! the stream says nothing.

use event::{Lsn, TableName};

use crate::slot::{self, Slot};
use crate::sql::quote_text;
use crate::wire::Connection;
use crate::{Error, system};

/// What there was to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The slot; none if there is none of this name.
    pub slot: Option<Slot>,
    /// Where the log ends.
    pub log_end: Lsn,
    /// When the slot is lost for want of a reader; none while it has one, or if nothing is said of that.
    pub idle: Option<Idle>,
}

/// A slot without a reader, on a server that gives such slots up (`idle_replication_slot_timeout`, since 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Until it may be given up.
    pub left_seconds: u64,
    /// How long it may have no reader.
    pub limit_seconds: u64,
}

/// Since this version a slot without a reader can be given up.
const IDLE_TIMEOUT_SINCE: u32 = 180_000;

/// Looks once.
///
/// # Errors
/// When the server does not answer.
pub async fn look(connection: &mut Connection, slot: &str) -> Result<Sight, Error> {
    let log_end = system::log_end(connection).await?;
    let idle = idle(connection, slot).await?;
    Ok(Sight { slot: slot::find(connection, slot).await?, log_end, idle })
}

async fn idle(connection: &mut Connection, slot: &str) -> Result<Option<Idle>, Error> {
    if connection.server_version_num() < IDLE_TIMEOUT_SINCE {
        return Ok(None);
    }
    let rows = connection
        .query(&format!(
            "SELECT t.seconds AS limit, GREATEST(t.seconds \
               - extract(epoch FROM pg_catalog.clock_timestamp() - s.inactive_since), 0)::bigint AS left \
             FROM pg_catalog.pg_replication_slots s, \
               (SELECT extract(epoch FROM pg_catalog.current_setting('idle_replication_slot_timeout')::interval)::bigint \
                  AS seconds) t \
             WHERE s.slot_name = {} AND NOT s.active AND s.inactive_since IS NOT NULL AND t.seconds > 0",
            quote_text(slot)
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Idle { left_seconds: row.parse("left")?, limit_seconds: row.parse("limit")? }))
}

/// How many rows the planner believes there are in each table, where it was ever told (`reltuples` is -1 before the
/// first VACUUM or ANALYZE). Not of a publication's tables alone: asking for those waits for locks on any of them.
///
/// # Errors
/// When the server does not answer.
pub async fn estimated_rows(connection: &mut Connection) -> Result<Vec<(TableName, u64)>, Error> {
    let rows = connection
        .query(
            "SELECT n.nspname, c.relname, c.reltuples::bigint AS rows \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND c.reltuples >= 0 AND n.nspname !~ '^pg_' \
               AND n.nspname <> 'information_schema'",
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((TableName::new(row.required("nspname")?, row.required("relname")?), row.parse("rows")?))
        })
        .collect()
}

//! A look at the database from beside the pipeline: what the slot makes the server keep, and how far the log reaches.
//! Cheap enough to be done every few seconds, and on a connection of its own, so that it says something exactly when
//! the stream says nothing.

use event::{Lsn, TableName};

use crate::Error;
use crate::slot::{self, Slot};
use crate::system::LOG_END_SQL;
use crate::wire::Connection;

/// What there was to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The slot; none if there is none of this name.
    pub slot: Option<Slot>,
    /// Where the log ends.
    pub log_end: Lsn,
}

/// Looks once.
///
/// # Errors
/// When the server does not answer.
pub async fn look(connection: &mut Connection, slot: &str) -> Result<Sight, Error> {
    // Flushed, not written: with synchronous_commit = off the stream ends there, so an idle database has no lag.
    let log_end = connection.query(&format!("SELECT {LOG_END_SQL}")).await?.single()?.parse(0)?;
    Ok(Sight { slot: slot::find(connection, slot).await?, log_end })
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

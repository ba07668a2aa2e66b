//! A look at the database from beside the pipeline: what the slot makes the server keep, and how far the log reaches.
//! Cheap enough to be done every few seconds, and on a connection of its own, so that it says something exactly when
//! the stream says nothing.

use event::{Lsn, TableName};

use crate::Error;
use crate::slot::{self, Slot};
use crate::sql::quote_text;
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
/// When the server does not answer, or is a standby.
pub async fn look(connection: &mut Connection, slot: &str) -> Result<Sight, Error> {
    // Flushed, not written: with synchronous_commit = off the stream ends there, so an idle database has no lag.
    let log_end =
        connection.query("SELECT pg_catalog.pg_current_wal_flush_lsn()").await?.single()?.parse(0)?;
    Ok(Sight { slot: slot::find(connection, slot).await?, log_end })
}

/// How many rows the planner believes there are in each table of a publication, where it was ever told (`reltuples` is
/// -1 before the first VACUUM or ANALYZE).
///
/// # Errors
/// When the server does not answer.
pub async fn estimated_rows(
    connection: &mut Connection,
    publication: &str,
) -> Result<Vec<(TableName, u64)>, Error> {
    let rows = connection
        .query(&format!(
            "SELECT p.schemaname, p.tablename, c.reltuples::bigint AS rows \
             FROM pg_catalog.pg_publication_tables p \
             JOIN pg_catalog.pg_namespace n ON n.nspname = p.schemaname \
             JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename \
             WHERE p.pubname = {} AND c.reltuples >= 0",
            quote_text(publication)
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok((TableName::new(row.required("schemaname")?, row.required("tablename")?), row.parse("rows")?))
        })
        .collect()
}

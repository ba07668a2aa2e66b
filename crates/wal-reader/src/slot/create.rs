use event::Lsn;

use super::alterations::Moment;
use super::drop;
use crate::refusal::Refusal;
use crate::sql::quote_text;
use crate::wire::Connection;
use crate::{Error, system};

/// Creates a slot for pgoutput; returns where to start: all commits after that are decoded rightly. Waits until every
/// transaction that is running now is over.
///
/// # Errors
/// A [`Refusal`] if the server does not log what is needed, and whatever else it says.
pub async fn create(connection: &mut Connection, name: &str) -> Result<Lsn, Error> {
    create_for(connection, name, false).await
}

/// The same for as long as this connection lasts: the server drops it with that, however it ends.
///
/// # Errors
/// The same.
pub async fn create_temporary(connection: &mut Connection, name: &str) -> Result<Lsn, Error> {
    create_for(connection, name, true).await
}

async fn create_for(connection: &mut Connection, name: &str, is_temporary: bool) -> Result<Lsn, Error> {
    loop {
        let before = Moment::now(connection).await?;
        let start = make(connection, name, is_temporary).await?;
        let altered = before.altered(connection).await?;
        if altered.is_empty() {
            return Ok(start);
        }
        tracing::warn!(
            slot = name,
            altered = event::list_names(&altered),
            "the slot is waited for once more: what is created, altered or truncated just then, the server may decode wrongly"
        );
        let after = Moment::now(connection).await?;
        end_of_running(connection).await?;
        if !after.altered(connection).await?.is_empty() {
            // With that the server took up what it had missed, for all that begins from then on.
            return end_of_running(connection).await;
        }
        drop(connection, name).await?;
    }
}

async fn make(connection: &mut Connection, name: &str, is_temporary: bool) -> Result<Lsn, Error> {
    // Else the server goes on waiting for whoever is gone meanwhile, and keeps the slot for it.
    connection.execute("SET client_connection_check_interval = '2s'").await?;
    // A standby that synchronises slots takes it over, so that a failover loses nothing. Of no effect on any other.
    let may_fail_over = connection.server_version_num() >= FAILOVER_SINCE && !is_temporary;
    let failover =
        if may_fail_over && !system::is_standby(connection).await? { ", failover => true" } else { "" };
    let sql = format!(
        "SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput', {is_temporary}{failover})",
        quote_text(name)
    );
    match connection.query(&sql).await {
        // Not in the prerequisite state: wal_level is too low.
        Err(error) if error.sqlstate() == Some("55000") => {
            let rows = connection.query("SHOW wal_level").await?;
            let found = rows.single()?.required(0)?.to_owned();
            Err(if found == "logical" { error } else { Refusal::WalLevel { found }.into() })
        }
        rows => rows?.single()?.parse("lsn"),
    }
}

/// Before, standbys know nothing of their primary's logical slots.
const FAILOVER_SINCE: u32 = 170_000;

/// Waits until every transaction that is running now is over, on a standby's primary too; a place in the WAL after all
/// of their commits. A slot begins at such a one (`SnapBuildFindSnapshot` in snapbuild.c), so one is made and dropped.
pub(crate) async fn end_of_running(connection: &mut Connection) -> Result<Lsn, Error> {
    let rows = connection.query("SELECT 'cdc_settling_' || pg_catalog.pg_backend_pid()").await?;
    let name = rows.single()?.required(0)?.to_owned();
    let end = make(connection, &name, true).await?;
    drop(connection, &name).await?;
    Ok(end)
}

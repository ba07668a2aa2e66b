//! Which log this is: a position means nothing in another cluster, or on another branch of its history.

use event::{Lsn, list_names};

use crate::Error;
use crate::refusal::Refusal;
use crate::wire::Connection;

/// The cluster and the branch of its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Made by initdb, the same on all its standbys.
    pub identifier: String,
    /// Grows at every promotion.
    pub timeline: u32,
}

/// Asks a connection in replication mode.
///
/// # Errors
/// When the server is a standby that can't decode its log, or does not answer.
pub async fn identify(connection: &mut Connection) -> Result<System, Error> {
    if connection.server_version_num() < STANDBY_SINCE && is_standby(connection).await? {
        return Err(Refusal::Standby.into());
    }
    let rows = match connection.query("IDENTIFY_SYSTEM").await {
        // No walsender: a pooler that was told to ignore `replication` opened an ordinary session.
        Err(error) if error.sqlstate() == Some("42601") => {
            let said = "it opened a session for queries alone".to_owned();
            return Err(Refusal::Proxy { server: connection.endpoint().to_string(), said }.into());
        }
        rows => rows?,
    };
    let row = rows.single()?;
    Ok(System { identifier: row.required("systemid")?.to_owned(), timeline: row.parse("timeline")? })
}

/// Before, standbys decode nothing.
const STANDBY_SINCE: u32 = 160_000;

/// Whether the server follows another one.
pub(crate) async fn is_standby(connection: &mut Connection) -> Result<bool, Error> {
    Ok(connection.query("SELECT pg_catalog.pg_is_in_recovery()").await?.single()?.required(0)? == "t")
}

/// How far the log can be decoded at this moment: what is flushed, on a standby what is replayed. Not what is written:
/// with synchronous_commit = off the stream ends there, so an idle database has no lag.
///
/// # Errors
/// When the server does not answer.
pub async fn log_end(connection: &mut Connection) -> Result<Lsn, Error> {
    let rows = connection
        .query(
            "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() \
               THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END",
        )
        .await?;
    rows.single()?.parse(0)
}

/// Whether a checkpoint made with `before` still lies in the history of `now`.
///
/// # Errors
/// A [`Refusal`] if it is another cluster, or if this one branched off before the checkpoint.
pub async fn check(
    connection: &mut Connection,
    now: &System,
    before: &System,
    checkpoint: Lsn,
    tables: impl IntoIterator<Item = impl std::fmt::Display>,
) -> Result<(), Error> {
    if now.identifier != before.identifier {
        let (expected, found) = (before.identifier.clone(), now.identifier.clone());
        return Err(Refusal::OtherSystem { expected, found }.into());
    }
    if now.timeline == before.timeline {
        let log_end = log_end(connection).await?;
        if log_end < checkpoint {
            return Err(Refusal::Rewound { log_end, checkpoint, tables: list_names(tables) }.into());
        }
        return Ok(());
    }
    let rows = connection.query(&format!("TIMELINE_HISTORY {}", now.timeline)).await?;
    let switch = switch_point(rows.single()?.required("content")?, before.timeline);
    match switch {
        Some(switch) if checkpoint <= switch => {
            tracing::info!(timeline = now.timeline, before = before.timeline, %switch, "the server was promoted");
            Ok(())
        }
        // A timeline that is not in its history: the server never was where the checkpoint was made.
        switch => Err(Refusal::Diverged {
            timeline: now.timeline,
            before: before.timeline,
            switch: switch.unwrap_or(Lsn::ZERO),
            checkpoint,
            tables: list_names(tables),
        }
        .into()),
    }
}

/// Where a timeline ended. A history file's lines are `<timeline> <LSN> <reason>`.
fn switch_point(history: &str, timeline: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let number: u32 = words.next()?.parse().ok()?;
        (number == timeline).then(|| words.next()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_point_is_that_of_the_timeline() {
        let history =
            "1\t0/3000158\tno recovery target specified\n\n2\t0/50001A0\tno recovery target specified\n";
        assert_eq!(switch_point(history, 1), Some(Lsn::from(0x300_0158)));
        assert_eq!(switch_point(history, 2), Some(Lsn::from(0x500_01A0)));
        assert_eq!(switch_point(history, 3), None);
    }
}

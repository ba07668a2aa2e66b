//! A snapshot taken right after a slot was created, or a table published, can miss a transaction that the stream will
//! not show either: one whose commit is in the WAL already but not yet visible (it waits for a synchronous standby), or
//! one that changed the table before it was published and commits later. Both were running at that moment. So a
//! snapshot is usable only once all of those are over.

use std::fmt;
use std::time::Duration;

use crate::wire::Connection;
use crate::{Error, slot, system};

/// The moment that snapshots must have left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A transaction id of that moment.
    Xid(u64),
    /// On a standby, which does not say what runs on its primary: whatever ran then is over by now.
    Past,
}

/// Transactions that a load waits for, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blockers(Vec<String>);

/// Who keeps a slot from being created, or a load from beginning, right now; none: nobody does.
pub async fn blockers(connection: &mut Connection) -> Result<Option<Blockers>, Error> {
    if system::is_standby(connection).await? {
        return Ok(Some(Blockers(vec![WAITS_FOR_PRIMARY.to_owned()])));
    }
    Mark::now(connection).await?.blockers(connection).await
}

impl Mark {
    /// This moment.
    pub(crate) async fn now(connection: &mut Connection) -> Result<Self, Error> {
        if system::is_standby(connection).await? {
            pass_on_standby(connection).await?;
            return Ok(Self::Past);
        }
        let rows = connection.query("SELECT pg_catalog.pg_current_xact_id()").await?;
        rows.single()?.parse(0).map(Self::Xid)
    }

    /// Whether a snapshot with this xmin has left the moment behind. Prepared transactions count as running.
    pub(crate) fn is_behind(self, xmin: u64) -> bool {
        match self {
            Self::Xid(xid) => xmin > xid,
            Self::Past => true,
        }
    }

    /// Whether snapshots taken from now on have left it behind; if not, who is in the way.
    pub(crate) async fn blockers(self, connection: &mut Connection) -> Result<Option<Blockers>, Error> {
        let Self::Xid(xid) = self else { return Ok(None) };
        let rows =
            connection.query("SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())").await?;
        if self.is_behind(rows.single()?.parse(0)?) {
            return Ok(None);
        }
        // The 32-bit xids of both views are compared in circular order, as age() does.
        let rows = connection
            .query(&format!(
                "SELECT 'process ' || pid || ' (' || COALESCE(usename, '?') || ', ' || COALESCE(NULLIF(application_name, ''), '?') \
                   || ', ' || COALESCE(state, '?') || ', transaction open since ' || COALESCE(xact_start::text, '?') || ')' \
                 FROM pg_catalog.pg_stat_activity \
                 WHERE backend_xid IS NOT NULL AND pg_catalog.age(backend_xid) >= pg_catalog.age('{x0}'::xid) \
                 UNION ALL \
                 SELECT 'prepared transaction ' || pg_catalog.quote_literal(gid) || ' of ' || owner || ' since ' || prepared \
                 FROM pg_catalog.pg_prepared_xacts \
                 WHERE pg_catalog.age(transaction) >= pg_catalog.age('{x0}'::xid)",
                x0 = xid & 0xFFFF_FFFF
            ))
            .await?;
        let blockers: Result<Vec<String>, Error> = rows
            .iter()
            .map(|row| Ok(row.get(0)?.unwrap_or("a process this role may not see").to_owned()))
            .collect();
        blockers.map(Blockers).map(Some)
    }
}

const WAITS_FOR_PRIMARY: &str = "transactions on the primary, which tells its standbys of them every 15 s while it writes; \
     `SELECT pg_log_standby_snapshot()` there makes it do so at once";

async fn pass_on_standby(connection: &mut Connection) -> Result<(), Error> {
    let mut passed = std::pin::pin!(slot::end_of_running(connection));
    loop {
        tokio::select! {
            passed = &mut passed => return passed.map(|_| ()),
            () = tokio::time::sleep(Duration::from_secs(5)) => {
                tracing::info!(blockers = WAITS_FOR_PRIMARY, "the load waits for transactions that began before it to end");
            }
        }
    }
}

impl fmt::Display for Blockers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("transactions that were just ending");
        }
        f.write_str(&event::list_names(&self.0))
    }
}

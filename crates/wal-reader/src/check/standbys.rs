use event::{Explanation, Findings, list_names};

use super::platform::Platform;
use crate::sql::{quote_name, quote_text};
use crate::wire::Connection;
use crate::{Error, Options};

/// Since this version a slot can live on at a promoted standby.
const FAILOVER_SINCE: u32 = 170_000;

/// What a failover to a standby would cost: without a failover slot all tables must be loaded anew, and without
/// `synchronized_standby_slots` the sink can be ahead of the promoted server.
pub(super) async fn check(
    sql: &mut Connection,
    options: &Options,
    platform: Platform,
    findings: &mut Findings,
) -> Result<(), Error> {
    if sql.server_version_num() < FAILOVER_SINCE {
        return Ok(());
    }
    let rows = sql
        .query("SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary ORDER BY 1")
        .await?;
    let standbys =
        rows.iter().map(|row| row.required(0).map(str::to_owned)).collect::<Result<Vec<_>, Error>>()?;
    if standbys.is_empty() {
        return Ok(());
    }
    let rows = sql
        .query(&format!(
            "SELECT pg_catalog.current_setting('synchronized_standby_slots') AS waits_for, \
               (SELECT failover FROM pg_catalog.pg_replication_slots WHERE slot_name = {}) AS failover",
            quote_text(&options.slot)
        ))
        .await?;
    let row = rows.single()?;
    let there_are = format!("there are standbys (slots {})", list_names(&standbys));
    if row.get("failover")? == Some("f") {
        let explanation = Explanation::new(
            format!("{there_are}, but slot \"{}\" is not a failover slot", options.slot),
            "after a failover it is gone, and all tables must be loaded anew",
            "stop the pipeline; with a replication connection (`psql 'dbname=… replication=database'`); and on the \
             standbys sync_replication_slots = on, hot_standby_feedback = on and a dbname in primary_conninfo",
        );
        let statement = format!("ALTER_REPLICATION_SLOT {} (FAILOVER true);", quote_name(&options.slot));
        findings.warning("CDC-PG-056", explanation.with_sql([statement]));
    }
    if row.required("waits_for")?.is_empty() {
        let what = format!("{there_are}, but synchronized_standby_slots is empty");
        let why = "changes can be delivered that a standby does not have yet; once it is promoted, the sink is ahead of the \
                   database, and all tables must be loaded anew. Named there, a standby that is down holds the pipeline up";
        let explanation = platform.setting(what, why, "synchronized_standby_slots", &standbys.join(","));
        findings.warning("CDC-PG-056", explanation);
    }
    Ok(())
}

use event::{Explanation, Findings};

use super::platform::Platform;
use crate::Error;
use crate::wire::Connection;

/// Settings, encoding.
pub(super) async fn check(
    sql: &mut Connection,
    platform: Platform,
    findings: &mut Findings,
) -> Result<(), Error> {
    check_settings(sql, platform, findings).await?;
    check_encoding(sql, findings).await
}

async fn check_settings(
    sql: &mut Connection,
    platform: Platform,
    findings: &mut Findings,
) -> Result<(), Error> {
    let rows = sql
        .query(
            "SELECT current_setting('wal_level') AS wal_level, \
               current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS slots, \
               current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS senders, \
               (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_mb, \
               (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'idle_replication_slot_timeout') AS idle",
        )
        .await?;
    let row = rows.single()?;
    let found = row.required("wal_level")?;
    if found != "logical" {
        let what = format!("wal_level is `{found}`");
        let why = "the log does not hold row changes";
        findings.problem("CDC-PG-020", platform.setting(what, why, "wal_level", "logical"));
    }
    for (column, setting, why) in [
        ("slots", "max_replication_slots", "the pipeline's slot can't be created"),
        ("senders", "max_wal_senders", "the server takes no further reader of its log"),
    ] {
        if row.parse::<i64>(column)? < 1 {
            let mend =
                "drop slots that nobody reads (`cdc slot list`), or raise the setting and restart the server";
            let what = format!("all of {setting} are taken");
            findings.warning("CDC-PG-037", Explanation::new(what, why, mend));
        }
    }
    if row.get("keep_mb")? == Some("-1") {
        let what = "max_slot_wal_keep_size is unlimited".to_owned();
        let why = "while the pipeline is down its slot can fill the server's disk; with a limit the slot would be lost \
                   instead, which costs a reload";
        findings.warning("CDC-PG-038", platform.setting(what, why, "max_slot_wal_keep_size", "100GB"));
    }
    if row.get("idle")?.is_some_and(|idle| idle != "0") {
        let what = "idle_replication_slot_timeout is set".to_owned();
        let why = "a pipeline that is down for so long loses its slot, and with it the changes since";
        findings.warning("CDC-PG-038", platform.setting(what, why, "idle_replication_slot_timeout", "0"));
    }
    Ok(())
}

/// From any other encoding the server converts to UTF-8, or says at the login that it can't.
async fn check_encoding(sql: &mut Connection, findings: &mut Findings) -> Result<(), Error> {
    let rows = sql.query("SHOW server_encoding").await?;
    let encoding = rows.single()?.required(0)?;
    if encoding != "SQL_ASCII" {
        return Ok(());
    }
    let what = format!("the database's encoding is {encoding}");
    let why = "the server converts nothing from it: text that is not UTF-8 already can't be sent, and the first one in the \
               log, or in a table that is loaded, stops the pipeline for good";
    let mend = "make sure that all text is UTF-8 or ASCII; better, dump the database and restore it into one whose encoding \
                says what it holds";
    findings.warning("CDC-PG-053", Explanation::new(what, why, mend));
    Ok(())
}

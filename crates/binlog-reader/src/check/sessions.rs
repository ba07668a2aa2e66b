use event::{Explanation, Findings, list_names};

use super::is_denied;
use super::settings::Settings;
use crate::error::Error;
use crate::session::Session;

/// What a session may set for itself, that nobody sees in the global settings.
const SQL: &str = "SELECT t.processlist_id, IFNULL(t.processlist_user, ''), v.variable_name, v.variable_value \
    FROM performance_schema.variables_by_thread v JOIN performance_schema.threads t USING (thread_id) \
    WHERE t.processlist_id IS NOT NULL AND t.type = 'FOREGROUND' AND t.name <> 'thread/sql/event_scheduler' AND (v.variable_name = 'sql_log_bin' AND v.variable_value = 'OFF' \
      OR v.variable_name = 'binlog_format' AND v.variable_value <> 'ROW' \
      OR v.variable_name = 'binlog_row_image' AND v.variable_value <> 'FULL') ORDER BY 1";

/// Sessions that are open just now and log other than the server does. Only MySQL tells, and only those who may ask.
pub(super) async fn check(
    session: &mut Session,
    settings: &Settings,
    findings: &mut Findings,
) -> Result<(), Error> {
    if settings.is_mariadb {
        return Ok(());
    }
    let rows: Vec<(u64, String, String, String)> = match session.rows(SQL).await {
        Ok(rows) => rows,
        // 5.6 has no such table.
        Err(error) if is_denied(&error) || error.number() == Some(1146) => return Ok(()),
        Err(error) => return Err(error),
    };
    let of = |name: &str| {
        let rows = rows.iter().filter(|(_, _, variable, _)| variable == name);
        let names: Vec<String> =
            rows.map(|(id, user, _, value)| format!("{id} of {user} ({value})")).collect();
        (!names.is_empty()).then(|| list_names(names))
    };
    let mend = "set it back in whatever opens these sessions, and let them connect anew";
    if let Some(names) = of("sql_log_bin") {
        let what = format!("sessions keep their changes out of the log (sql_log_bin): {names}");
        let why = "what they change is never sent, and nothing in the log tells";
        findings.warning("CDC-MY-063", Explanation::new(what, why, mend));
    }
    if let Some(names) = of("binlog_format").filter(|_| settings.is("binlog_format", "ROW")) {
        let what = format!("sessions have a binlog_format of their own: {names}");
        let why = "the pipeline stops at their first change that is logged as a statement";
        findings.warning("CDC-MY-021", Explanation::new(what, why, mend));
    }
    if let Some(names) = of("binlog_row_image").filter(|_| settings.is("binlog_row_image", "FULL")) {
        let what = format!("sessions have a binlog_row_image of their own: {names}");
        let why = "their rows come without the columns that were not changed";
        findings.warning("CDC-MY-060", Explanation::new(what, why, mend));
    }
    Ok(())
}

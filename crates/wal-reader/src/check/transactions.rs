use event::{Explanation, Findings, list_names};

use crate::Error;
use crate::wire::Connection;

/// Who would make a slot, or a load, wait: open transactions, where there is no slot yet, and prepared ones, which
/// nobody ends by going away.
pub(super) async fn check(
    sql: &mut Connection,
    has_slot: bool,
    findings: &mut Findings,
) -> Result<(), Error> {
    let rows = sql.query(OPEN).await?;
    let (mut names, mut statements) = (Vec::new(), Vec::new());
    for row in rows.iter() {
        if !has_slot {
            // Another role's are shown without names.
            names.push(row.get("name")?.unwrap_or("a process this role may not see").to_owned());
            statements.extend(row.get("statement")?.map(str::to_owned));
        }
    }
    if !names.is_empty() {
        let what = format!("transactions are open: {}", list_names(names));
        let why = "creating the slot waits until they are over, and so does the load";
        let explanation = Explanation::new(what, why, "wait, or end them; as a superuser");
        findings.warning("CDC-PG-039", explanation.with_sql(statements));
    }
    let rows = sql.query(PREPARED).await?;
    for row in rows.iter() {
        let explanation = Explanation::new(
            row.required("name")?.to_owned(),
            "slots and loads wait for it, and the server keeps its WAL since; its changes arrive only once it is committed",
            format!(
                "whoever prepared it has to decide between COMMIT PREPARED and ROLLBACK PREPARED; if nobody knows it any \
                 more, in database {}",
                row.required("database")?
            ),
        );
        findings.warning("CDC-PG-039", explanation.with_sql([row.required("statement")?.to_owned()]));
    }
    Ok(())
}

const OPEN: &str = "SELECT 'process ' || pid || ' (' || pg_catalog.concat_ws(', ', 'user ' || usename, \
     'application ' || NULLIF(application_name, ''), 'database ' || datname, state, 'open for ' || \
     pg_catalog.date_trunc('second', pg_catalog.now() - xact_start)) || ')' AS name, \
   'SELECT pg_terminate_backend(' || pid || ');' AS statement \
   FROM pg_catalog.pg_stat_activity \
   WHERE (backend_xid IS NOT NULL) AND pid <> pg_catalog.pg_backend_pid() ORDER BY xact_start";

const PREPARED: &str = "SELECT 'prepared transaction ' || pg_catalog.quote_literal(gid) || ' of ' || owner \
     || ' in database ' || database || ' is open for ' \
     || pg_catalog.date_trunc('second', pg_catalog.now() - prepared) AS name, database, \
   'ROLLBACK PREPARED ' || pg_catalog.quote_literal(gid) || ';' AS statement \
   FROM pg_catalog.pg_prepared_xacts ORDER BY prepared";

use std::collections::BTreeSet;

use event::{Findings, TableName};

use crate::refusal::Refusal;
use crate::sql::{name_rows, quote_name, quote_table};
use crate::wire::Connection;
use crate::{Error, Options};

/// What this role may not read.
pub(super) async fn check(
    sql: &mut Connection,
    options: &Options,
    tables: &BTreeSet<TableName>,
    findings: &mut Findings,
) -> Result<(), Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let rows = sql
        .query(&format!(
            "SELECT n.nspname, c.relname, \
               pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                 AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') \
                   OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT')) AS may_read, \
               pg_catalog.row_security_active(c.oid) AS has_policy \
             FROM (VALUES {}) AS wanted (nspname, relname) \
               JOIN pg_catalog.pg_namespace n USING (nspname) \
               JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname",
            name_rows(tables)
        ))
        .await?;
    let user = quote_name(options.connection.user());
    for row in rows.iter() {
        let table = TableName::new(row.required(0)?, row.required(1)?);
        if row.required("may_read")? != "t" {
            let sql = vec![
                format!("GRANT USAGE ON SCHEMA {} TO {user};", quote_name(&table.schema)),
                format!("GRANT SELECT ON {} TO {user};", quote_table(&table)),
            ];
            let (problem, mend) = ("no right to SELECT".to_owned(), "as the owner".to_owned());
            findings.push(&Refusal::Unreadable { table, problem, mend, sql });
        } else if row.required("has_policy")? == "t" {
            let sql = vec![format!("ALTER ROLE {user} BYPASSRLS;")];
            let problem = "row-level security would hide rows from it".to_owned();
            let mend = "as a superuser".to_owned();
            findings.push(&Refusal::Unreadable { table, problem, mend, sql });
        }
    }
    Ok(())
}

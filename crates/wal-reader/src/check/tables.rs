use std::collections::BTreeSet;

use event::{Explanation, Findings, TableName, list_names};

use crate::sql::quote_table;
use crate::wire::{Connection, Rows};
use crate::{Error, Options, unit};

/// Unlogged tables, and tables that are read under one snapshot.
pub(super) async fn check(
    sql: &mut Connection,
    options: &Options,
    tables: &BTreeSet<TableName>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let unlogged = names(&sql.query(UNLOGGED).await?)?;
    let unlogged: Vec<TableName> = unlogged.into_iter().filter(|name| (options.wanted)(name)).collect();
    if !unlogged.is_empty() {
        let statements: Vec<String> =
            unlogged.iter().map(|name| format!("ALTER TABLE {} SET LOGGED;", quote_table(name))).collect();
        let explanation = Explanation::new(
            format!("[source.postgres] tables match unlogged tables: {}", list_names(unlogged)),
            "their changes are in no log, so they are left out",
            "list them in exclude_tables, or as their owner, which writes each of them anew",
        );
        findings.warning("CDC-PG-050", explanation.with_sql(statements));
    }
    let Some(most) = options.snapshot_max else { return Ok(()) };
    let large = names(&sql.query(&read_whole_sql(options)).await?)?;
    let large: Vec<TableName> = large.into_iter().filter(|name| tables.contains(name)).collect();
    if !large.is_empty() {
        let minutes = most.as_secs() / 60;
        let explanation = Explanation::new(
            format!("large tables that can't be read range by range: {}", list_names(large)),
            format!(
                "each is read under one snapshot, which keeps the server from cleaning up meanwhile; after {minutes} minutes \
                 the load gives up"
            ),
            "see how long it takes (`cdc snapshot --estimate`), and set [load] snapshot_max_minutes accordingly; a primary \
             key of one integer, uuid or date column lets a table be read in ranges",
        );
        findings.warning("CDC-PG-057", explanation);
    }
    Ok(())
}

const UNLOGGED: &str = "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
   WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND n.nspname !~ '^pg_' ORDER BY 1, 2";

/// A load that is larger than so many units takes a while.
const UNITS_AT_ONCE: u64 = 20;

fn read_whole_sql(options: &Options) -> String {
    let rows = options.load_unit_rows.saturating_mul(UNITS_AT_ONCE);
    format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.reltuples > {rows} AND n.nspname !~ '^pg_' AND NOT {} ORDER BY 1, 2",
        unit::has_range_key_sql()
    )
}

fn names(rows: &Rows) -> Result<Vec<TableName>, Error> {
    rows.iter().map(|row| Ok(TableName::new(row.required(0)?, row.required(1)?))).collect()
}

//! Column lists and row filters must leave the replica identity alone: else the server refuses the application's own
//! UPDATE and DELETE (`CheckCmdReplicaIdentity` in execReplication.c). Lists that differ between publications of one slot
//! would stop decoding too; a pipeline reads one publication, so there is nothing to look for.

use std::collections::BTreeSet;

use event::{Explanation, Findings, TableName};

use crate::Error;
use crate::catalog::LISTS_SINCE;
use crate::sql::{quote_name, quote_table, quote_text};
use crate::wire::{Connection, Row};

/// Looks at the limits of the tables that are read.
pub(super) async fn check(
    sql: &mut Connection,
    publication: &str,
    tables: &BTreeSet<TableName>,
    findings: &mut Findings,
) -> Result<(), Error> {
    if sql.server_version_num() < LISTS_SINCE {
        return Ok(());
    }
    let rows = sql.query(&limits_sql(publication)).await?;
    for row in rows.iter() {
        let table = TableName::new(row.required("nspname")?, row.required("relname")?);
        if !tables.contains(&table) {
            continue;
        }
        if let Some(missing) = row.get("unlisted")? {
            findings.warning("CDC-PG-051", list_explained(publication, &table, missing, &row)?);
        }
        if let Some(columns) = row.get("strange")? {
            let explanation = Explanation::new(
                format!("the row filter of {table} uses columns outside of its replica identity: {columns}"),
                "the application's own UPDATE and DELETE fail there",
                "take them out of the filter, or as the table's owner",
            );
            let full = format!("ALTER TABLE {} REPLICA IDENTITY FULL;", quote_table(&table));
            findings.warning("CDC-PG-052", explanation.with_sql([full]));
        }
    }
    Ok(())
}

/// Dropped and added in one transaction, so that no change falls in between.
fn list_explained(
    publication: &str,
    table: &TableName,
    missing: &str,
    row: &Row<'_>,
) -> Result<Explanation, Error> {
    let (publication, quoted) = (quote_name(publication), quote_table(table));
    // With the whole old row as identity, any list lacks something, as soon as a column is added.
    let columns = match (row.required("relreplident")?, row.get("listed")?) {
        ("f", _) | (_, None) => String::new(),
        (_, Some(listed)) => format!(" ({listed}, {missing})"),
    };
    let filter = row.get("filter")?.map(|filter| format!(" WHERE ({filter})")).unwrap_or_default();
    let explanation = Explanation::new(
        format!("the column list of {table} lacks columns of its replica identity: {missing}"),
        "the application's own UPDATE and DELETE fail there",
        "as the publication's owner",
    );
    Ok(explanation.with_sql([
        "BEGIN;".to_owned(),
        format!("ALTER PUBLICATION {publication} DROP TABLE ONLY {quoted};"),
        format!("ALTER PUBLICATION {publication} ADD TABLE ONLY {quoted}{columns}{filter};"),
        "COMMIT;".to_owned(),
    ]))
}

/// A filter's columns stand in its parsed form as `:varattno <number>`.
fn limits_sql(publication: &str) -> String {
    let names = |condition: &str| {
        format!(
            "(SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) \
               FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                 AND {condition})"
        )
    };
    let is_identity = "(c.relreplident = 'f' OR a.attnum = ANY (i.indkey::int2[]))";
    format!(
        "SELECT n.nspname, c.relname, c.relreplident, pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS filter, \
           {listed} AS listed, \
           CASE WHEN r.prattrs IS NOT NULL THEN {unlisted} END AS unlisted, \
           CASE WHEN r.prqual IS NOT NULL THEN {strange} END AS strange \
         FROM pg_catalog.pg_publication p \
           JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid \
           JOIN pg_catalog.pg_class c ON c.oid = r.prrelid \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indimmediate \
             AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary AND c.relreplident = 'd' END \
         WHERE p.pubname = {publication} AND (p.pubupdate OR p.pubdelete) \
           AND (c.relreplident = 'f' OR i.indrelid IS NOT NULL)",
        listed = names("a.attnum = ANY (r.prattrs::int2[])"),
        unlisted = names(&format!("{is_identity} AND a.attnum <> ALL (r.prattrs::int2[])")),
        strange = names(&format!(
            "NOT {is_identity} AND a.attnum::text IN (SELECT m[1] FROM \
               pg_catalog.regexp_matches(r.prqual::text, ':varattno ([0-9]+)', 'g') m)"
        )),
        publication = quote_text(publication),
    )
}

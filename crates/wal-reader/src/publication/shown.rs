use std::collections::BTreeMap;

use event::TableName;

use crate::Error;
use crate::catalog;
use crate::sql::quote_text;
use crate::wire::Connection;

/// What a publication shows of a table. Two that are equal show the same rows and columns of the same table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The row filter and the column list, as text; empty for all of it.
    pub limits: String,
    /// Names the table itself, and the act by which it was published. A table that was dropped and made anew, one that
    /// took over another's name, one that left the publication and came back: their rows were changed without a word
    /// in the log, under a name that was known.
    pub incarnation: String,
}

/// What the publication shows of each table that the database has, published or not.
pub(super) async fn shown(
    connection: &mut Connection,
    publication: &str,
) -> Result<BTreeMap<TableName, Shown>, Error> {
    let has_lists = connection.server_version_num() >= catalog::LISTS_SINCE;
    let (columns, rows, by_schema) = if has_lists {
        (
            "(SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname) \
              FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[]))",
            "pg_catalog.pg_get_expr(r.prqual, r.prrelid)",
            "(SELECT s.oid FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace)",
        )
    } else {
        ("NULL", "NULL", "NULL")
    };
    // A partition may be published by way of any of those above it.
    let found = connection
        .query(&format!(
            "SELECT n.nspname, c.relname, \
               pg_catalog.concat_ws(' ', 'columns ' || {columns}, 'rows ' || {rows}) AS limits, \
               pg_catalog.concat_ws('/', c.oid, r.oid, {by_schema}, CASE WHEN p.puballtables THEN p.oid END, \
                 (SELECT pg_catalog.string_agg(above.oid::text, '/' ORDER BY above.oid) \
                  FROM pg_catalog.pg_publication_rel above WHERE c.relispartition AND above.prpubid = p.oid \
                    AND above.prrelid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(c.oid) WHERE relid <> c.oid)) \
               ) AS incarnation \
             FROM pg_catalog.pg_publication p CROSS JOIN pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid \
             WHERE p.pubname = {} AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' \
               AND n.nspname <> 'information_schema'",
            quote_text(publication)
        ))
        .await?;
    found
        .iter()
        .map(|row| {
            let shown = Shown {
                limits: row.required("limits")?.to_owned(),
                incarnation: row.required("incarnation")?.to_owned(),
            };
            Ok((TableName::new(row.required(0)?, row.required(1)?), shown))
        })
        .collect()
}

/// Stands for everything that decides which tables there are and what is shown of them: as long as it is the same, so
/// are they. Asks no lock of anybody and takes a millisecond per few hundred tables, unlike the publication itself.
pub(super) async fn fingerprint(connection: &mut Connection) -> Result<String, Error> {
    let of_schemas = if connection.server_version_num() >= catalog::LISTS_SINCE {
        "(SELECT pg_catalog.string_agg(s::text, ',' ORDER BY s.oid) FROM pg_catalog.pg_publication_namespace s)"
    } else {
        "''"
    };
    let rows = connection
        .query(&format!(
            "SELECT pg_catalog.md5(pg_catalog.concat_ws(';', \
               (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', c.oid, c.relname, n.nspname, c.relpersistence, \
                   c.relreplident, c.relispartition, c.relowner), ',' ORDER BY c.oid) \
                FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'), \
               (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', i.indexrelid, i.indisprimary, i.indimmediate, \
                   i.indisreplident), ',' ORDER BY i.indexrelid) \
                FROM pg_catalog.pg_index i WHERE i.indisprimary OR i.indisreplident), \
               (SELECT pg_catalog.string_agg(p::text, ',' ORDER BY p.oid) FROM pg_catalog.pg_publication p), \
               (SELECT pg_catalog.string_agg(r::text, ',' ORDER BY r.oid) FROM pg_catalog.pg_publication_rel r), \
               {of_schemas}))"
        ))
        .await?;
    Ok(rows.single()?.required(0)?.to_owned())
}

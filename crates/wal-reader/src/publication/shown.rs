use std::collections::BTreeMap;

use event::{LoadPart, LoadRequest, TableName};

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
    /// What decides how values are written of the types that the database's users made: an enum's labels by their OIDs,
    /// the types of a composite's attributes. Renaming a label or adding an attribute changes rows without a word in
    /// the log, and not even a Relation message tells of it.
    pub type_parts: BTreeMap<String, String>,
    /// Partitions that were tables of their own before, by their OIDs, each with the transaction that attached it. Of
    /// the rows that they brought along the log says nothing.
    pub attached: BTreeMap<u32, String>,
}

impl Shown {
    /// Whether rows that were written so are written otherwise by now. More labels change no row.
    pub fn rewrites(&self, before: &BTreeMap<String, String>) -> bool {
        before.iter().any(|(part, text)| self.type_parts.get(part).is_some_and(|now| now != text))
    }

    /// What reads the rows that partitions brought along which were not attached before; none: there are no such ones.
    pub fn brought_along(&self, before: &BTreeMap<u32, String>) -> Option<LoadRequest> {
        let is_new = |(oid, by): &(&u32, &String)| before.get(oid) != Some(by);
        let trees: Vec<String> = self
            .attached
            .iter()
            .filter(is_new)
            .map(|(oid, _)| format!("SELECT relid FROM pg_catalog.pg_partition_tree({oid})"))
            .collect();
        let filter = Some(format!("tableoid IN ({})", trees.join(" UNION ALL ")));
        let part = Some(LoadPart { filter, columns: Vec::new() });
        (!trees.is_empty()).then(|| LoadRequest { part, or_whole: true, ..LoadRequest::default() })
    }
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
    let mut all = BTreeMap::new();
    for row in found.iter() {
        let shown = Shown {
            limits: row.required("limits")?.to_owned(),
            incarnation: row.required("incarnation")?.to_owned(),
            ..Shown::default()
        };
        all.insert(TableName::new(row.required(0)?, row.required(1)?), shown);
    }
    add_type_parts(connection, &mut all).await?;
    add_attached(connection, &mut all).await?;
    Ok(all)
}

/// OIDs from there on are not the system's own (`FirstNormalObjectId` in transam.h).
const FIRST_OWN_OID: u32 = 16384;

async fn add_type_parts(
    connection: &mut Connection,
    all: &mut BTreeMap<TableName, Shown>,
) -> Result<(), Error> {
    let parts = connection
        .query(&format!(
            "WITH RECURSIVE used AS ( \
               SELECT a.attrelid AS relation, a.atttypid AS type FROM pg_catalog.pg_attribute a \
                 JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
               WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= {FIRST_OWN_OID} \
               UNION \
               SELECT used.relation, inside.type FROM used JOIN pg_catalog.pg_type t ON t.oid = used.type \
                 CROSS JOIN LATERAL ( \
                   SELECT t.typbasetype AS type UNION ALL SELECT t.typelem \
                   UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a \
                     WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped \
                   UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid) \
                 ) AS inside WHERE inside.type >= {FIRST_OWN_OID}), \
             parts AS ( \
               SELECT used.relation, 'label ' || e.oid AS part, e.enumlabel::text AS text \
               FROM used JOIN pg_catalog.pg_enum e ON e.enumtypid = used.type \
               UNION ALL \
               SELECT used.relation, 'attributes ' || t.oid, \
                 (SELECT pg_catalog.string_agg(a.attnum || ' ' || a.atttypid, ',' ORDER BY a.attnum) \
                  FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) \
               FROM used JOIN pg_catalog.pg_type t ON t.oid = used.type WHERE t.typtype = 'c') \
             SELECT n.nspname, c.relname, parts.part, parts.text FROM parts \
               JOIN pg_catalog.pg_class c ON c.oid = parts.relation \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        ))
        .await?;
    for row in parts.iter() {
        if let Some(shown) = all.get_mut(&TableName::new(row.required(0)?, row.required(1)?)) {
            let text = row.get("text")?.unwrap_or_default().to_owned();
            shown.type_parts.insert(row.required("part")?.to_owned(), text);
        }
    }
    Ok(())
}

/// A partition that was made as one is in `pg_inherits` since the transaction that made its columns. Not asked for by
/// `pg_partition_tree`, which locks all that it names.
async fn add_attached(
    connection: &mut Connection,
    all: &mut BTreeMap<TableName, Shown>,
) -> Result<(), Error> {
    let attached = connection
        .query(
            "WITH RECURSIVE below AS ( \
               SELECT c.oid AS root, c.oid AS relation FROM pg_catalog.pg_class c WHERE c.relkind = 'p' \
               UNION ALL \
               SELECT below.root, i.inhrelid FROM below JOIN pg_catalog.pg_inherits i ON i.inhparent = below.relation) \
             SELECT n.nspname, c.relname, i.inhrelid, i.xmin FROM below \
               JOIN pg_catalog.pg_inherits i ON i.inhrelid = below.relation AND below.relation <> below.root \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.inhrelid AND a.attname = 'tableoid' AND a.xmin <> i.xmin \
               JOIN pg_catalog.pg_class c ON c.oid = below.root \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
        )
        .await?;
    for row in attached.iter() {
        if let Some(shown) = all.get_mut(&TableName::new(row.required(0)?, row.required(1)?)) {
            shown.attached.insert(row.parse(2)?, row.required(3)?.to_owned());
        }
    }
    Ok(())
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
               (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', i.inhrelid, i.inhparent, i.xmin), ',' \
                   ORDER BY i.inhrelid, i.inhparent) FROM pg_catalog.pg_inherits i), \
               (SELECT pg_catalog.string_agg(e.oid || e.enumlabel, ',' ORDER BY e.oid) FROM pg_catalog.pg_enum e), \
               (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attrelid, a.attnum, a.atttypid), ',' \
                   ORDER BY a.attrelid, a.attnum) \
                FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
                WHERE c.relkind = 'c' AND c.oid >= {FIRST_OWN_OID}), \
               (SELECT pg_catalog.string_agg(p::text, ',' ORDER BY p.oid) FROM pg_catalog.pg_publication p), \
               (SELECT pg_catalog.string_agg(r::text, ',' ORDER BY r.oid) FROM pg_catalog.pg_publication_rel r), \
               {of_schemas}))"
        ))
        .await?;
    Ok(rows.single()?.required(0)?.to_owned())
}

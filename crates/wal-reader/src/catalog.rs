//! What the database says of its tables, as far as reading and publishing them needs it.

use std::fmt;

use event::{Column, SentTable, TableName, TableSchema};

use crate::identity::{Identity, NoIdentity};
use crate::refusal::Refusal;
use crate::sql::{quote_table, quote_text};
use crate::wire::Connection;
use crate::{Error, Options, rules};

/// A table that could be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: TableName,
    /// What tells its rows apart: UPDATE and DELETE go on working once it is published, if there is one.
    pub identity: Identity,
}

impl Candidate {
    /// What gives it a replica identity, if it has none: for people.
    pub(crate) fn mend(&self) -> Option<String> {
        match self.identity {
            // Under FULL they count as well.
            Identity::None(NoIdentity::GeneratedColumn) => Some(format!(
                "-- {}: publish stored generated columns (since 18: publish_generated_columns = stored), or identify its rows \
                 by other columns;",
                self.name
            )),
            Identity::None(_) => {
                Some(format!("ALTER TABLE {} REPLICA IDENTITY FULL;", quote_table(&self.name)))
            }
            _ => None,
        }
    }
}

/// Its name; with why it has no replica identity, if it has none.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.identity {
            Identity::None(why) => write!(f, "{} ({why})", self.name),
            _ => self.name.fmt(f),
        }
    }
}

/// A table as a publication shows it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Columns as published, and the message key.
    pub(crate) schema: TableSchema,
    /// The publication's row filter.
    pub(crate) row_filter: Option<String>,
    /// An UPDATE or DELETE logs all of the row that it found; or the table allows neither.
    logs_old_rows: bool,
    /// Published as a whole although its rows are in partitions.
    pub(crate) is_partitioned: bool,
    /// As the planner estimates; below 0 when it never looked.
    pub(crate) estimated_rows: f64,
    /// How many blocks the main fork has.
    pub(crate) blocks: u64,
}

impl Shape {
    /// As it is sent.
    pub(crate) fn sent(&self, options: &Options) -> Result<SentTable, Refusal> {
        rules::sent(&self.schema, options, |column| self.logs_old_rows || self.schema.key.contains(&column))
    }
}

/// All ordinary permanent tables outside of the system's schemas, in the order of their names.
pub async fn candidates(connection: &mut Connection) -> Result<Vec<Candidate>, Error> {
    let rows = connection
        .query(&format!(
            "SELECT n.nspname, c.relname, {} AS identity \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' \
               AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname, c.relname",
            Identity::sql(connection.server_version_num())
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Candidate {
                name: TableName::new(row.required(0)?, row.required(1)?),
                identity: Identity::of(row.required(2)?),
            })
        })
        .collect()
}

/// A relation's primary key as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PrimaryKey {
    /// Its columns, by name and by their place among those that are logged; none without one. A deferrable key is none:
    /// two rows may have it for a while, and then a change of the one would be taken for one of the other.
    pub(crate) columns: Vec<(String, usize)>,
    /// How many columns are logged; none: the relation is gone.
    pub(crate) logged: usize,
}

pub(crate) async fn primary_key(connection: &mut Connection, oid: u32) -> Result<PrimaryKey, Error> {
    let logged = format!(
        "FROM pg_catalog.pg_attribute l WHERE l.attrelid = {oid} AND l.attnum > 0 AND NOT l.attisdropped AND l.attgenerated = ''"
    );
    let rows = connection
        .query(&format!(
            "SELECT (SELECT pg_catalog.count(*) {logged}) AS logged, key.attname, key.place FROM (VALUES (1)) AS one \
               LEFT JOIN (SELECT a.attname, a.attnum, (SELECT pg_catalog.count(*) {logged} AND l.attnum < a.attnum) AS place \
                 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a \
                   ON a.attrelid = i.indrelid AND a.attnum = ANY ({KEY_COLUMNS}) \
                 WHERE i.indrelid = {oid} AND i.indisprimary AND i.indimmediate) AS key ON true \
             ORDER BY key.attnum"
        ))
        .await?;
    let mut key = PrimaryKey::default();
    for row in rows.iter() {
        key.logged = row.parse("logged")?;
        if let Some(name) = row.get("attname")? {
            key.columns.push((name.to_owned(), row.parse("place")?));
        }
    }
    Ok(key)
}

/// Of index `i`, without those that it merely includes.
pub(crate) const KEY_COLUMNS: &str = "(i.indkey::int2[])[0:i.indnkeyatts - 1]";

/// A table as the publication shows it; none if it does not, or if the table is gone.
pub(crate) async fn shape(
    connection: &mut Connection,
    publication: &str,
    name: &TableName,
) -> Result<Option<Shape>, Error> {
    let version = connection.server_version_num();
    let relation = match connection.query(&published_sql(publication, name, version)).await {
        // The cast to regclass fails where there is no such table.
        Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(None),
        relation => relation?,
    };
    let Some(row) = relation.first() else { return Ok(None) };
    let columns = connection.query(&columns_sql(row.parse("oid")?, row.get("list")?, version)).await?;
    let mut schema = TableSchema { name: name.clone(), columns: Vec::new(), key: Vec::new() };
    for (position, column) in columns.iter().enumerate() {
        if column.required("is_key")? == "t" {
            schema.key.push(position);
        }
        schema.columns.push(Column {
            name: column.required("attname")?.to_owned(),
            type_name: column.required("type_name")?.to_owned(),
            type_oid: column.parse("atttypid")?,
            type_modifier: column.parse("atttypmod")?,
        });
    }
    Ok(Some(Shape {
        schema,
        row_filter: row.get("filter")?.map(str::to_owned),
        logs_old_rows: matches!(row.required("relreplident")?, "f" | "n"),
        is_partitioned: row.required("relkind")? == "p",
        estimated_rows: row.parse("reltuples")?,
        blocks: row.parse("blocks")?,
    }))
}

/// Before, a publication has neither column lists nor row filters.
pub(crate) const LISTS_SINCE: u32 = 150_000;
/// Before, generated columns are never published, though a column list may name them.
pub(crate) const GENERATED_SINCE: u32 = 180_000;

/// How a publication shows one table; no row if it does not. The view `pg_publication_tables` would put together all
/// tables of the publication for that, and since 16 lock them. What is published as what, and that a publication of a
/// schema, or of all tables, knows neither filters nor lists, is as in `pg_get_publication_tables` in pg_publication.c.
fn published_sql(publication: &str, name: &TableName, version: u32) -> String {
    let member = |relation: &str| {
        let rel = format!(
            "EXISTS (SELECT FROM pg_catalog.pg_publication_rel m WHERE m.prpubid = p.oid AND m.prrelid = {relation}.oid)"
        );
        // Schemas came with the lists.
        match version >= LISTS_SINCE {
            true => format!("({rel} OR {})", in_schema(relation)),
            false => rel,
        }
    };
    let ancestor = format!(
        "EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) t JOIN pg_catalog.pg_class o ON o.oid = t.relid \
           WHERE o.oid <> c.oid AND {})",
        member("o")
    );
    let limits = match version >= LISTS_SINCE {
        true => format!(
            "LEFT JOIN (SELECT r.prrelid, pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS filter, \
               CASE WHEN r.prattrs IS NOT NULL THEN pg_catalog.array_to_string(r.prattrs::int2[], ',') END AS list, \
               r.prpubid FROM pg_catalog.pg_publication_rel r) r \
             ON r.prpubid = p.oid AND r.prrelid = c.oid AND NOT p.puballtables AND NOT {}",
            in_schema("c")
        ),
        false => "CROSS JOIN (SELECT NULL AS filter, NULL AS list) r".to_owned(),
    };
    // Without a list, the publication decides.
    let list = match version >= GENERATED_SINCE {
        true => "COALESCE(r.list, CASE p.pubgencols WHEN 's' THEN 'stored' END)",
        false => "r.list",
    };
    format!(
        "SELECT c.oid, c.relkind, c.reltuples, c.relreplident, r.filter, {list} AS list, \
           pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int AS blocks \
         FROM pg_catalog.pg_publication p \
           JOIN pg_catalog.pg_class c ON c.oid = {table}::pg_catalog.regclass {limits} \
         WHERE p.pubname = {publication} AND pg_catalog.pg_relation_is_publishable(c.oid) \
           AND (p.puballtables OR {itself} OR {ancestor}) \
           AND CASE WHEN p.pubviaroot THEN NOT (p.puballtables AND c.relispartition) AND NOT {ancestor} \
             ELSE c.relkind <> 'p' END",
        table = quote_text(&quote_table(name)),
        publication = quote_text(publication),
        itself = member("c"),
    )
}

fn in_schema(relation: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_publication_namespace s \
           WHERE s.pnpubid = p.oid AND s.pnnspid = {relation}.relnamespace)"
    )
}

/// Columns in the order that pgoutput sends them, named as it names their types: a domain by its base type, a type of
/// pg_catalog without a schema (`logicalrep_write_typ` in the server's proto.c). The key is the replica identity's
/// index, else the primary key.
///
/// `list`: the numbers of the columns that are listed, by commas; `stored` for all with the stored generated ones.
fn columns_sql(oid: u32, list: Option<&str>, version: u32) -> String {
    let plain = "a.attgenerated = ''";
    let condition = match list {
        Some("stored") => "a.attgenerated IN ('', 's')".to_owned(),
        Some(list) if version >= GENERATED_SINCE => format!("a.attnum IN ({list})"),
        Some(list) => format!("a.attnum IN ({list}) AND {plain}"),
        None => plain.to_owned(),
    };
    format!(
        "SELECT a.attname, a.atttypid, a.atttypmod, \
           COALESCE(a.attnum = ANY ({KEY_COLUMNS}), false) AS is_key, \
           (WITH RECURSIVE base AS ( \
              SELECT t.typtype, t.typbasetype, t.typname, t.typnamespace FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid \
              UNION ALL \
              SELECT t.typtype, t.typbasetype, t.typname, t.typnamespace FROM base JOIN pg_catalog.pg_type t \
                ON t.oid = base.typbasetype WHERE base.typtype = 'd') \
            SELECT CASE n.nspname WHEN 'pg_catalog' THEN '' ELSE n.nspname || '.' END || base.typname \
            FROM base JOIN pg_catalog.pg_namespace n ON n.oid = base.typnamespace WHERE base.typtype <> 'd') AS type_name \
         FROM pg_catalog.pg_attribute a \
           JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
           LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indimmediate \
             AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END \
         WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped AND {condition} \
         ORDER BY a.attnum"
    )
}

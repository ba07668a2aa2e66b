//! What the database says of its tables, as far as reading and publishing them needs it.

use event::{Column, SentTable, TableName, TableSchema};

use crate::refusal::Refusal;
use crate::sql::{quote_table, quote_text};
use crate::wire::Connection;
use crate::{Error, Options, rules};

/// A table that could be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: TableName,
    /// Whether UPDATE and DELETE go on working once it is published.
    pub has_replica_identity: bool,
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
    // Since 18 the server refuses UPDATE and DELETE where the replica identity has a generated column that is not
    // published, under FULL also a virtual one, which never is. Before, such a column is missing from the old row; under
    // FULL the others tell the row.
    let (unpublished, full) = if connection.server_version_num() >= GENERATED_SINCE {
        let unpublished = "(a.attgenerated = 'v' OR a.attgenerated = 's' \
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubgencols = 's'))";
        (unpublished, format!("NOT EXISTS ({COLUMN} AND {unpublished})"))
    } else {
        ("a.attgenerated <> ''", "true".to_owned())
    };
    let index = format!("NOT EXISTS ({COLUMN} AND a.attnum = ANY ({KEY_COLUMNS}) AND {unpublished})");
    let rows = connection
        .query(&format!(
            "SELECT n.nspname, c.relname, \
               CASE c.relreplident WHEN 'f' THEN {full} WHEN 'n' THEN false \
                 WHEN 'i' THEN EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND {index}) \
                 ELSE EXISTS (SELECT FROM pg_catalog.pg_index i \
                   WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND {index}) \
               END AS identity \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' \
               AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname, c.relname"
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Candidate {
                name: TableName::new(row.required(0)?, row.required(1)?),
                has_replica_identity: row.required(2)? == "t",
            })
        })
        .collect()
}

/// The columns that a relation's primary key has, by name; none without one, or if the relation is gone. A deferrable
/// key is none: two rows may have it for a while, and then a change of the one would be taken for one of the other.
pub(crate) async fn primary_key(connection: &mut Connection, oid: u32) -> Result<Vec<String>, Error> {
    let rows = connection
        .query(&format!(
            "SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a \
               ON a.attrelid = i.indrelid AND a.attnum = ANY ({KEY_COLUMNS}) \
             WHERE i.indrelid = {oid} AND i.indisprimary AND i.indimmediate ORDER BY a.attnum"
        ))
        .await?;
    rows.iter().map(|row| row.required(0).map(str::to_owned)).collect()
}

/// Columns of relation `c`, to go on with.
const COLUMN: &str =
    "SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped";

/// Of index `i`, without those that it merely includes.
const KEY_COLUMNS: &str = "(i.indkey::int2[])[0:i.indnkeyatts - 1]";

/// A table as the publication shows it; none if it does not, or if the table is gone.
pub(crate) async fn shape(
    connection: &mut Connection,
    publication: &str,
    name: &TableName,
) -> Result<Option<Shape>, Error> {
    let version = connection.server_version_num();
    let filter = if version >= LISTS_SINCE { "p.rowfilter" } else { "NULL" };
    let relation = connection
        .query(&format!(
            "SELECT c.oid, c.relkind, c.reltuples, c.relreplident, {filter} AS filter, \
               pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int AS blocks \
             FROM pg_catalog.pg_publication_tables p \
               JOIN pg_catalog.pg_class c ON c.oid = {table}::pg_catalog.regclass \
             WHERE p.pubname = {publication} AND p.schemaname = {schema} AND p.tablename = {relation}",
            table = quote_text(&quote_table(name)),
            publication = quote_text(publication),
            schema = quote_text(&name.schema),
            relation = quote_text(&name.table),
        ))
        .await;
    let relation = match relation {
        // The cast to regclass fails where there is no such table.
        Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(None),
        relation => relation?,
    };
    let Some(row) = relation.first() else { return Ok(None) };
    let oid: u32 = row.parse("oid")?;
    let columns = connection.query(&columns_sql(publication, name, oid, version)).await?;
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
/// Before, generated columns are never published, though the view of published columns may name them.
const GENERATED_SINCE: u32 = 180_000;

/// Columns in the order that pgoutput sends them, named as it names their types: a domain by its base type, a type of
/// pg_catalog without a schema (`logicalrep_write_typ` in the server's proto.c). The key is the replica identity's
/// index, else the primary key.
fn columns_sql(publication: &str, name: &TableName, oid: u32, version: u32) -> String {
    let listed = if version >= LISTS_SINCE {
        format!(
            "AND a.attname = ANY ((SELECT p.attnames FROM pg_catalog.pg_publication_tables p WHERE p.pubname = {} \
               AND p.schemaname = {} AND p.tablename = {})::text[])",
            quote_text(publication),
            quote_text(&name.schema),
            quote_text(&name.table)
        )
    } else {
        String::new()
    };
    let generated = if version >= GENERATED_SINCE { "" } else { "AND a.attgenerated = ''" };
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
         WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped {listed} {generated} \
         ORDER BY a.attnum"
    )
}

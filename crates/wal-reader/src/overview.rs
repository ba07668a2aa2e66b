//! What there is in a database, for whoever is about to choose, and what a role needs to read it.

use event::TableName;

use crate::Error;
use crate::sql::{quote_name, quote_text};
use crate::wire::{Config, Connection};

/// A table that could be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOverview {
    /// Its name.
    pub name: TableName,
    /// Its rows on disk, with what is stored out of line.
    pub bytes: u64,
    /// What tells its rows apart.
    pub identity: Identity,
}

/// What tells a table's rows apart in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Its primary key.
    PrimaryKey,
    /// Another unique index, chosen by `REPLICA IDENTITY USING INDEX`.
    Index,
    /// The whole old row.
    Full,
    /// Nothing: once it is published, the application's own UPDATE and DELETE fail.
    None,
}

/// All ordinary permanent tables outside of the system's schemas, in the order of their names.
///
/// # Errors
/// When the server does not answer.
pub async fn tables(connection: &mut Connection) -> Result<Vec<TableOverview>, Error> {
    let rows = connection
        .query(
            "SELECT n.nspname, c.relname, pg_catalog.pg_table_size(c.oid) AS bytes, \
               CASE c.relreplident WHEN 'f' THEN 'f' \
                 WHEN 'i' THEN CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_index i \
                   WHERE i.indrelid = c.oid AND i.indisreplident) THEN 'i' ELSE 'n' END \
                 WHEN 'd' THEN CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_index i \
                   WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate) THEN 'd' ELSE 'n' END \
                 ELSE 'n' END AS identity \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' \
               AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname, c.relname",
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TableOverview {
                name: TableName::new(row.required(0)?, row.required(1)?),
                // None if it was dropped just now.
                bytes: row.get("bytes")?.and_then(|bytes| bytes.parse().ok()).unwrap_or(0),
                identity: match row.required("identity")? {
                    "d" => Identity::PrimaryKey,
                    "i" => Identity::Index,
                    "f" => Identity::Full,
                    _ => Identity::None,
                },
            })
        })
        .collect()
}

/// What a superuser runs so that a login can be made, and rows be read. Publishing is another matter.
pub fn role_sql(config: &Config) -> Vec<String> {
    let (role, database) = (quote_name(config.user()), quote_name(config.database()));
    vec![
        format!("CREATE ROLE {role} LOGIN REPLICATION PASSWORD {};", quote_text("…")),
        format!("GRANT CONNECT ON DATABASE {database} TO {role};"),
        format!("GRANT USAGE ON SCHEMA public TO {role};"),
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"),
    ]
}

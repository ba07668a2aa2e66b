//! What there is in a database, for whoever is about to choose, and what a role needs to read it.

use std::collections::HashMap;

use event::TableName;

pub use crate::identity::{Identity, NoIdentity};

use crate::Error;
use crate::catalog::{self, Candidate};
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

/// All ordinary permanent tables outside of the system's schemas, in the order of their names.
///
/// # Errors
/// When the server does not answer.
pub async fn tables(connection: &mut Connection) -> Result<Vec<TableOverview>, Error> {
    let candidates = catalog::candidates(connection).await?;
    let mut sizes = sizes(connection).await?;
    let overview = |Candidate { name, identity }| {
        // None if it was dropped just now.
        let bytes = sizes.remove(&name).unwrap_or(0);
        TableOverview { name, bytes, identity }
    };
    Ok(candidates.into_iter().map(overview).collect())
}

/// How much each table takes on disk, with what is stored out of line.
async fn sizes(connection: &mut Connection) -> Result<HashMap<TableName, u64>, Error> {
    let rows = connection
        .query(
            "SELECT n.nspname, c.relname, pg_catalog.pg_table_size(c.oid) AS bytes \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' \
               AND n.nspname <> 'information_schema'",
        )
        .await?;
    rows.iter()
        .map(|row| {
            let bytes = row.get("bytes")?.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
            Ok((TableName::new(row.required(0)?, row.required(1)?), bytes))
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

//! Asking the database for what its log leaves out, on a connection that is opened when it is first needed.

use std::borrow::Cow;
use std::time::Duration;

use event::Cell;

use crate::Error;
use crate::catalog::PrimaryKey;
use crate::relation::Relation;
use crate::sql::{quote_name, quote_table, quote_text};
use crate::wire::{Config, Connection};
use crate::{catalog, session, snapshot};

/// How long a commit usually takes from the log to being visible.
const VISIBLE_AFTER: Duration = Duration::from_millis(1);

pub(crate) struct Fetcher {
    config: Config,
    connection: Option<Connection>,
}

impl Fetcher {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, connection: None }
    }

    /// A table's primary key, as it is now.
    pub(crate) async fn primary_key(&mut self, oid: u32) -> Result<PrimaryKey, Error> {
        let mut connection = self.take_connection().await?;
        let key = catalog::primary_key(&mut connection, oid).await?;
        self.connection = Some(connection);
        Ok(key)
    }

    /// Fills the unchanged cells of a row whose key changed: under its new key a consumer has never seen it. Returns
    /// which were filled. The row may be newer than the change, and if it is gone the cells stay as they are: a later
    /// change in the log will say so.
    ///
    /// The change's own transaction must be visible first: the log shows a commit before other sessions can see it, and
    /// until then the new key finds nothing, or a row that had it before.
    ///
    /// `text_of` gives the text of a column of the log's rows, to look the row up by.
    pub(crate) async fn fill<'a>(
        &mut self,
        relation: &'a Relation,
        row: &mut [Cell<'a>],
        xid: u32,
        text_of: impl Fn(usize) -> Option<&'a str>,
    ) -> Result<Vec<usize>, Error> {
        let Relation { table, types, oid, lookup, sources, .. } = relation;
        let mut missing = Vec::new();
        let mut columns = Vec::new();
        for (position, (cell, column)) in row.iter().zip(&table.schema.columns).enumerate() {
            if matches!(cell, Cell::Unchanged) {
                missing.push(position);
                columns.push(quote_name(&column.name));
            }
        }
        let mut conditions = Vec::new();
        for (position, name) in lookup {
            let Some(text) = text_of(*position) else { return Ok(Vec::new()) };
            conditions.push(format!("{} = {}", quote_name(name), quote_text(text)));
        }
        if conditions.is_empty() {
            return Ok(Vec::new());
        }
        // Neither from a child, nor from another table that has the name by now; a root's rows are in its partitions.
        conditions.push(format!(
            "(tableoid = {oid} OR EXISTS (SELECT FROM pg_catalog.pg_class c \
               WHERE c.oid = {oid} AND c.relkind = 'p' AND c.oid = {name}::pg_catalog.regclass))",
            name = quote_text(&quote_table(table.name()))
        ));
        let sql = format!(
            "SELECT pg_catalog.pg_current_snapshot(), found.* FROM (VALUES (1)) AS one \
               LEFT JOIN (SELECT true, {} FROM {} WHERE {}) AS found ON true",
            columns.join(", "),
            quote_table(table.name()),
            conditions.join(" AND ")
        );
        let mut connection = self.take_connection().await?;
        let rows = loop {
            let rows = match connection.query(&sql).await {
                // The table was renamed or dropped, the column dropped: the row in this shape is gone.
                Err(error) if matches!(error.sqlstate(), Some("42P01" | "42703" | "3F000")) => {
                    self.connection = Some(connection);
                    return Ok(Vec::new());
                }
                rows => rows.map_err(|error| session::unreadable(error, table.name(), &self.config))?,
            };
            if snapshot::parse(rows.single()?.required(0)?)?.sees(xid) {
                break rows;
            }
            tokio::time::sleep(VISIBLE_AFTER).await;
        };
        self.connection = Some(connection);
        let found = rows.single()?;
        if found.get(1)?.is_none() {
            return Ok(Vec::new());
        }
        for (number, position) in missing.iter().enumerate() {
            let column_type = sources.get(*position).and_then(|source| types.get(*source));
            let (Some(cell), Some(column_type)) = (row.get_mut(*position), column_type) else { continue };
            *cell = match found.get(number + 2)? {
                Some(text) => column_type.cell_of(Cow::Owned(text.as_bytes().to_vec())),
                None => Cell::Null,
            };
        }
        Ok(missing)
    }

    async fn take_connection(&mut self) -> Result<Connection, Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => session::open(&self.config).await,
        }
    }
}

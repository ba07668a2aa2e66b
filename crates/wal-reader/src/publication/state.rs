use std::collections::BTreeSet;

use event::TableName;

use crate::Error;
use crate::refusal::Refusal;
use crate::sql::quote_text;
use crate::wire::{Connection, Rows};

/// A publication as it is.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The tables that are published, partitions by themselves unless published via their root.
    pub tables: BTreeSet<TableName>,
    /// Partitions whose changes are published under their root's name.
    via_root: BTreeSet<TableName>,
    /// The kinds of changes that it leaves out.
    left_out: Vec<&'static str>,
}

impl Publication {
    pub(super) fn holds(&self, name: &TableName) -> bool {
        self.tables.contains(name) || self.via_root.contains(name)
    }

    pub(super) fn check_operations(&self, publication: &str) -> Result<(), Error> {
        if self.left_out.is_empty() {
            return Ok(());
        }
        let missing = self.left_out.join(", ");
        Err(Refusal::PublishedOperations { publication: publication.to_owned(), missing }.into())
    }
}

/// The publication as it is; none if there is none.
pub async fn state(connection: &mut Connection, publication: &str) -> Result<Option<Publication>, Error> {
    let name = quote_text(publication);
    let rows = connection
        .query(&format!(
            "SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_catalog.pg_publication \
             WHERE pubname = {name}"
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut left_out = Vec::new();
    for (column, operation) in [
        ("pubinsert", "INSERT"),
        ("pubupdate", "UPDATE"),
        ("pubdelete", "DELETE"),
        ("pubtruncate", "TRUNCATE"),
    ] {
        if row.required(column)? != "t" {
            left_out.push(operation);
        }
    }
    let is_via_root = row.required("pubviaroot")? == "t";
    let table_names = |rows: Rows| {
        rows.iter()
            .map(|row| Ok(TableName::new(row.required(0)?, row.required(1)?)))
            .collect::<Result<BTreeSet<_>, Error>>()
    };
    let tables = connection
        .query(&format!(
            "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = {name}"
        ))
        .await
        .and_then(table_names)?;
    let via_root = if is_via_root {
        // Not by a cast of names to regclass: it may be tried on all relations before they are chosen, and fails for those
        // in pg_toast.
        connection
            .query(&format!(
                "SELECT n.nspname, c.relname FROM pg_catalog.pg_publication_tables p \
                   JOIN pg_catalog.pg_namespace of ON of.nspname = p.schemaname \
                   JOIN pg_catalog.pg_class root ON root.relnamespace = of.oid AND root.relname = p.tablename \
                   CROSS JOIN LATERAL pg_catalog.pg_partition_tree(root.oid) t \
                   JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE p.pubname = {name} AND root.relkind = 'p' AND t.level > 0"
            ))
            .await
            .and_then(table_names)?
    } else {
        BTreeSet::new()
    };
    Ok(Some(Publication { tables, via_root, left_out }))
}

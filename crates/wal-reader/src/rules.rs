//! A table as its `[[table]]` section has it sent.

use std::collections::BTreeSet;

use event::{SentTable, TableName, TableSchema};

use crate::catalog;
use crate::refusal::Refusal;
use crate::sql::quote_table;
use crate::wire::Connection;
use crate::{Error, Options};

/// Applies the rules. `is_in_old_rows`: whether an UPDATE or DELETE logs this column of the row that it found.
pub(crate) fn sent(
    schema: &TableSchema,
    options: &Options,
    is_in_old_rows: impl Fn(usize) -> bool,
) -> Result<SentTable, Refusal> {
    let rules = (options.rules)(&schema.name);
    let refuse = |problem| Refusal::Rules { table: schema.name.clone(), problem };
    let sent = rules.apply(schema).map_err(|error| refuse(error.to_string()))?;
    let named = schema
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| rules.key.iter().flatten().any(|key| *key == column.name));
    for (position, column) in named {
        if !is_in_old_rows(position) {
            return Err(refuse(format!(
                "its key has the column \"{}\", which is not in the replica identity: a DELETE or a change of the key would \
                 come without it. ALTER TABLE {} REPLICA IDENTITY FULL; or choose another key",
                column.name,
                quote_table(&schema.name)
            )));
        }
    }
    Ok(sent)
}

/// Applies the rules of all these tables, as far as they are published.
///
/// # Errors
/// A [`Refusal`] of the first that can't be sent as configured.
pub async fn check<'t>(
    connection: &mut Connection,
    options: &Options,
    tables: impl IntoIterator<Item = &'t TableName>,
) -> Result<(), Error> {
    let ruled: BTreeSet<_> =
        tables.into_iter().filter(|name| (options.rules)(name) != Default::default()).collect();
    for name in ruled {
        if let Some(shape) = catalog::shape(connection, &options.publication, name).await? {
            shape.sent(options)?;
        }
    }
    Ok(())
}

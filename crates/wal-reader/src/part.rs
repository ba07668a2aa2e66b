//! A load of a part of a table: some rows.

use event::TableName;

use crate::Error;
use crate::sql::quote_table;
use crate::wire::Connection;

/// Whether the server understands a condition on the rows of a table. Reads none of them.
///
/// # Errors
/// What the server says.
pub async fn try_filter(connection: &mut Connection, table: &TableName, filter: &str) -> Result<(), Error> {
    let table = quote_table(table);
    connection.query(&format!("SELECT FROM {table} WHERE (\n{filter}\n) LIMIT 0")).await.map(drop)
}

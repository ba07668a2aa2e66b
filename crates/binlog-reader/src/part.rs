//! A load of a part of a table: some rows.

use event::TableName;

use crate::error::Error;
use crate::session::{Session, quote_table};

/// Whether the server understands a condition on the rows of a table. Reads none of them.
///
/// # Errors
/// What the server says.
pub async fn try_filter(session: &mut Session, table: &TableName, filter: &str) -> Result<(), Error> {
    let table = quote_table(table);
    session.execute(&format!("SELECT 1 FROM {table} WHERE (\n{filter}\n) LIMIT 0")).await
}

//! Sessions that read rows see all of them, or fail.

use event::TableName;

use crate::Error;
use crate::refusal::Refusal;
use crate::sql::{quote_name, quote_table};
use crate::wire::{self, Config, Connection, Mode};

/// With `row_security` off, a policy on a table is an error instead of fewer rows.
pub(crate) async fn open(config: &Config) -> Result<Connection, Error> {
    let mut connection = wire::connect(config, Mode::Sql).await?;
    connection.execute("SET row_security = off").await?;
    Ok(connection)
}

/// What keeps a role from seeing all rows becomes an error that says what to grant.
pub(crate) fn unreadable(error: Error, name: &TableName, config: &Config) -> Error {
    if error.sqlstate() != Some("42501") {
        return error;
    }
    let problem = error.server_error().map(|error| error.message.clone()).unwrap_or_default();
    let user = quote_name(config.user());
    let (mend, sql) = if problem.contains("row-level security") {
        let mend = "a policy would hide rows from it; as a superuser";
        (mend, vec![format!("ALTER ROLE {user} BYPASSRLS;")])
    } else {
        // Both: which of the two is missing is said in the server's language only.
        let (schema, table) = (quote_name(&name.schema), quote_table(name));
        let sql = vec![
            format!("GRANT USAGE ON SCHEMA {schema} TO {user};"),
            format!("GRANT SELECT ON {table} TO {user};"),
        ];
        ("as their owner", sql)
    };
    Refusal::Unreadable { table: name.clone(), problem, mend: mend.to_owned(), sql }.into()
}

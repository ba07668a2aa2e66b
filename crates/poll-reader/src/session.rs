mod lock;
mod shape;

use std::time::Duration;

use odbc_api::buffers::TextRowSet;
use odbc_api::{Connection, ConnectionOptions, Cursor, ResultSetMetadata};

pub(crate) use self::shape::Shape;
use crate::dialect::{Dialect, View};
use crate::error::Error;
use crate::options::Relation;

/// A read-only session of the database.
pub(crate) struct Session {
    pub(crate) connection: Connection<'static>,
    pub(crate) dialect: Dialect,
    /// What its isolation promises.
    pub(crate) view: View,
    /// What the database calls itself.
    pub(crate) product: String,
}

const LOGIN_TIMEOUT_S: u32 = 30;
/// Longer than any name or type's name.
const CATALOG_TEXT_BYTES: usize = 512;

impl Session {
    /// Opens one. `dialect`: as configured, or none for what the driver says.
    pub(crate) fn open(
        connection_string: &str,
        dialect: Option<Dialect>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let environment = odbc_api::environment().map_err(|error| match error {
            odbc_api::Error::FailedAllocatingEnvironment => Error::NoDriverManager,
            other => Error::Connect(other.into()),
        })?;
        let connect = |connection_string: &str| {
            let options = ConnectionOptions {
                login_timeout_sec: Some(LOGIN_TIMEOUT_S),
                ..ConnectionOptions::default()
            };
            environment
                .connect_with_connection_string(connection_string, options)
                .map_err(|error| Error::Connect(error.into()))
        };
        // What its driver has to be told depends on the dialect, which the driver tells once it is connected. Its name
        // in the connection string nearly always tells it before.
        let guessed = dialect.unwrap_or_else(|| Dialect::of_product(connection_string));
        let mut connection = connect(&with_defaults(connection_string, guessed))?;
        let product =
            connection.database_management_system_name().map_err(|error| Error::Connect(error.into()))?;
        let dialect = dialect.unwrap_or_else(|| Dialect::of_product(&product));
        if dialect != guessed {
            drop(connection);
            connection = connect(&with_defaults(connection_string, dialect))?;
        }
        let mut session = Self { connection, dialect, view: View::Unknown, product };
        for statement in dialect.session(timeout) {
            session.run(&statement).map_err(|error| session.judged(error))?;
        }
        let answer = match dialect.isolation_query() {
            // Who may not ask gets the level that is always there.
            Some(query) => {
                session.texts(query).ok().and_then(|rows| rows.into_iter().flatten().next()).flatten()
            }
            None => None,
        };
        let (statements, view) = dialect.isolation(answer.as_deref());
        for statement in statements {
            session.run(statement).map_err(|error| session.judged(error))?;
        }
        session.view = view;
        Ok(session)
    }

    /// Begins the transaction that a scan of these reads in.
    pub(crate) fn begin<'r>(&self, relations: impl Iterator<Item = &'r Relation>) -> Result<(), Error> {
        let lock = match self.dialect {
            Dialect::Postgres => self.lock_statement(relations)?,
            _ => None,
        };
        match self.dialect.begin() {
            Some(statement) => self.run(statement)?,
            None => {
                self.connection.set_autocommit(false).map_err(Error::statement("beginning a transaction"))?;
            }
        }
        lock.map_or(Ok(()), |statement| self.run(&statement))
    }

    /// Ends it. What was only read can't fail to be kept.
    pub(crate) fn end(&self) -> Result<(), Error> {
        match self.dialect.end() {
            Some(statement) => self.run(statement),
            None => {
                self.connection.rollback().map_err(Error::statement("ending the transaction"))?;
                self.connection.set_autocommit(true).map_err(Error::statement("ending the transaction"))
            }
        }
    }

    /// The failure of a statement, after which the transaction was ended: the connection's, if nothing else works either.
    pub(crate) fn judged(&self, error: Error) -> Error {
        match error {
            Error::Statement { what, refused } if self.texts("SELECT 1").is_err() => {
                Error::Lost { what, refused }
            }
            other => other,
        }
    }

    fn run(&self, statement: &str) -> Result<(), Error> {
        self.connection.execute(statement, (), None).map(drop).map_err(Error::statement(statement))
    }

    /// The rows of a small query, as texts.
    pub(crate) fn texts(&self, query: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.texts_of(query, CATALOG_TEXT_BYTES)
    }

    fn texts_of(&self, query: &str, width: usize) -> Result<Vec<Vec<Option<String>>>, Error> {
        let failed = || Error::statement("asking for the catalog");
        let mut rows = Vec::new();
        let Some(mut cursor) = self.connection.execute(query, (), None).map_err(failed())? else {
            return Ok(rows);
        };
        let columns = usize::try_from(cursor.num_result_cols().map_err(failed())?).unwrap_or_default();
        let widths = std::iter::repeat_n(width, columns);
        let buffer = TextRowSet::from_max_str_lens(if width > CATALOG_TEXT_BYTES { 1 } else { 64 }, widths)
            .map_err(failed())?;
        let mut cursor = cursor.bind_buffer(buffer).map_err(failed())?;
        while let Some(page) = cursor.fetch_with_truncation_check(true).map_err(failed())? {
            for row in 0..page.num_rows() {
                let text =
                    |column| page.at(column, row).map(|text| String::from_utf8_lossy(text).into_owned());
                rows.push((0..columns).map(text).collect());
            }
        }
        Ok(rows)
    }
}

/// The connection string with what the driver has to be told, where it says nothing else.
fn with_defaults(connection_string: &str, dialect: Dialect) -> String {
    let mut whole = connection_string.trim_end_matches(';').to_owned();
    let lower = whole.to_lowercase();
    for (key, value) in dialect.connection_defaults() {
        let is_there = lower
            .split(';')
            .any(|part| part.split_once('=').is_some_and(|(name, _)| name.trim() == key.to_lowercase()));
        if !is_there {
            whole.push_str(&format!(";{key}={value}"));
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_told_what_it_was_not_told_already() {
        assert_eq!(
            with_defaults("Driver=SQLite3;Database=/tmp/x;StepApi=0;", Dialect::Sqlite),
            "Driver=SQLite3;Database=/tmp/x;StepApi=0;Timeout=10000"
        );
        assert_eq!(with_defaults("DSN=crm", Dialect::Generic), "DSN=crm");
    }
}

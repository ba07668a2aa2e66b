//! A session for SQL, with the settings that everybody here relies on.

use mysql_async::prelude::{FromRow, Queryable as _};
use mysql_async::{Conn, Row};

use crate::config::Config;
use crate::connect::{broken, connect};
use crate::error::{Endpoint, Error};

/// An open session.
#[derive(Debug)]
pub struct Session {
    conn: Conn,
    server: Endpoint,
    user: String,
    is_mariadb: bool,
}

impl Session {
    /// Logs in. Times are in UTC, texts in UTF-8, and no mode changes what is read.
    ///
    /// # Errors
    /// Whatever connecting refuses.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        let mut session = Self {
            conn: connect(config).await?,
            server: config.endpoint(),
            user: config.user().to_owned(),
            is_mariadb: false,
        };
        let version: Option<(String,)> = session.first("SELECT VERSION()").await?;
        session.is_mariadb = version.is_some_and(|(version,)| version.contains("MariaDB"));
        session.execute("SET SESSION time_zone = '+00:00', sql_mode = '', NAMES utf8mb4").await?;
        Ok(session)
    }

    /// Whether the server is MariaDB and not MySQL: their version numbers do not tell.
    pub fn is_mariadb(&self) -> bool {
        self.is_mariadb
    }

    /// How the server is named in messages.
    pub fn endpoint(&self) -> &Endpoint {
        &self.server
    }

    /// Who is logged in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The session's number at the server.
    pub fn id(&self) -> u32 {
        self.conn.id()
    }

    /// Runs a statement that gives no rows.
    ///
    /// # Errors
    /// What the server says, or how the connection broke.
    pub async fn execute(&mut self, sql: &str) -> Result<(), Error> {
        self.conn.query_drop(sql).await.map_err(|error| broken(error, &self.server, doing(sql)))
    }

    /// All rows of a statement, in the text protocol.
    ///
    /// # Errors
    /// What the server says, or how the connection broke.
    pub async fn rows<T: FromRow + Send + 'static>(&mut self, sql: &str) -> Result<Vec<T>, Error> {
        self.conn.query(sql).await.map_err(|error| broken(error, &self.server, doing(sql)))
    }

    /// The first row of a statement, if it gives one.
    ///
    /// # Errors
    /// What the server says, or how the connection broke.
    pub async fn first<T: FromRow + Send + 'static>(&mut self, sql: &str) -> Result<Option<T>, Error> {
        self.conn.query_first(sql).await.map_err(|error| broken(error, &self.server, doing(sql)))
    }

    /// The first row of a statement as it came, if it gives one: for those whose columns differ between versions.
    ///
    /// # Errors
    /// What the server says, or how the connection broke.
    pub async fn first_row(&mut self, sql: &str) -> Result<Option<Row>, Error> {
        self.first(sql).await
    }

    /// The first row of a statement, if it gives one, in the binary protocol: numbers come as such.
    ///
    /// # Errors
    /// What the server says, or how the connection broke.
    pub(crate) async fn first_typed(&mut self, sql: &str) -> Result<Option<Row>, Error> {
        self.conn.exec_first(sql, ()).await.map_err(|error| broken(error, &self.server, doing(sql)))
    }

    /// The driver's own connection, for what needs more than rows at once; [`error`](Self::error) explains what fails.
    pub(crate) fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// An error of [`conn`](Self::conn)'s.
    pub(crate) fn error(&self, error: mysql_async::Error, sql: &str) -> Error {
        broken(error, &self.server, doing(sql))
    }

    /// Says good-bye.
    pub async fn close(self) {
        // Nothing depends on it: the server ends a session whose connection ends.
        drop(self.conn.disconnect().await);
    }
}

/// The statement, as far as a message has room for it.
fn doing(sql: &str) -> std::borrow::Cow<'static, str> {
    const SHOWN: usize = 200;
    match sql.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", sql.get(..end).unwrap_or_default()).into(),
        None => sql.to_owned().into(),
    }
}

/// A name as SQL has it.
pub(crate) fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as SQL has it: in a session without modes a backslash escapes.
pub(crate) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Bytes as SQL has them.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

/// A table's whole name as SQL has it.
pub(crate) fn quote_table(table: &event::TableName) -> String {
    format!("{}.{}", quote_name(&table.schema), quote_name(&table.table))
}

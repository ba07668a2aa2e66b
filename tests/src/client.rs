//! A session with a database of either kind, for what has many of them at once: text in, text out.

use std::fmt;

use mysql_async::prelude::Queryable as _;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::dialect::Dialect;

/// An open session.
pub(crate) enum Client {
    Postgres(tokio_postgres::Client),
    Mysql(Box<mysql_async::Conn>),
}

/// A database refused a statement, or is gone.
#[derive(Debug)]
pub struct Error {
    /// As the server calls it; none: the connection is lost.
    pub code: Option<String>,
    message: String,
}

/// Rows of text, nulls among it.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

impl Client {
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        match Dialect::of(url) {
            Dialect::Postgres => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
                // It ends with an error when a test stops the server: that is the test's to notice.
                tokio::spawn(async move { drop(connection.await) });
                Ok(Self::Postgres(client))
            }
            Dialect::Mysql => {
                let options = mysql_async::Opts::from_url(url).map_err(mysql_async::Error::from)?;
                let options = mysql_async::OptsBuilder::from_opts(options).prefer_socket(false);
                let mut client = Self::Mysql(Box::new(mysql_async::Conn::new(options).await?));
                client.run(Dialect::MYSQL_SESSION).await?;
                Ok(client)
            }
        }
    }

    /// The same for one of many: sessions get into each other's way all the time, and notice soon.
    pub(crate) async fn connect_to_write(url: &str) -> Result<Self, Error> {
        let mut client = Self::connect(url).await?;
        if let Self::Postgres(_) = client {
            client.run("SET deadlock_timeout = '50ms'; SET lock_timeout = '20s'").await?;
        }
        Ok(client)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Mysql(_) => Dialect::Mysql,
        }
    }

    /// Runs statements; how many rows each of them touched.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<Vec<u64>, Error> {
        match self {
            Self::Postgres(client) => {
                let count = |message| match message {
                    SimpleQueryMessage::CommandComplete(rows) => Some(rows),
                    _ => None,
                };
                Ok(client.simple_query(sql).await?.into_iter().filter_map(count).collect())
            }
            Self::Mysql(client) => {
                let mut result = client.query_iter(sql).await?;
                let mut counts = Vec::new();
                while result.columns().is_some() {
                    counts.push(result.affected_rows());
                    while result.next().await?.is_some() {}
                }
                // Of the first statement an error is told above, of a later one here.
                result.next().await?;
                Ok(counts)
            }
        }
    }

    /// All rows of a query.
    pub(crate) async fn rows(&mut self, sql: &str) -> Result<Rows, Error> {
        match self {
            Self::Postgres(client) => {
                let row = |message| match message {
                    SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect())
                    }
                    _ => None,
                };
                Ok(client.simple_query(sql).await?.into_iter().filter_map(row).collect())
            }
            Self::Mysql(client) => {
                let mut result = client.query_iter(sql).await?;
                let mut rows = Vec::new();
                while result.columns().is_some() {
                    while let Some(row) = result.next().await? {
                        rows.push(row.unwrap().into_iter().map(text).collect());
                    }
                }
                result.next().await?;
                Ok(rows)
            }
        }
    }
}

/// What the text protocol gives.
fn text(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("text")),
        other => panic!("{other:?} is no text"),
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let message = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
        let code = error.code().filter(|_| !error.is_closed()).map(|code| code.code().to_owned());
        Self { code, message }
    }
}

impl From<mysql_async::Error> for Error {
    fn from(error: mysql_async::Error) -> Self {
        let code = match &error {
            // It ends the session and says so.
            mysql_async::Error::Server(server) if server.code == SESSION_ENDED => None,
            mysql_async::Error::Server(server) => Some(server.code.to_string()),
            _ => None,
        };
        Self { code, message: error.to_string() }
    }
}

/// `ER_SERVER_SHUTDOWN`.
const SESSION_ENDED: u16 = 1053;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

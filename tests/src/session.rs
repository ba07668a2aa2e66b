//! A session with a database, for tests that block.

use std::sync::Mutex;

use tokio::runtime::{Builder, Runtime};

use crate::client::{Client, Error};
use crate::dialect::Dialect;
use crate::servers::{Mysql, Postgres};

/// A session with a server for tests that block, as people have one with the server's own client: text in, text out.
pub struct Session {
    client: Mutex<Client>,
    runtime: Runtime,
    dialect: Dialect,
}

impl Session {
    /// Opens one.
    pub fn open(postgres: &Postgres, database: &str) -> Self {
        Self::at(&postgres.url(database))
    }

    /// Opens one with MySQL or MariaDB.
    pub fn open_mysql(mysql: &Mysql, database: &str) -> Self {
        Self::at(&mysql.url(database))
    }

    /// Opens one with whatever is there.
    pub fn at(url: &str) -> Self {
        // One worker drives the connection while the test is elsewhere.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(Client::connect(url)).expect("connect to the database");
        Self { client: Mutex::new(client), runtime, dialect: Dialect::of(url) }
    }

    /// Whose words it understands.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql:.2000}: {error}"));
    }

    /// Runs statements, which may fail.
    pub fn try_execute(&self, sql: &str) -> Result<(), Error> {
        self.runtime.block_on(self.client.lock().expect("the session").run(sql)).map(drop)
    }

    /// All rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let rows = self.runtime.block_on(self.client.lock().expect("the session").rows(sql));
        rows.unwrap_or_else(|error| panic!("{sql:.2000}: {error}"))
    }

    /// The first column of the first row; none for a null or without a row.
    pub fn value(&self, sql: &str) -> Option<String> {
        self.rows(sql).into_iter().next()?.into_iter().next()?
    }
}

//! A session with a database, for tests that block.

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::servers::Postgres;

/// A session with a server for tests that block, as people have one with `psql`: text in, text out.
pub struct Session {
    client: Client,
    runtime: Runtime,
}

impl Session {
    /// Opens one.
    pub fn open(postgres: &Postgres, database: &str) -> Self {
        // One worker drives the connection while the test is elsewhere.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&postgres.url(database), NoTls).await.expect("connect to Postgres");
            // It ends with an error when a test stops the server: that is the test's to notice.
            tokio::spawn(async move { drop(connection.await) });
            client
        });
        Self { client, runtime }
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Runs statements, which may fail.
    pub fn try_execute(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    /// All rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let messages = self.runtime.block_on(self.client.simple_query(sql));
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect())
            }
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    }

    /// The first column of the first row; none for a null or without a row.
    pub fn value(&self, sql: &str) -> Option<String> {
        self.rows(sql).into_iter().next()?.into_iter().next()?
    }
}

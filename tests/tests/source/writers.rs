//! Sessions that write to the tables of a randomised test at any time, and outlive crashes of the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use crate::seed::Random;

/// Keys of a table are made of so many numbers.
pub(crate) const KEYS: u64 = 60;

/// What a key is: fences of ranges are for such types alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Int,
    Big,
    Uuid,
    Date,
}

impl Key {
    pub(crate) fn any(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Self::Int,
            1 => Self::Big,
            2 => Self::Uuid,
            _ => Self::Date,
        }
    }

    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Big => "bigint",
            Self::Uuid => "uuid",
            Self::Date => "date",
        }
    }

    /// The SQL of the key that a number stands for.
    pub(crate) fn of(self, number: &str) -> String {
        match self {
            Self::Int | Self::Big => format!("({number})"),
            Self::Uuid => format!("md5(({number})::text)::uuid"),
            Self::Date if number == "1" => "date '-infinity'".to_owned(),
            Self::Date => format!("(date '1969-12-20' + ({number})::int)"),
        }
    }

    /// As the replica shows it.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Int | Self::Big => "id::text",
            Self::Uuid => "replace(id::text, '-', '')",
            Self::Date => "CASE WHEN isfinite(id) THEN (id - date '1970-01-01')::text ELSE id::text END",
        }
    }
}

/// A session that writes, until it is told to stop.
pub(crate) struct Writer {
    pub(crate) url: String,
    pub(crate) table: &'static str,
    pub(crate) key: Key,
    pub(crate) random: Random,
    /// Its prepared transactions are called after it.
    pub(crate) name: String,
    pub(crate) truncates: bool,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Writer {
    pub(crate) fn start(self) -> JoinHandle<()> {
        tokio::spawn(self.write())
    }

    /// Transactions of up to six statements. What the server refuses (duplicate keys, deadlocks) is rolled back.
    async fn write(mut self) {
        let mut sql = self.connect().await;
        let mut count = 0;
        while !self.stop.load(Ordering::Relaxed) {
            count += 1;
            let gid = format!("{}_{count}", self.name);
            let done = match self.random.below(200) {
                0..2 if self.truncates => sql.batch_execute(&format!("TRUNCATE {}", self.table)).await,
                // Another file with the same rows: no snapshot of before sees any of them.
                2 => self.rewrite(&sql).await,
                _ => self.transaction(&sql, &gid).await,
            };
            if done.is_err() {
                _ = sql.batch_execute("ROLLBACK").await;
            }
            if sql.is_closed() {
                sql = self.connect().await;
            }
        }
        self.end_prepared(&sql).await.expect("the server is there");
    }

    /// A new session, once the server is there; what the last one left prepared is ended first.
    async fn connect(&mut self) -> Client {
        loop {
            if let Ok((sql, connection)) = tokio_postgres::connect(&self.url, NoTls).await {
                tokio::spawn(async move { drop(connection.await) });
                if self.end_prepared(&sql).await.is_ok() {
                    return sql;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end_prepared(&mut self, sql: &Client) -> Result<(), Error> {
        let left = format!("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE '{}\\_%'", self.name);
        for message in sql.simple_query(&left).await? {
            if let SimpleQueryMessage::Row(row) = message {
                let end = if self.random.percent(50) { "COMMIT" } else { "ROLLBACK" };
                sql.batch_execute(&format!("{end} PREPARED '{}'", row.get(0).expect("a name"))).await?;
            }
        }
        Ok(())
    }

    async fn rewrite(&self, sql: &Client) -> Result<(), Error> {
        sql.batch_execute("SET lock_timeout = '100ms'").await?;
        let done = sql.batch_execute(&format!("VACUUM FULL {}", self.table)).await;
        sql.batch_execute("SET lock_timeout = 0").await?;
        done
    }

    async fn transaction(&mut self, sql: &Client, gid: &str) -> Result<(), Error> {
        sql.batch_execute("BEGIN; SET LOCAL lock_timeout = '1s'").await?;
        for _ in 0..=self.random.below(5) {
            let statement = self.statement();
            sql.batch_execute(&statement).await?;
            if self.random.percent(20) {
                self.pause().await;
            }
        }
        match self.random.below(100) {
            0..10 => sql.batch_execute("ROLLBACK").await,
            10..25 => {
                sql.batch_execute(&format!("PREPARE TRANSACTION '{gid}'")).await?;
                self.pause().await;
                let end = if self.random.percent(70) { "COMMIT" } else { "ROLLBACK" };
                sql.batch_execute(&format!("{end} PREPARED '{gid}'")).await
            }
            25..45 => sql.batch_execute("SET LOCAL synchronous_commit = off; COMMIT").await,
            _ => sql.batch_execute("COMMIT").await,
        }
    }

    fn statement(&mut self) -> String {
        let (name, random) = (self.table, &mut self.random);
        let number = (random.below(KEYS) + 1).to_string();
        let other = (random.below(KEYS) + 1).to_string();
        let (id, new) = (self.key.of(&number), self.key.of(&other));
        let update = format!("UPDATE {name} SET version = nextval('version')");
        match random.below(100) {
            0..30 => format!(
                "INSERT INTO {name} VALUES ({id}, nextval('version'), repeat(md5('{other}'), 100)) \
                 ON CONFLICT (id) DO UPDATE SET version = nextval('version')"
            ),
            30..55 => format!("{update} WHERE id = {id}"),
            55..60 => format!("{update}, big = repeat(md5('{other}'), 100) WHERE id = {id}"),
            60..75 => format!("DELETE FROM {name} WHERE id = {id}"),
            75..90 => format!(
                "{update}, id = {new} WHERE id = {id} AND NOT EXISTS (SELECT FROM {name} WHERE id = {new})"
            ),
            _ => {
                let end = if random.percent(50) { "ROLLBACK TO s" } else { "RELEASE s" };
                format!("SAVEPOINT s; {update} WHERE id = {id}; {end}")
            }
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.random.below(10))).await;
    }
}

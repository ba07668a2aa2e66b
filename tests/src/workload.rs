//! An application that writes all it can think of, from several sessions at once: inserts, updates, deletes, key
//! changes, truncates, savepoints that are taken back, messages, and now and then another shape of a table.
//!
//! What it does follows from a seed, as far as sessions beside each other allow. It outlives the server's restarts.

mod tables;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::transaction::Transaction;
use crate::client::{Client, Error};
use crate::dialect::Dialect;
use crate::random::Random;
use crate::session::Session;

/// How much is written, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Rows to change; it ends by itself then.
    pub rows: u64,
    /// Between two transactions of a session.
    pub pause: Duration,
}

/// A running application.
#[derive(Debug)]
pub struct Workload {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    amount: Amount,
    changed: AtomicU64,
    is_over: AtomicBool,
}

const SESSIONS: usize = 3;

/// Creates the twenty tables, with this many rows each, in steps of twenty.
pub fn create_tables(session: &Session, rows_each: u64, seed: u64) {
    let (mut random, dialect) = (Random::new(seed), session.dialect());
    if dialect == Dialect::Mysql {
        session.execute(Dialect::MYSQL_NUMBERS);
    }
    for table in tables::of(dialect) {
        session.execute(&table.ddl.replace("{}", table.name));
        for from in (0..rows_each).step_by(20) {
            session.execute(&transaction::fill(dialect, table, from, &mut random));
        }
    }
}

impl Workload {
    /// Starts writing to the twenty tables.
    pub fn start(url: String, amount: Amount, seed: u64) -> Self {
        let shared = Shared { url, amount, changed: AtomicU64::new(0), is_over: AtomicBool::new(false) };
        let shared = Arc::new(shared);
        let writing = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime for the workload").block_on(write(writing, Random::new(seed)));
        });
        Self { shared, thread: Some(thread) }
    }

    /// Rows changed so far.
    pub fn changed(&self) -> u64 {
        self.shared.changed.load(Ordering::Relaxed)
    }

    /// Whether all that was asked for is written.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end; how many rows were changed.
    pub fn finish(mut self) -> u64 {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the workload");
        }
        self.changed()
    }

    /// Ends it now; how many rows were changed.
    pub fn stop(self) -> u64 {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.finish()
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

async fn write(shared: Arc<Shared>, mut random: Random) {
    let mut sessions = tokio::task::JoinSet::new();
    for number in 0..SESSIONS {
        sessions.spawn(write_session(Arc::clone(&shared), random.fork(), number == 0));
    }
    while let Some(ended) = sessions.join_next().await {
        ended.expect("a session of the workload");
    }
}

async fn write_session(shared: Arc<Shared>, mut random: Random, alters: bool) {
    let dialect = Dialect::of(&shared.url);
    let mut client = connect(&shared).await;
    let mut shapes = 0;
    while !shared.is_over() {
        if alters && random.once_in(150) {
            shapes += 1;
            // It may fail like any other transaction: then some of the later ones do as well, until its turn comes again.
            if client.run(&alter(dialect, shapes)).await.is_err() {
                drop(client.run("ROLLBACK").await);
            }
        }
        let transaction = Transaction::new(dialect, &mut random);
        match client.run(&transaction.sql()).await {
            Ok(counts) => {
                shared.changed.fetch_add(transaction.changed(&counts), Ordering::Relaxed);
            }
            // A deadlock, a key that somebody else took: it is all taken back.
            Err(error) if error.code.is_some() => {
                assert!(is_expected(&error), "{error}: {}", transaction.sql());
                drop(client.run("ROLLBACK").await);
            }
            Err(_) => client = connect(&shared).await,
        }
        tokio::time::sleep(shared.amount.pause).await;
    }
}

/// Deadlocks, lock timeouts, unique keys, savepoints and columns that DDL took away, and a server that leaves or is not yet
/// there.
fn is_expected(error: &Error) -> bool {
    const POSTGRES: &[&str] = &["40P01", "40001", "55P03", "23505", "57P01", "57P02", "57P03"];
    // 1020: a row changed under a snapshot. 1785: a table without transactions among others, with GTIDs.
    const MYSQL: &[&str] = &["1213", "1205", "1062", "1305", "1412", "1054", "1317", "1020", "1785", "3854"];
    error.code.as_deref().is_some_and(|code| POSTGRES.contains(&code) || MYSQL.contains(&code))
}

async fn connect(shared: &Shared) -> Client {
    loop {
        if let Ok(client) = Client::connect_to_write(&shared.url).await {
            return client;
        }
        assert!(!shared.is_over(), "the server did not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Changes the shape of a table in the middle of a transaction that writes to it before and after. A name that comes
/// again would be another column, which no consumer could tell.
fn alter(dialect: Dialect, number: u64) -> String {
    let extra = format!("extra_{}", number / 4);
    let before = format!("UPDATE shifting SET note = 'before {number}' WHERE id % 50 = {}", number % 50);
    let (wide, narrow, place) = match dialect {
        Dialect::Postgres => ("ALTER COLUMN amount TYPE bigint", "ALTER COLUMN amount TYPE int", ""),
        Dialect::Mysql => ("MODIFY amount bigint", "MODIFY amount int AFTER note", " FIRST"),
    };
    let (change, set) = match number % 4 {
        0 => (format!("ADD COLUMN {extra} text{place}"), format!(", {extra} = 'neu'")),
        1 => (wide.to_owned(), format!(", {extra} = 'neuer'")),
        2 => (format!("DROP COLUMN {extra}"), String::new()),
        _ => (narrow.to_owned(), String::new()),
    };
    let after = format!("UPDATE shifting SET note = 'after {number}'{set} WHERE id % 60 = {}", number % 60);
    format!("BEGIN; {before}; ALTER TABLE shifting {change}; {after}; COMMIT")
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || self.changed.load(Ordering::Relaxed) >= self.amount.rows
    }
}

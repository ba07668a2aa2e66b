//! An application that makes up its tables, and then does to them whatever an application may: from several sessions at
//! once, with savepoints, rollbacks, transactions that another session ends, COPY, and DDL in between and within.
//!
//! It keeps no books on its tables: each session asks the catalog, and whatever another session changed meanwhile fails
//! and is rolled back. So it goes on after any crash of the server.

mod alteration;
mod catalog;
mod column;
mod statement;
mod table;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::task::JoinSet;

use self::catalog::Catalog;
use crate::client::{Client, Error};
use crate::dialect::Dialect;
use crate::random::Random;
use crate::session::Session;

/// A running application.
#[derive(Debug)]
pub struct Application {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    pause: Duration,
    is_over: AtomicBool,
    /// Whether all that write have ended.
    is_written: AtomicBool,
    /// Grows with each change of a table's shape.
    generation: AtomicU64,
    committed: AtomicU64,
    altered: AtomicU64,
    /// Names and keys that were never used.
    fresh: AtomicU64,
}

/// How much it did.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Transactions.
    pub committed: u64,
    /// Changes of a table's shape.
    pub altered: u64,
}

const SESSIONS: usize = 4;

/// Creates the types, and five to fifteen tables with a few rows.
pub fn create_tables(session: &Session, random: &mut Random) {
    let dialect = session.dialect();
    session.execute(match dialect {
        Dialect::Postgres => column::TYPES,
        Dialect::Mysql => Dialect::MYSQL_NUMBERS,
    });
    for number in 0..random.within(5..16) {
        session.execute(&table::create(dialect, number, random));
    }
    if dialect == Dialect::Postgres {
        // Whatever else there is: whole old rows, by a key.
        session.execute(
            "BEGIN; CREATE TABLE t100 (k1 int PRIMARY KEY, v0 text, v1 bigint); \
             ALTER TABLE t100 REPLICA IDENTITY FULL; COMMIT",
        );
    }
    let tables = catalog::of_rows(dialect, session.rows(catalog::sql(dialect)));
    for table in &tables {
        for _ in 0..random.within(0..6) {
            session.execute(&statement::insert_some(table, random));
        }
    }
}

impl Application {
    /// Starts to write; `pause` is what a session waits between two transactions, on average.
    pub fn start(url: String, pause: Duration, random: &mut Random) -> Self {
        let shared = Arc::new(Shared {
            url,
            pause,
            is_over: AtomicBool::new(false),
            is_written: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            altered: AtomicU64::new(0),
            fresh: AtomicU64::new(1000),
        });
        let (writing, random) = (Arc::clone(&shared), random.fork());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime for the application").block_on(write(writing, random));
        });
        Self { shared, thread: Some(thread) }
    }

    /// Whether it is over, or fails for a reason of its own.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it, and what it prepared. The server must be there.
    pub fn stop(&mut self) -> Done {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the application");
        }
        self.done()
    }

    /// What it did so far.
    pub fn done(&self) -> Done {
        Done {
            committed: self.shared.committed.load(Ordering::Relaxed),
            altered: self.shared.altered.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

async fn write(shared: Arc<Shared>, mut random: Random) {
    let mut sessions = JoinSet::new();
    for number in 0..SESSIONS {
        sessions.spawn(write_session(Arc::clone(&shared), random.fork(), number));
    }
    sessions.spawn(alter_session(Arc::clone(&shared), random.fork()));
    let ending = tokio::spawn(end_prepared(Arc::clone(&shared), random.fork()));
    while let Some(ended) = sessions.join_next().await {
        ended.expect("a session of the application");
    }
    shared.is_written.store(true, Ordering::Relaxed);
    ending.await.expect("the session that ends prepared transactions");
}

async fn write_session(shared: Arc<Shared>, mut random: Random, number: usize) {
    let mut session = Connected::new(&shared).await;
    let mut count = 0;
    while !shared.is_over() {
        count += 1;
        let name = format!("{number} {count}");
        match transaction::run(&mut session, &mut random, &name).await {
            Ok(()) => _ = shared.committed.fetch_add(1, Ordering::Relaxed),
            Err(error) => session.recover(&error).await,
        }
        shared.wait(&mut random, 1).await;
    }
}

async fn alter_session(shared: Arc<Shared>, mut random: Random) {
    let mut session = Connected::new(&shared).await;
    let pauses = *random.pick(&[4, 40]);
    while !shared.is_over() {
        shared.wait(&mut random, pauses).await;
        match alteration::run(&mut session, &mut random).await {
            Ok(()) => _ = shared.altered.fetch_add(1, Ordering::Relaxed),
            Err(error) => session.recover(&error).await,
        }
        shared.generation.fetch_add(1, Ordering::Relaxed);
    }
}

/// Transactions are ended by another session than prepared them, at the end all of them.
async fn end_prepared(shared: Arc<Shared>, mut random: Random) {
    let mut session = Connected::new(&shared).await;
    loop {
        // What is over may still be prepared by a session's last transaction.
        let is_last = shared.is_written.load(Ordering::Relaxed);
        match catalog::prepared(&mut session.client).await {
            Ok(prepared) if prepared.is_empty() && is_last => return,
            Ok(prepared) if !prepared.is_empty() => {
                let end = if random.within(0..10) < 7 { "COMMIT" } else { "ROLLBACK" };
                let name = random.pick(&prepared);
                let sql = match session.client.dialect() {
                    Dialect::Postgres => format!("{end} PREPARED '{name}'"),
                    Dialect::Mysql => format!("XA {end} '{name}'"),
                };
                if let Err(error) = session.client.run(&sql).await {
                    session.recover(&error).await;
                }
            }
            Ok(_) => {}
            Err(error) => session.recover(&error).await,
        }
        if !is_last {
            shared.wait(&mut random, 4).await;
        }
    }
}

/// A session with what it knows of the tables.
struct Connected {
    shared: Arc<Shared>,
    client: Client,
    catalog: Catalog,
    /// Whether transactions may be prepared. What MariaDB logs of those when it is killed makes its own replicas differ, and
    /// one of them tells what the source did.
    may_prepare: bool,
}

impl Connected {
    async fn new(shared: &Arc<Shared>) -> Self {
        let mut session = Self {
            shared: Arc::clone(shared),
            client: connect(shared).await,
            catalog: Catalog::default(),
            may_prepare: false,
        };
        loop {
            match session.client.rows("SELECT version()").await {
                Ok(version) => {
                    session.may_prepare = !format!("{version:?}").contains("MariaDB");
                    return session;
                }
                Err(_) => session.reconnect().await,
            }
        }
    }

    /// Rolls back what failed, or connects anew.
    async fn recover(&mut self, error: &Error) {
        if error.code.is_none() {
            return self.reconnect().await;
        }
        assert!(is_expected(error), "{error}");
        if self.client.run("ROLLBACK").await.is_err() {
            // It has just ended, or is within a transaction of two phases.
            self.reconnect().await;
        }
    }

    async fn reconnect(&mut self) {
        self.client = connect(&self.shared).await;
        self.catalog = Catalog::default();
    }
}

/// What sessions do to each other, and a server that leaves or is not yet there.
fn is_expected(error: &Error) -> bool {
    const POSTGRES: &[&str] = &[
        "40P01", "40001", "55P03", // deadlocks, locks
        "23505", "23502", "23514", // keys and constraints
        "42703", "42P01", "42P10", "42804", "42710", "42P07", // a shape that is another by now
        "42704", // a transaction that a crash took along
        "55006", "55000",
        "0A000", // in use; a prepared transaction that another session ends; a plan of another shape
        "57P01", "57P02", "57P03", // the server leaves
        "57014", // the server gave up
    ];
    const MYSQL: &[&str] = &[
        "1213", "1205", "1020", // deadlocks, locks, a row that changed under a snapshot
        "1062", "1048", // keys and constraints
        "1054", "1146", "1051", "1050", "1060", "1091", "1412", // a shape that is another by now
        "1118", // a row that could become too long
        "3854", // what a latin1 column cannot be compared with
        "1305", // a savepoint that a TRUNCATE took along
        "1397", "1399", "1400", "1402", "1440", "1613", "1614", // transactions of two phases
        "1317", // the server gave up
        "1812", // a table that it does not find after a crash
    ];
    error.code.as_deref().is_some_and(|code| POSTGRES.contains(&code) || MYSQL.contains(&code))
}

async fn connect(shared: &Shared) -> Client {
    loop {
        if let Ok(mut client) = Client::connect_to_write(&shared.url).await {
            let settings = match client.dialect() {
                Dialect::Postgres => "SET lock_timeout = '5s'",
                Dialect::Mysql => "SET lock_wait_timeout = 2, innodb_lock_wait_timeout = 3",
            };
            if client.run(settings).await.is_ok() {
                return client;
            }
        }
        assert!(!shared.is_over(), "the server is not there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn fresh(&self) -> u64 {
        self.fresh.fetch_add(1, Ordering::Relaxed)
    }

    /// So many pauses, on average.
    async fn wait(&self, random: &mut Random, pauses: u64) {
        let average = self.pause.as_millis() as u64 * pauses;
        tokio::time::sleep(Duration::from_millis(random.within(0..2 * average + 1))).await;
    }
}

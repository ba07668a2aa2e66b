//! The program's memory stays small, however large a transaction or a table is.
//!
//! `CDC_MEMORY_ROWS` says how many rows each has; `make memory` takes ten million, and the program as it is released.

use std::env;
use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::connector::Connector;
use end_to_end::database::Database;
use end_to_end::dialect::Dialect;
use end_to_end::servers::{Kafka, Postgres, Release, unique};
use end_to_end::session::Session;

use crate::setup::{catching_up, source};

/// Of all but a row that is larger than that by itself.
const LIMIT_BYTES: u64 = 64 << 20;
/// A row may be in memory this many times: as it was received, as it is sent, and in the hands of the sink.
const COPIES: u64 = 3;
/// Below what Kafka takes by default.
const LARGEST_ROW_BYTES: u64 = 700_000;

#[test]
fn stays_small_into_nothing() {
    measure(&postgres(), "null", "[sink.null]");
}

#[test]
fn stays_small_into_kafka() {
    let kafka = Kafka::start();
    measure(&postgres(), "Kafka", &format!("[sink.kafka]\nbrokers = [\"{}\"]", kafka.brokers()));
}

#[test]
fn stays_small_on_mysql() {
    measure(&Database::mysql(Release::Mysql), "null", "[sink.null]");
}

#[test]
fn stays_small_on_mariadb() {
    measure(&Database::mysql(Release::Mariadb("11.8")), "null", "[sink.null]");
}

#[test]
fn stays_small_where_transactions_are_compressed() {
    let database = Database::mysql_with(
        Release::Mysql,
        &[("binlog_transaction_compression", "ON"), ("max_allowed_packet", "1G")],
    );
    measure(&database, "null", "[sink.null]");
}

#[test]
fn stays_small_where_events_are_compressed() {
    // Else what is as short as these rows is not compressed.
    let database = Database::mysql_with(
        Release::Mariadb("11.8"),
        &[("log_bin_compress", "ON"), ("log_bin_compress_min_len", "10")],
    );
    measure(&database, "null", "[sink.null]");
}

fn postgres() -> Database {
    Database::Postgres(Postgres::with_settings(18, &[("max_wal_size", "4GB")]))
}

fn measure(database: &Database, sink: &str, config: &str) {
    let rows: u64 = env::var("CDC_MEMORY_ROWS")
        .map_or(100_000, |rows| rows.parse().expect("CDC_MEMORY_ROWS is a number"));
    let session = database.session();
    let (create, fill) = statements(database.dialect(), rows);
    session.execute(&create);
    let config = format!("{}{config}", source(&session, &database.url()));
    let mut cdc = Connector::new(&unique("memory"), &config);
    cdc.start();
    cdc.wait_for_log("streaming");
    session.execute(&fill);
    let streamed = wait_until_sent(&mut cdc, &session, rows);
    println!("{sink}: {rows} rows in a transaction: {} MB at most", streamed >> 20);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());

    let mut cdc = Connector::new(&unique("memory-load"), &config);
    cdc.start();
    wait(&mut cdc, rows, |cdc| cdc.log_text().contains("streaming"));
    let loaded = cdc.peak_memory_bytes();
    println!("{sink}: {rows} rows in a table: {} MB at most", loaded >> 20);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());

    let limit = LIMIT_BYTES + COPIES * LARGEST_ROW_BYTES;
    assert!(streamed < limit, "{sink}: {streamed} bytes for a transaction");
    assert!(loaded < limit, "{sink}: {loaded} bytes for a load");
}

/// What makes the table, and what fills it in one transaction.
fn statements(dialect: Dialect, rows: u64) -> (String, String) {
    let columns = |made, text| {
        format!("(id bigint PRIMARY KEY, made {made}, price numeric(20, 2), note text, body {text})")
    };
    match dialect {
        Dialect::Postgres => (
            format!(
                "CREATE TABLE items {}; ALTER TABLE items ALTER body SET STORAGE EXTERNAL",
                columns("timestamptz", "text")
            ),
            format!(
                "INSERT INTO items SELECT g, now(), g / 100.0, 'row ' || g || repeat(' and more', 8), \
                   CASE WHEN g = {rows} / 2 THEN repeat('x', {LARGEST_ROW_BYTES}) END \
                   FROM generate_series(1, {rows}) g; \
                 ANALYZE items"
            ),
        ),
        Dialect::Mysql => (
            format!(
                "CREATE TABLE items {}; CREATE DATABASE helper; CREATE TABLE helper.numbers (n int PRIMARY KEY); \
                 INSERT INTO helper.numbers WITH RECURSIVE counted (n) AS \
                   (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < 999) SELECT n FROM counted",
                columns("timestamp(6)", "mediumtext")
            ),
            format!(
                "INSERT INTO items SELECT g, now(6), g / 100.0, CONCAT('row ', g, repeat(' and more', 8)), \
                   IF(g = {rows} DIV 2, repeat('x', {LARGEST_ROW_BYTES}), NULL) \
                 FROM (SELECT 1 + a.n + 1000 * b.n + 1000000 * c.n AS g \
                       FROM helper.numbers a, helper.numbers b, helper.numbers c WHERE c.n < 100) series \
                 WHERE g <= {rows}; \
                 ANALYZE TABLE items"
            ),
        ),
    }
}

/// Until all of it is saved; the most memory that took.
fn wait_until_sent(cdc: &mut Connector, session: &Session, rows: u64) -> u64 {
    let is_sent = catching_up(cdc, session);
    wait(cdc, rows, |_| is_sent());
    cdc.peak_memory_bytes()
}

/// However slow the machine, so many rows take no longer than this.
fn wait(cdc: &mut Connector, rows: u64, is_over: impl Fn(&Connector) -> bool) {
    let patience = Connector::PATIENCE + Duration::from_secs(rows / 2000);
    let deadline = Instant::now() + patience;
    while !is_over(cdc) {
        assert!(cdc.is_running(), "it ended:\n{}", cdc.log_text());
        assert!(Instant::now() < deadline, "not over after {patience:?}:\n{}", cdc.log_text());
        sleep(Duration::from_millis(50));
    }
}

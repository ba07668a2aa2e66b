//! The program's memory stays small, however large a transaction or a table is.
//!
//! `CDC_MEMORY_ROWS` says how many rows each has; `make memory` takes ten million, and the program as it is released.

use std::env;
use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::connector::Connector;
use end_to_end::servers::{Kafka, Postgres, unique};
use end_to_end::session::Session;

use crate::setup::source;

/// Of all but a row that is larger than that by itself.
const LIMIT_BYTES: u64 = 64 << 20;
/// A row may be in memory this many times: as it was received, as it is sent, and in the hands of the sink.
const COPIES: u64 = 3;
/// Below what Kafka takes by default.
const LARGEST_ROW_BYTES: u64 = 700_000;

#[test]
fn stays_small_into_nothing() {
    measure("null", "[sink.null]");
}

#[test]
fn stays_small_into_kafka() {
    let kafka = Kafka::start();
    measure("Kafka", &format!("[sink.kafka]\nbrokers = [\"{}\"]", kafka.brokers()));
}

fn measure(sink: &str, config: &str) {
    let rows: u64 = env::var("CDC_MEMORY_ROWS")
        .map_or(100_000, |rows| rows.parse().expect("CDC_MEMORY_ROWS is a number"));
    let postgres = Postgres::with_settings(18, &[("max_wal_size", "4GB")]);
    let session = Session::open(&postgres, "postgres");
    session.execute(
        "CREATE TABLE items (id bigint PRIMARY KEY, made timestamptz, price numeric, note text, body text); \
         ALTER TABLE items ALTER body SET STORAGE EXTERNAL",
    );
    let config = format!("{}{config}", source(&session, &postgres.url("postgres")));
    let mut cdc = Connector::new(&unique("memory"), &config);
    cdc.start();
    cdc.wait_for_log("streaming");
    session.execute(&format!(
        "INSERT INTO items SELECT g, now(), g / 100.0, 'row ' || g || repeat(' and more', 8), \
           CASE WHEN g = {rows} / 2 THEN repeat('x', {LARGEST_ROW_BYTES}) END FROM generate_series(1, {rows}) g; \
         ANALYZE items"
    ));
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

/// Until all of it is let go of; the most memory that took.
fn wait_until_sent(cdc: &mut Connector, session: &Session, rows: u64) -> u64 {
    session.execute("SELECT pg_logical_emit_message(true, 'test', 'the end')");
    let end = session.value("SELECT pg_current_wal_insert_lsn()").expect("a position");
    let slot = cdc.slot();
    let sql =
        format!("SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{slot}'");
    wait(cdc, rows, |_| session.value(&sql).as_deref() == Some("t"));
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

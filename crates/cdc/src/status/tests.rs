use std::collections::BTreeMap;

use event::{
    BatchLimits, BatchPool, Body, Cell, Column, Encoder, Event, EventPosition, Lsn, Table, TableSchema,
    Transaction,
};

use wal_reader::watch::{Idle, Sight as PostgresSight};

use super::inner::ERRORS_KEPT;
use super::report::Flow;
use super::*;

#[derive(Debug, thiserror::Error)]
#[error("sending to 127.0.0.1:9092")]
pub(crate) struct Broken(#[source] std::io::Error);

impl Failure for Broken {
    fn is_retryable(&self) -> bool {
        true
    }

    fn code(&self) -> &'static str {
        "CDC-TEST-001"
    }
}

pub(crate) fn broken() -> Broken {
    Broken(std::io::Error::other("refused"))
}

fn name() -> PipelineName {
    "shop".to_owned().try_into().unwrap()
}

pub(crate) fn batch(table: &str, events: u64) -> Batch {
    let columns =
        vec![Column { name: "id".into(), type_name: "int4".into(), type_oid: 23, type_modifier: -1 }];
    let table = Table::new(TableSchema { name: TableName::new("public", table), columns, key: vec![0] });
    let mut batch = BatchPool::new(Encoder::json("shop", 1), BatchLimits::default()).batch();
    for number in 1..=events {
        batch.push(&Event {
            position: EventPosition::Postgres { commit: Lsn::from(0x20), own: Lsn::from(0x10) },
            transaction: Some(Transaction { id: "742", seq: number, commit_time_us: 0, origin: None }),
            captured_time_us: 0,
            body: Body::Insert {
                table: &table,
                table_seq: number,
                after: &[Cell::Int(7)],
                key_change: false,
                fetched: &[],
            },
        });
    }
    batch
}

fn slot() -> wal_reader::slot::Slot {
    wal_reader::slot::Slot {
        name: "cdc_shop".to_owned(),
        plugin: Some("pgoutput".to_owned()),
        database: Some("shop".to_owned()),
        active_pid: Some(7),
        confirmed: Some(Lsn::from(0x10)),
        wal_status: Some("reserved".to_owned()),
        held_bytes: Some(5000),
        safe_wal_bytes: Some(1 << 30),
    }
}

/// A pipeline that has seen a little of everything, and then nothing for 7 s.
pub(crate) async fn busy() -> Arc<Status> {
    let status = busy_now();
    tokio::time::advance(Duration::from_secs(7)).await;
    status
}

/// The same at once, for tests that do not hold the clock.
pub(crate) fn busy_now() -> Arc<Status> {
    let status = Status::new(&name());
    status.waiting(&broken());
    status.trouble(&broken());
    status.starting();
    status.load_due([(&TableName::new("public", "orders"), false)]);
    status.rows_expected(&[(TableName::new("public", "orders"), 100)]);
    status.streaming();
    status.sent(&batch("orders", 2));
    status.sent(&batch("items", 1));
    status.in_flight(1, 1000);
    status.saved(Some(&Position::Postgres(Lsn::from(0x10))));
    status.seen(Some(Sight::Postgres(PostgresSight {
        slot: Some(slot()),
        log_end: Lsn::from(0x1010),
        idle: Some(Idle { left_seconds: 1800, limit_seconds: 3600 }),
    })));
    status
}

#[tokio::test(start_paused = true)]
async fn the_report_is_this_json() {
    let mut report = busy().await.report();
    report.version = "0.0.0".to_owned();
    report.tables[0].bytes = 99;
    // Not part of the JSON.
    report.tables[0].number = None;
    // Encoded bytes are the encoder's business.
    report.rates.read = Flow { events_per_second: 3.0, bytes_per_second: 300.0 };
    report.rates.delivered = Flow { events_per_second: 2.0, bytes_per_second: 200.0 };
    let json = serde_json::to_string_pretty(&report).unwrap();
    assert_eq!(json, include_str!("report.golden.json").trim_end());
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn ready_means_that_changes_arrive() {
    let status = Status::new(&name());
    let because = |status: &Status| status.not_ready_because().unwrap_or_default();
    assert_eq!(because(&status), "source and sink are being opened");
    let table = TableName::new("public", "orders");
    status.load_due([(&table, false)]);
    assert_eq!(because(&status), "loading: 0 of 1 tables are done");
    status.table_loaded(&table, 10, true);
    assert_eq!(because(&status), "loading: 1 of 1 tables are done");
    status.streaming();
    assert_eq!(because(&status), "");
    status.load_due([(&table, false)]);
    assert_eq!(because(&status), "", "a reload happens beside the stream");
    status.waiting(&broken());
    assert_eq!(because(&status), "waiting to go on after CDC-TEST-001");
    status.sink_stalled();
    assert_eq!(because(&status), "waiting to go on after CDC-RUN-002");
    status.failed(&broken());
    assert_eq!(because(&status), "stopped by CDC-TEST-001");
}

#[tokio::test(start_paused = true)]
async fn the_lag_is_the_sink_s_not_the_reader_s() {
    let status = Status::new(&name());
    let lag = |status: &Status| {
        let report = status.report();
        (report.lag_bytes.unwrap(), report.lag_seconds.unwrap())
    };
    let seen = |end: u64| {
        let sight = PostgresSight { slot: None, log_end: Lsn::from(end), idle: None };
        status.seen(Some(Sight::Postgres(sight)));
    };
    status.streaming();
    status.delivered(&Position::Postgres(Lsn::from(0x100)));
    seen(0x100);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(lag(&status), (0, 0.0), "idle");
    // A sink that stores nothing: nothing more is received, but the database goes on.
    status.sent(&batch("orders", 1));
    status.in_flight(1, 10);
    seen(0x200);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(lag(&status), (0x100, 10.0));
    seen(0x300);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(lag(&status), (0x200, 20.0));
    // The database is out of sight: what is known grows older.
    status.seen(None);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(lag(&status), (0x200, 30.0));
    status.delivered(&Position::Postgres(Lsn::from(0x300)));
    assert_eq!(lag(&status), (0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn the_slot_is_told_of_while_it_is_seen() {
    let status = busy().await;
    assert_eq!(status.report().source.slot.unwrap().wal_bytes, Some(5000));
    status.seen(None);
    assert_eq!(status.report().source.is_reachable, Some(false));
    assert!(status.report().source.slot.is_some());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(status.report().source.slot, None);
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_told() {
    let status = busy().await;
    let (all, version) = status.changes(0);
    assert_eq!((all.tables.len(), all.last_errors.len()), (1, 1));
    let (none, same) = status.changes(version);
    assert_eq!((none.tables.len(), none.last_errors.len(), same), (0, 0, version));
    status.in_flight(0, 0);
    let (one, version) = status.changes(version);
    assert_eq!((one.tables[0].table.as_str(), one.last_errors.len()), ("public.items", 0));
    status.trouble(&broken());
    let (one, _) = status.changes(version);
    assert_eq!((one.tables.len(), one.last_errors.len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stands_still_is_not_ready() {
    let status = Status::new(&name());
    status.streaming();
    tokio::time::advance(Duration::from_secs(60)).await;
    status.sent(&batch("orders", 1));
    status.in_flight(1, 10);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(status.not_ready_because().as_deref(), Some("the sink has stored nothing for 60 s"));
    status.in_flight(0, 0);
    assert_eq!(status.not_ready_because(), None);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_gives_no_sign_is_not_alive() {
    let status = Status::new(&name());
    status.alive_during(tokio::time::sleep(Duration::from_secs(120))).await;
    assert!(status.is_alive());
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(!status.is_alive());
    status.alive_during(tokio::time::sleep(Duration::from_secs(2))).await;
    assert!(status.is_alive());
    status.finished();
    assert!(!status.is_alive());
}

#[tokio::test(start_paused = true)]
async fn events_count_once_they_are_durable() {
    let status = Status::new(&name());
    status.sent(&batch("orders", 2));
    status.sent(&batch("orders", 3));
    status.in_flight(2, 20);
    assert_eq!(status.report().tables, []);
    status.in_flight(1, 10);
    assert_eq!(status.report().tables[0].events, BTreeMap::from([("insert".to_owned(), 2)]));
    // Begun anew: the second batch comes again.
    status.starting();
    status.sent(&batch("orders", 3));
    status.in_flight(0, 0);
    assert_eq!(status.report().tables[0].events, BTreeMap::from([("insert".to_owned(), 5)]));
}

#[tokio::test(start_paused = true)]
async fn errors_do_not_fill_the_memory() {
    let status = Status::new(&name());
    for number in 0..50 {
        status.trouble(&Broken(std::io::Error::other(number.to_string())));
    }
    let report = status.report();
    assert_eq!(report.last_errors.len(), ERRORS_KEPT);
    assert_eq!(report.last_errors.last().unwrap().message, "sending to 127.0.0.1:9092: 49");
    assert_eq!(report.error_counts["CDC-TEST-001"], 50);
}

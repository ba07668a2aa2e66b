use std::collections::BTreeMap;

use event::{
    BatchLimits, BatchPool, Body, Cell, Column, Encoder, Event, EventPosition, Table, TableSchema,
    Transaction,
};

use super::inner::{ERRORS_KEPT, TABLES_COUNTED};
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

fn batch(table: &str, events: u64) -> Batch {
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

/// A pipeline that has seen a little of everything.
pub(crate) async fn busy() -> Arc<Status> {
    let status = Status::new(&name());
    status.waiting(&broken());
    status.trouble(&broken());
    status.starting();
    status.load_due([&TableName::new("public", "orders")]);
    status.streaming();
    status.sent(&batch("orders", 2));
    status.sent(&batch("items", 1));
    status.in_flight(1, 1000);
    status.saved(Some(Position::Postgres(Lsn::from(0x10))));
    status.log_end(Lsn::from(0x1010));
    tokio::time::advance(Duration::from_secs(7)).await;
    status
}

#[tokio::test(start_paused = true)]
async fn the_report_is_this_json() {
    let mut report = busy().await.report();
    report.version = "0.0.0".to_owned();
    report.tables[0].bytes = 99;
    let json = serde_json::to_string_pretty(&report).unwrap();
    assert_eq!(json, include_str!("report.golden.json").trim_end());
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn ready_means_that_changes_arrive() {
    let status = Status::new(&name());
    assert!(!status.is_ready());
    let table = TableName::new("public", "orders");
    status.load_due([&table]);
    assert!(!status.is_ready());
    status.table_loaded(&table, true);
    assert!(status.is_ready());
    status.streaming();
    assert!(status.is_ready());
    status.load_due([&table]);
    assert!(status.is_ready(), "a reload happens beside the stream");
    status.sink_stalled();
    assert!(!status.is_ready());
    status.failed(&broken());
    assert!(!status.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stands_still_is_not_ready() {
    let status = Status::new(&name());
    status.streaming();
    tokio::time::advance(Duration::from_secs(60)).await;
    status.sent(&batch("orders", 1));
    status.in_flight(1, 10);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!status.is_ready());
    status.in_flight(0, 0);
    assert!(status.is_ready());
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
async fn neither_tables_nor_errors_fill_the_memory() {
    let status = Status::new(&name());
    for number in 0..1500 {
        status.sent(&batch(&format!("t{number:04}"), 1));
    }
    status.in_flight(0, 0);
    let report = status.report();
    assert!(report.tables.len() <= TABLES_COUNTED + 1);
    let events: u64 = report.tables.iter().flat_map(|table| table.events.values()).sum();
    assert_eq!(events, 1500);
    for number in 0..50 {
        status.trouble(&Broken(std::io::Error::other(number.to_string())));
    }
    let report = status.report();
    assert_eq!(report.last_errors.len(), ERRORS_KEPT);
    assert_eq!(report.last_errors.last().unwrap().message, "sending to 127.0.0.1:9092: 49");
    assert_eq!(report.error_counts["CDC-TEST-001"], 50);
}

//! How long a row takes from the bytes of its message to the bytes of its event, protobuf.
//!
//! ```sh
//! cargo run --release -p decoder --example row_speed
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use decoder::pgoutput::{InStream, Message, RelationCache};
use event::{
    BatchLimits, BatchPool, Body, Encoder, Event, EventPosition, Format, Lsn, Table, TableSchema, Transaction,
};

const ROWS: usize = 4096;
const COLUMNS: &[(&str, u32)] = &[
    ("id", 20),
    ("amount", 23),
    ("price", 1700),
    ("name", 25),
    ("created", 1184),
    ("active", 16),
    ("reference", 2950),
];

fn main() {
    let mut relations = RelationCache::default();
    let relation = relation();
    let Message::Relation(relation) = Message::parse(&relation, InStream::No).unwrap() else { return };
    let shape = relations.learn_relation(&relation);
    let table =
        Table::new(TableSchema { name: shape.name.clone(), columns: shape.columns.clone(), key: vec![0] });
    let messages: Vec<_> = (0..ROWS).map(insert).collect();
    let bytes: usize = messages.iter().map(Vec::len).sum();
    println!("{} bytes a message", bytes / ROWS);

    measure("parse", || {
        for message in &messages {
            std::hint::black_box(Message::parse(message, InStream::No).unwrap());
        }
    });
    measure("parse and cells", || {
        let mut cells = Vec::new();
        for message in &messages {
            let Message::Insert { relation, new, .. } = Message::parse(message, InStream::No).unwrap() else {
                return;
            };
            let shape = relations.shape(relation).unwrap();
            cells.clear();
            decoder::row(&shape.types, new, &mut cells).unwrap();
            std::hint::black_box(&cells);
        }
    });
    let pool = BatchPool::new(Encoder::new("shop", 1, Format::Protobuf), BatchLimits::default());
    measure("parse, cells and Batch::push", || {
        let mut batch = pool.batch();
        let mut cells = Vec::new();
        for (number, message) in messages.iter().enumerate() {
            let Message::Insert { relation, new, .. } = Message::parse(message, InStream::No).unwrap() else {
                return;
            };
            let shape = relations.shape(relation).unwrap();
            cells.clear();
            decoder::row(&shape.types, new, &mut cells).unwrap();
            let seq = number as u64 + 1;
            batch.push(&Event {
                position: EventPosition::Postgres {
                    commit: Lsn::from(0x1A2_B400),
                    own: Lsn::from(0x1A2_B3C8),
                },
                transaction: Some(Transaction {
                    id: "742",
                    seq,
                    commit_time_us: 1_795_169_700_123_456,
                    origin: None,
                }),
                captured_time_us: 1_795_169_700_125_001,
                body: Body::Insert {
                    table: &table,
                    table_seq: seq,
                    after: &cells,
                    key_change: false,
                    fetched: &[],
                },
            });
            if batch.is_full() {
                std::hint::black_box(&batch);
                batch = pool.batch();
            }
        }
    });
}

/// The best of many rounds: what disturbs a round only makes it slower.
fn measure(what: &str, mut round: impl FnMut()) {
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed());
    }
    println!("{what}: {} ns a row", best.as_nanos() / ROWS as u128);
}

fn relation() -> Vec<u8> {
    let mut body = b"R\0\0\x40\0public\0orders\0d".to_vec();
    body.extend((COLUMNS.len() as u16).to_be_bytes());
    for (name, oid) in COLUMNS {
        body.push(u8::from(*name == "id"));
        body.extend(name.bytes());
        body.push(0);
        body.extend(oid.to_be_bytes());
        body.extend((-1i32).to_be_bytes());
    }
    body
}

fn insert(row: usize) -> Vec<u8> {
    let mut body = b"I\0\0\x40\0N".to_vec();
    body.extend((COLUMNS.len() as u16).to_be_bytes());
    for text in [
        row.to_string(),
        (row * 7919 % 100_000).to_string(),
        format!("{}.{:02}", row * 31 % 10_000, row % 100),
        format!("a name that is of some length {row}"),
        format!(
            "2026-11-20 {:02}:{:02}:{:02}.{:06}+00",
            row % 24,
            row % 60,
            row * 7 % 60,
            row * 173 % 1_000_000
        ),
        if row.is_multiple_of(2) { "t" } else { "f" }.to_owned(),
        format!("6dd00001-0203-4405-8607-{row:012x}"),
    ] {
        body.push(b't');
        body.extend((text.len() as u32).to_be_bytes());
        body.extend(text.bytes());
    }
    body
}

//! What it costs to encode a row: nanoseconds and bytes per row of 12 columns, in each format.
//!
//! `cargo run --release -p event --example encode_speed`

use std::time::{Duration, Instant};

use event::*;

const ROWS: u64 = 2_000;
const ROUNDS: usize = 500;

fn main() {
    let columns = [
        ("id", "int8", 20),
        ("customer_id", "int4", 23),
        ("status", "text", 25),
        ("total", "numeric", 1700),
        ("note", "text", 25),
        ("created_at", "timestamptz", 1184),
        ("updated_at", "timestamptz", 1184),
        ("is_paid", "bool", 16),
        ("reference", "uuid", 2950),
        ("weight", "float8", 701),
        ("due", "date", 1082),
        ("document", "jsonb", 3802),
    ]
    .map(|(name, type_name, type_oid)| Column {
        name: name.into(),
        type_name: type_name.into(),
        type_oid,
        type_modifier: -1,
    })
    .to_vec();
    let table = Table::new(TableSchema { name: TableName::new("public", "orders"), columns, key: vec![0] });
    let row = [
        Cell::Int(1_234_567),
        Cell::Int(4321),
        Cell::Text("delivered".into()),
        Cell::Decimal("1234.50".into()),
        Cell::Text("leave it with the neighbour on the second floor, please".into()),
        Cell::TimestampUs(1_795_169_700_123_456),
        Cell::TimestampUs(1_795_169_701_654_321),
        Cell::Bool(true),
        Cell::Uuid([0x5A; 16]),
        Cell::Double(12.75),
        Cell::DateDays(20_777),
        Cell::Json(r#"{"gift": true, "lines": 3}"#.into()),
    ];
    let with_schemas = DebeziumOptions { schemas: true, ..DebeziumOptions::default() };
    println!("{:<24} {:>8} {:>10}", "format", "ns/row", "bytes/row");
    for (name, format) in [
        ("protobuf", Format::Protobuf),
        ("json", Format::Json(JsonOptions::default())),
        ("debezium-json", Format::DebeziumJson(DebeziumOptions::default())),
        ("debezium-json, schemas", Format::DebeziumJson(with_schemas)),
    ] {
        let pool = BatchPool::new(Encoder::new("shop", 1_795_252_500, format), BatchLimits::default());
        // The best of many short rounds: what the machine does besides only ever adds.
        let rounds = (0..ROUNDS).map(|_| encode(&pool, &table, &row));
        let (time, bytes) = rounds.min().unwrap_or((Duration::ZERO, 0));
        println!("{name:<24} {:>8} {:>10}", time.as_nanos() as u64 / ROWS, bytes / ROWS);
    }
}

fn encode(pool: &BatchPool, table: &Table, row: &[Cell<'_>]) -> (Duration, u64) {
    let mut bytes = 0;
    let mut batch = pool.batch();
    let start = Instant::now();
    for seq in 1..=ROWS {
        batch.push(&Event {
            position: EventPosition::Postgres {
                commit: Lsn::from(0x1_1A2B_3400),
                own: Lsn::from(0x1_1A2B_0000 + seq),
            },
            transaction: Some(Transaction {
                id: "742819",
                seq,
                commit_time_us: 1_795_169_700_123_456,
                origin: None,
            }),
            captured_time_us: 1_795_169_700_125_001,
            body: Body::Insert { table, table_seq: seq, after: row, key_change: false, fetched: &[] },
        });
        if batch.is_full() {
            bytes += batch.len_bytes() as u64;
            batch = pool.batch();
        }
    }
    (start.elapsed(), bytes + batch.len_bytes() as u64)
}

//! What it costs to encode a row's event into a batch, in each format.
//!
//! ```sh
//! cargo bench -p event --bench encode
//! ```
//!
//! Times are of one row, bytes are those that are written. Allocations are counted too: in the long run there should
//! be none.

use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use event::*;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const FORMATS: [&str; 4] = ["protobuf", "json", "debezium-json", "debezium-json, schemas"];

#[divan::bench(args = FORMATS)]
fn insert(bencher: Bencher<'_, '_>, format: &str) {
    encode(bencher, format, 1, |table, table_seq, after| Body::Insert {
        table,
        table_seq,
        after,
        key_change: false,
        fetched: &[],
    });
}

#[divan::bench(args = FORMATS)]
fn update_of_whole_rows(bencher: Bencher<'_, '_>, format: &str) {
    encode(bencher, format, 1, |table, table_seq, after| Body::Update {
        table,
        table_seq,
        before: Before::Full(after),
        after,
        fetched: &[],
    });
}

#[divan::bench(args = FORMATS)]
fn delete(bencher: Bencher<'_, '_>, format: &str) {
    encode(bencher, format, 1, |table, table_seq, before| Body::Delete {
        table,
        table_seq,
        before: Before::Key(before),
        key_change: false,
    });
}

#[divan::bench(args = FORMATS)]
fn read(bencher: Bencher<'_, '_>, format: &str) {
    encode(bencher, format, 1, |table, seq, after| Body::Read {
        table,
        load: LoadRef { id: "64c9a1b2", range: None },
        seq,
        after,
        row_id: None,
    });
}

#[divan::bench(args = FORMATS)]
fn insert_100_columns(bencher: Bencher<'_, '_>, format: &str) {
    encode(bencher, format, 14, |table, table_seq, after| Body::Insert {
        table,
        table_seq,
        after,
        key_change: false,
        fetched: &[],
    });
}

fn encode(
    bencher: Bencher<'_, '_>,
    format: &str,
    repetitions: usize,
    body: impl for<'a> Fn(&'a Table, u64, &'a [Cell<'a>]) -> Body<'a>,
) {
    let (table, row) = (table(repetitions), row(repetitions));
    let encoder = Encoder::new("shop", 1_795_252_500, format_of(format));
    let pool = BatchPool::new(encoder, BatchLimits::default());
    let mut seq = 0;
    let mut push = |batch: &mut Batch| {
        seq += 1;
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
            body: body(&table, seq, black_box(&row)),
        });
    };
    let mut batch = pool.batch();
    push(&mut batch);
    let bytes = batch.len_bytes();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        push(&mut batch);
        if batch.is_full() {
            batch = pool.batch();
        }
    });
}

fn format_of(name: &str) -> Format {
    match name {
        "protobuf" => Format::Protobuf,
        "json" => Format::Json(JsonOptions::default()),
        "debezium-json" => Format::DebeziumJson(DebeziumOptions::default()),
        _ => Format::DebeziumJson(DebeziumOptions { schemas: true, ..DebeziumOptions::default() }),
    }
}

fn table(repetitions: usize) -> Table {
    let column = |name: &str, type_name: &str, type_oid| Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        type_oid,
        type_modifier: -1,
    };
    let mut columns = vec![column("id", "int8", 20)];
    for n in 0..repetitions {
        columns.extend([
            column(&format!("n{n}"), "int4", 23),
            column(&format!("amount{n}"), "numeric", 1700),
            column(&format!("note{n}"), "text", 25),
            column(&format!("at{n}"), "timestamptz", 1184),
            column(&format!("flag{n}"), "bool", 16),
            column(&format!("uid{n}"), "uuid", 2950),
            column(&format!("document{n}"), "jsonb", 3802),
        ]);
    }
    Table::new(TableSchema { name: TableName::new("public", "orders"), columns, key: vec![0] })
}

/// With a large value that an update did not change in its last column.
fn row(repetitions: usize) -> Vec<Cell<'static>> {
    let mut row = vec![Cell::Int(1_234_567)];
    for _ in 0..repetitions {
        row.extend([
            Cell::Int(567),
            Cell::Decimal("12345.67".into()),
            Cell::Text("row number 1234567".into()),
            Cell::TimestampUs(1_795_169_700_123_456),
            Cell::Bool(true),
            Cell::Uuid([0x5A; 16]),
            Cell::Unchanged,
        ]);
    }
    row
}

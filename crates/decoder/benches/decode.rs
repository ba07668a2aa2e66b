//! What a row costs from the bytes of its message to its cells, and on to the bytes of its event.
//!
//! ```sh
//! cargo bench -p decoder --bench decode
//! ```
//!
//! Times are of one row. Allocations are counted too: in the long run there should be none.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use decoder::pgoutput::{InStream, Message, OldTuple, RelationCache, Shape};
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use event::{
    Batch, BatchLimits, BatchPool, Before, Body, Cell, Encoder, Event, EventPosition, Format, JsonOptions,
    Lsn, Table, TableSchema, Transaction,
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const KINDS: [&str; 5] = ["insert", "update", "delete", "insert_100_columns", "update_unchanged_toast"];

#[divan::bench(args = KINDS)]
fn parse(bencher: Bencher<'_, '_>, kind: &str) {
    let case = Case::new(kind);
    let counted = bencher.counter(BytesCount::new(case.message.len()));
    counted.bench(|| Message::parse(black_box(&case.message), InStream::No).unwrap());
}

#[divan::bench(args = KINDS)]
fn parse_and_cells(bencher: Bencher<'_, '_>, kind: &str) {
    let case = Case::new(kind);
    let mut cells = Vec::new();
    let counted = bencher.counter(BytesCount::new(case.message.len()));
    counted.bench_local(|| {
        cells = case.cells(std::mem::take(&mut cells));
        black_box(&cells);
    });
}

#[divan::bench(args = KINDS)]
fn parse_and_encode_protobuf(bencher: Bencher<'_, '_>, kind: &str) {
    case_to_event(bencher, kind, Format::Protobuf);
}

#[divan::bench(args = KINDS)]
fn parse_and_encode_json(bencher: Bencher<'_, '_>, kind: &str) {
    case_to_event(bencher, kind, Format::Json(JsonOptions::default()));
}

fn case_to_event(bencher: Bencher<'_, '_>, kind: &str, format: Format) {
    let case = Case::new(kind);
    let pool = BatchPool::new(Encoder::new("shop", 1_795_252_500, format), BatchLimits::default());
    let (mut batch, mut cells, mut seq) = (pool.batch(), Vec::new(), 0);
    let counted = bencher.counter(BytesCount::new(case.message.len()));
    counted.bench_local(|| {
        seq += 1;
        cells = case.cells(std::mem::take(&mut cells));
        case.push(&cells, seq, &mut batch);
        if batch.is_full() {
            batch = pool.batch();
        }
    });
}

/// A message and its table.
struct Case {
    kind: &'static str,
    message: Vec<u8>,
    shape: Arc<Shape>,
    table: Table,
}

impl Case {
    fn new(kind: &str) -> Self {
        let kind = KINDS.into_iter().find(|known| *known == kind).unwrap();
        let repetitions = if kind == "insert_100_columns" { 14 } else { 1 };
        let mut columns: Vec<(String, u32)> = vec![("id".to_owned(), 20)];
        let mut texts = vec![Some("1234567")];
        for n in 0..repetitions {
            columns.extend(COLUMNS.map(|(name, oid, _)| (format!("{name}{n}"), oid)));
            texts.extend(COLUMNS.map(|(_, _, text)| Some(text)));
        }
        columns.push(("document".to_owned(), 25));
        texts.push(if kind == "update_unchanged_toast" { None } else { Some("a document of some length") });
        let relation = relation(&columns);
        let Message::Relation(relation) = Message::parse(&relation, InStream::No).unwrap() else {
            unreachable!()
        };
        let shape = RelationCache::default().learn_relation(&relation);
        let schema = TableSchema { name: shape.name.clone(), columns: shape.columns.clone(), key: vec![0] };
        let mut message = match kind {
            "insert" | "insert_100_columns" => b"I\0\0\x40\0N".to_vec(),
            "delete" => b"D\0\0\x40\0K".to_vec(),
            _ => b"U\0\0\x40\0N".to_vec(),
        };
        message.extend((texts.len() as u16).to_be_bytes());
        for (n, text) in texts.iter().enumerate() {
            match text {
                _ if kind == "delete" && n > 0 => message.push(b'n'),
                None => message.push(b'u'),
                Some(text) => {
                    message.push(b't');
                    message.extend((text.len() as u32).to_be_bytes());
                    message.extend(text.bytes());
                }
            }
        }
        Self { kind, message, shape, table: Table::new(schema) }
    }

    /// Into the room of the row before.
    fn cells<'a>(&'a self, room: Vec<Cell<'_>>) -> Vec<Cell<'a>> {
        let mut cells: Vec<Cell<'a>> = room.into_iter().map_while(|_| None).collect();
        let types = &self.shape.types;
        match Message::parse(black_box(&self.message), InStream::No).unwrap() {
            Message::Insert { new, .. } | Message::Update { new, .. } => {
                decoder::row(types, new, &mut cells).unwrap();
            }
            Message::Delete { old: OldTuple::Key(old), .. } => {
                decoder::key_row(types, &self.shape.is_key, old, &mut cells).unwrap();
            }
            _ => unreachable!(),
        }
        cells
    }

    fn push(&self, cells: &[Cell<'_>], seq: u64, batch: &mut Batch) {
        let (table, table_seq, after) = (&self.table, seq, cells);
        let body = match self.kind {
            "insert" | "insert_100_columns" => {
                Body::Insert { table, table_seq, after, key_change: false, fetched: &[] }
            }
            "delete" => Body::Delete { table, table_seq, before: Before::Key(cells), key_change: false },
            _ => Body::Update { table, table_seq, before: Before::None, after, fetched: &[] },
        };
        let transaction =
            Transaction { id: "742819", seq, commit_time_us: 1_795_169_700_123_456, origin: None };
        batch.push(&Event {
            position: EventPosition::Postgres { commit: Lsn::from(0x1A2_B400), own: Lsn::from(0x1A2_B3C8) },
            transaction: Some(transaction),
            captured_time_us: 1_795_169_700_125_001,
            body,
        });
    }
}

/// Beside the key, before the document.
const COLUMNS: [(&str, u32, &str); 6] = [
    ("n", 23, "567"),
    ("amount", 1700, "12345.67"),
    ("note", 25, "row number 1234567"),
    ("at", 1184, "2026-11-20 10:15:00.123456+00"),
    ("flag", 16, "t"),
    ("uid", 2950, "6dd00001-0203-4405-8607-08090a0b0c0d"),
];

fn relation(columns: &[(String, u32)]) -> Vec<u8> {
    let mut body = b"R\0\0\x40\0public\0orders\0d".to_vec();
    body.extend((columns.len() as u16).to_be_bytes());
    for (name, oid) in columns {
        body.push(u8::from(name == "id"));
        body.extend(name.bytes());
        body.push(0);
        body.extend(oid.to_be_bytes());
        body.extend((-1i32).to_be_bytes());
    }
    body
}

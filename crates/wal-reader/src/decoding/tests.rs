//! A row costs no allocation, from the bytes of its message to the bytes of its event: what a stream of any length
//! allocates does not grow with it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use decoder::pgoutput::InStream;
use event::{BatchLimits, BatchPool, DebeziumOptions, Encoder, Format, JsonOptions, TableRules};

use super::*;
use crate::wire;

#[test]
fn inserts_updates_and_deletes_cost_no_allocation() {
    let formats = [
        Format::Protobuf,
        Format::Json(JsonOptions::default()),
        Format::DebeziumJson(DebeziumOptions::default()),
    ];
    for format in formats {
        let named = format!("{format:?}");
        let mut stream = Rows::new(format);
        stream.take(&begin());
        stream.take(&relation());
        // A batch and the rows' room, as large as they get.
        stream.take_rows(0..2_000);
        stream.recycle();
        stream.take_rows(0..1);
        let counted = allocation_counter::measure(|| stream.take_rows(1..2_000));
        assert_eq!(counted.count_total, 0, "{named}");
    }
}

#[test]
fn small_transactions_cost_no_allocation() {
    let mut stream = Rows::new(Format::Protobuf);
    stream.take(&begin());
    stream.take(&relation());
    stream.take(&commit());
    let (begin, commit) = (begin(), commit());
    let mut transactions = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            stream.take(&begin);
            stream.take_rows(number..number + 1);
            stream.take(&commit);
        }
    };
    transactions(0..2_000);
    // The batch still grows by doubling, and nothing else does.
    let counted = allocation_counter::measure(|| transactions(2_000..3_000));
    assert!(counted.count_total < 10, "{counted:?}");
}

/// It is moved once for every message.
#[test]
fn the_future_of_a_message_is_small() {
    let mut stream = Rows::new(Format::Protobuf);
    let begin = begin();
    let message = Message::parse(&begin, InStream::No).unwrap();
    let Rows { decoding, batch, fences, .. } = &mut stream;
    let mut output = Output { batch, fences, own: Lsn::ZERO, captured_time_us: 1 };
    let size = size_of_val(&decoding.take(&message, &mut output));
    assert!(size <= 1024, "{size}");
}

struct Rows {
    decoding: Decoding,
    pool: BatchPool,
    batch: Batch,
    fences: Fences,
}

impl Rows {
    fn new(format: Format) -> Self {
        let encoder = Encoder::new("shop", 1_795_252_500, format);
        let pool = BatchPool::new(encoder, BatchLimits { bytes: 1 << 24, messages: 1 << 20 });
        let options = Options {
            connection: wire::Config::parse("postgres://cdc@localhost/shop").unwrap(),
            slot: "cdc".to_owned(),
            publication: "cdc".to_owned(),
            wanted: Arc::new(|_| true),
            since: Arc::new(|_| LogPlace::START),
            rules: Arc::new(|_| TableRules::default()),
            drop_origins: Vec::new(),
            fetch_unchanged: false,
            join_key_changes: false,
            spool: None,
            load_workers: 1,
            load_unit_rows: Options::LOAD_UNIT_ROWS,
            snapshot_max: None,
        };
        let decoding = Decoding::new(options, Lsn::ZERO, Sequences::default());
        Self { decoding, batch: pool.batch(), pool, fences: Fences::default() }
    }

    /// As if the sink had taken the batch and given its room back.
    fn recycle(&mut self) {
        self.batch = self.pool.batch();
        self.batch = self.pool.batch();
    }

    fn take(&mut self, body: &[u8]) {
        let message = Message::parse(body, InStream::No).unwrap();
        let Self { decoding, batch, fences, .. } = self;
        let mut output = Output { batch, fences, own: Lsn::from(0x1A2_B3C8), captured_time_us: 1 };
        let taken = pin!(decoding.take(&message, &mut output));
        match taken.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(taken) => drop(taken.unwrap()),
            Poll::Pending => panic!("there is nothing to wait for"),
        }
    }

    fn take_rows(&mut self, numbers: std::ops::Range<usize>) {
        let messages = messages();
        for number in numbers {
            self.take(&messages[number % messages.len()]);
        }
    }
}

const COLUMNS: [(&str, u32); 8] = [
    ("id", 20),
    ("n", 23),
    ("amount", 1700),
    ("note", 25),
    ("at", 1184),
    ("flag", 16),
    ("uid", 2950),
    ("document", 25),
];
const ROW: [&str; 7] =
    ["123456", "456", "1234.56", "row number 123456", "2026-11-20 10:15:00.123456+00", "t", UID];
const UID: &str = "6dd00001-0203-4405-8607-08090a0b0c0d";

/// One of each kind: an insert, an update of a row with a large value that did not change, a delete.
fn messages() -> &'static [Vec<u8>; 3] {
    static MESSAGES: std::sync::OnceLock<[Vec<u8>; 3]> = std::sync::OnceLock::new();
    MESSAGES.get_or_init(|| {
        let insert = [b"I\0\0\x40\0N".as_slice(), &tuple(&ROW, b't')].concat();
        let update = [b"U\0\0\x40\0N".as_slice(), &tuple(&ROW, b'u')].concat();
        let mut key = (COLUMNS.len() as u16).to_be_bytes().to_vec();
        key.extend(b"t\0\0\0\x06123456nnnnnnn");
        [insert, update, [b"D\0\0\x40\0K".as_slice(), &key].concat()]
    })
}

/// A row, whose last column is a text or unchanged.
fn tuple(texts: &[&str], last: u8) -> Vec<u8> {
    let mut bytes = (COLUMNS.len() as u16).to_be_bytes().to_vec();
    for text in texts.iter().copied().chain((last == b't').then_some("a document")) {
        bytes.push(b't');
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend(text.bytes());
    }
    if last == b'u' {
        bytes.push(b'u');
    }
    bytes
}

fn relation() -> Vec<u8> {
    let mut body = b"R\0\0\x40\0public\0orders\0d".to_vec();
    body.extend((COLUMNS.len() as u16).to_be_bytes());
    for (name, oid) in COLUMNS {
        body.push(u8::from(name == "id"));
        body.extend(name.bytes());
        body.push(0);
        body.extend(oid.to_be_bytes());
        body.extend((-1i32).to_be_bytes());
    }
    body
}

fn begin() -> Vec<u8> {
    let mut body = b"B".to_vec();
    body.extend(0x1A2_B400_u64.to_be_bytes());
    body.extend(8_000_i64.to_be_bytes());
    body.extend(742_u32.to_be_bytes());
    body
}

fn commit() -> Vec<u8> {
    let mut body = b"C\0".to_vec();
    body.extend(0x1A2_B400_u64.to_be_bytes());
    body.extend(0x1A2_B430_u64.to_be_bytes());
    body.extend(8_000_i64.to_be_bytes());
    body
}

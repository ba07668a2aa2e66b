use std::collections::{BTreeMap, BTreeSet};

use event::{Batch, BatchLimits, BatchPool, Cell, Column, Encoder, Op, TableName, TableSchema};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::canonical;
use crate::outbox::Outbox;
use crate::resync::{Resync, resync};

fn schema(columns: &[&str]) -> TableSchema {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        type_name: "int8".into(),
        type_oid: 0,
        type_modifier: -1,
    };
    let columns = columns.iter().map(column).collect();
    TableSchema { name: TableName::new("crm", "t"), columns, key: vec![0] }
}

/// A state folder, and what a consumer makes of the events that leave it.
struct World {
    folder: TempDir,
    schema: TableSchema,
    replica: BTreeMap<i64, Vec<i64>>,
    /// Event IDs, with the events.
    events: BTreeMap<String, serde_json::Value>,
    table_seq: u64,
}

type Rows = BTreeMap<i64, Vec<i64>>;

impl World {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            schema: schema(&["id", "a", "b"]),
            replica: Rows::new(),
            events: BTreeMap::new(),
            table_seq: 0,
        }
    }

    /// A scan that reads these rows in this order, in pieces, and perhaps breaks off after some.
    fn scan(
        &self,
        rows: &[(i64, Vec<i64>)],
        piece_len: usize,
        breaks_after: Option<usize>,
    ) -> Result<Found, Refused> {
        let mut state = State::open(self.folder.path()).unwrap();
        let reader = state.take_over().unwrap();
        let (known, shape) = state.known(&self.schema).unwrap();
        let mut diff =
            Diff::begin(&mut state, reader, self.schema.name.to_string(), shape, known, true).unwrap();
        let mut taken = 0;
        for rows in rows.chunks(piece_len) {
            let mut piece = Piece::default();
            for (key, values) in rows {
                let (mut cells, mut ends) = (Vec::new(), Vec::new());
                for value in std::iter::once(key).chain(values) {
                    canonical::write(&Cell::Int(*value), &mut cells);
                    ends.push(cells.len());
                }
                piece.push(&cells, &ends, &self.schema.key, diff.hash_version());
            }
            diff.take(&piece)?;
            taken += rows.len();
            if breaks_after.is_some_and(|limit| taken >= limit) {
                // Half of the time with, half without what was pending.
                if taken.is_multiple_of(2) {
                    diff.flush().map_err(Refused::Failed)?;
                }
                return Ok(diff.found);
            }
        }
        diff.delete_unseen(|| {}).map_err(Refused::Failed)?;
        diff.finish(None, Some(0)).map_err(Refused::Failed)
    }

    /// Delivers what is there to the consumer; without `acknowledges`, the sender dies before it is noted.
    fn deliver(&mut self, acknowledges: bool) {
        let mut outbox = Outbox::open(self.folder.path()).unwrap();
        let pool = BatchPool::new(Encoder::json("crm", outbox.epoch().unwrap()), BatchLimits::default());
        let (mut after, mut has_more) = (0, true);
        while has_more {
            let mut batch = pool.batch();
            (after, has_more) = outbox.fill(after, &mut batch).unwrap();
            self.receive(&batch);
        }
        if acknowledges {
            outbox.delivered(after).unwrap();
            assert!(outbox.is_empty().unwrap());
        }
    }

    fn receive(&mut self, batch: &Batch) {
        for message in batch.messages().filter(|message| message.op != Op::Schema) {
            let id = String::from_utf8(message.id.to_vec()).unwrap();
            let event: serde_json::Value = serde_json::from_slice(message.payload.unwrap()).unwrap();
            if let Some(before) = self.events.get(&id) {
                assert_eq!(before, &event, "one ID, two events");
                continue;
            }
            self.events.insert(id, event.clone());
            assert_eq!(event["table_seq"], self.table_seq + 1, "{event}");
            self.table_seq += 1;
            let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<i64>().unwrap();
            let key = number(&event["key"]["id"]);
            if message.op == Op::Delete {
                assert!(self.replica.remove(&key).is_some(), "deleted twice: {event}");
                continue;
            }
            let columns = self.schema.columns.iter().skip(1);
            let row: Vec<i64> = columns.map(|column| number(&event["after"][&column.name])).collect();
            let before = self.replica.insert(key, row.clone());
            assert_eq!(before.is_some(), message.op == Op::Update, "{event}");
            if let (Some(before), Some(changed)) = (before, event["changed"].as_array()) {
                let differ = |position: usize| before.get(position) != row.get(position);
                let names = ["a", "b"].iter().enumerate().filter(|(n, _)| differ(*n)).map(|(_, name)| *name);
                assert_eq!(
                    changed.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>(),
                    names.collect::<Vec<_>>()
                );
            }
        }
    }
}

fn all(rows: &Rows) -> Vec<(i64, Vec<i64>)> {
    rows.iter().map(|(key, row)| (*key, row.clone())).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Write(i64, i64, i64),
    Remove(i64),
    Scan { piece_len: usize, reversed: bool, breaks_after: Option<usize> },
    Deliver(bool),
    Resync,
    ResyncKey(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || prop_oneof![0..30_i64, -200..40_000_i64];
    prop_oneof![
        8 => (key(), 0..3_i64, 0..3_i64).prop_map(|(key, a, b)| Step::Write(key, a, b)),
        3 => key().prop_map(Step::Remove),
        3 => (1..12_usize, any::<bool>(), proptest::option::of(1..20_usize))
            .prop_map(|(piece_len, reversed, breaks_after)| Step::Scan { piece_len, reversed, breaks_after }),
        2 => any::<bool>().prop_map(Step::Deliver),
        1 => Just(Step::Resync),
        1 => (0..30_i64).prop_map(Step::ResyncKey),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens to the rows, however scans and deliveries break off: after one whole scan and delivery the replica
    /// is the source, every event came in order, none twice under two IDs, none with two contents.
    #[test]
    fn the_replica_is_the_source(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let mut source = Rows::new();
        for step in steps {
            match step {
                Step::Write(key, a, b) => drop(source.insert(key, vec![a, b])),
                Step::Remove(key) => drop(source.remove(&key)),
                Step::Scan { piece_len, reversed, breaks_after } => {
                    let mut rows = all(&source);
                    if reversed {
                        rows.reverse();
                    }
                    world.scan(&rows, piece_len, breaks_after).unwrap();
                }
                Step::Deliver(acknowledges) => world.deliver(acknowledges),
                Step::Resync => {
                    resync(world.folder.path(), &world.schema.name, &Resync::All).unwrap();
                }
                Step::ResyncKey(key) => {
                    let key = Resync::Key(vec![key.to_string()]);
                    resync(world.folder.path(), &world.schema.name, &key).unwrap();
                }
            }
        }
        world.scan(&all(&source), 7, None).unwrap();
        world.deliver(true);
        prop_assert_eq!(&world.replica, &source);
        let quiet = world.scan(&all(&source), 5, None).unwrap();
        prop_assert_eq!((quiet.inserted, quiet.updated, quiet.deleted), (0, 0, 0));
    }
}

#[test]
fn two_rows_with_one_key_are_refused_wherever_they_stand() {
    let row = |key: i64| (key, vec![0, 0]);
    for (rows, piece_len) in [
        (vec![row(1), row(1)], 2),
        (vec![row(1), row(2), row(1)], 1),
        (vec![row(5), row(1), row(2), row(5)], 2),
    ] {
        let world = World::new();
        assert!(matches!(world.scan(&rows, piece_len, None), Err(Refused::SameKey)), "{rows:?}");
        // And if it was known before.
        let world = World::new();
        let known: BTreeSet<(i64, Vec<i64>)> = rows.iter().cloned().collect();
        world.scan(&known.into_iter().collect::<Vec<_>>(), 10, None).unwrap();
        assert!(matches!(world.scan(&rows, piece_len, None), Err(Refused::SameKey)), "{rows:?}");
    }
}

#[test]
fn a_resync_sends_every_row_again_and_deletes_none() {
    let mut world = World::new();
    let source: Rows = (0..100).map(|key| (key, vec![1, 2])).collect();
    world.scan(&all(&source), 10, None).unwrap();
    resync(world.folder.path(), &world.schema.name, &Resync::All).unwrap();
    let found = world.scan(&all(&source), 10, None).unwrap();
    assert_eq!((found.inserted, found.updated, found.deleted), (0, 100, 0));
    resync(world.folder.path(), &world.schema.name, &Resync::Key(vec!["7".to_owned()])).unwrap();
    assert_eq!(world.scan(&all(&source), 10, None).unwrap().updated, 1);
    world.deliver(true);
    assert_eq!(world.replica, source);
    let resent = world.events.values().filter(|event| event["op"] == "update");
    assert!(resent.into_iter().all(|event| event["changed"].is_null()));
}

#[test]
fn a_new_column_sends_every_row_again_under_its_new_shape() {
    let mut world = World::new();
    world.scan(&[(1, vec![1, 2])], 10, None).unwrap();
    world.deliver(true);
    world.schema = schema(&["id", "a", "b", "c"]);
    let found = world.scan(&[(1, vec![1, 2, 3])], 10, None).unwrap();
    assert_eq!(found.updated, 1);
    world.deliver(true);
    assert_eq!(world.replica, Rows::from([(1, vec![1, 2, 3])]));
}

#[test]
fn a_reader_that_was_taken_over_from_writes_nothing_more() {
    let world = World::new();
    let mut state = State::open(world.folder.path()).unwrap();
    let reader = state.take_over().unwrap();
    let (known, shape) = state.known(&world.schema).unwrap();
    let mut diff =
        Diff::begin(&mut state, reader, world.schema.name.to_string(), shape, known, true).unwrap();
    let mut piece = Piece::default();
    piece.push(&[4, 1, 1, 4, 1, 1, 4, 1, 1], &[3, 6, 9], &[0], 0);
    assert!(diff.take(&piece).is_ok());
    State::open(world.folder.path()).unwrap().take_over().unwrap();
    assert!(matches!(diff.flush(), Err(Error::Superseded)));
    drop(diff);
    assert!(Outbox::open(world.folder.path()).unwrap().is_empty().unwrap());
}

/// Of keys that count up, and of such that come in no order: pages are as full as they get, and two thirds full.
#[test]
fn a_row_of_seven_columns_takes_at_most_60_bytes() {
    let rows: u64 = std::env::var("CDC_POLL_ROWS").map_or(100_000, |rows| rows.parse().unwrap());
    let random = |number: u64| xxhash_rust::xxh3::xxh3_128(&number.to_be_bytes()).to_be_bytes();
    let uuid_text = |number: u64| {
        let hex = format!("{:032x}", u128::from_be_bytes(random(number)));
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex[part].to_owned());
        Cell::Text(parts.join("-").into())
    };
    let bytes = [
        bytes_a_row(rows, |number| Cell::Int(number.cast_signed())),
        bytes_a_row(rows, |number| Cell::Uuid(random(number))),
        bytes_a_row(rows, uuid_text),
    ];
    println!("{rows} rows: {bytes:?} bytes each, by a number, a uuid, and a uuid as a text");
    assert!(bytes[0] <= 60 && bytes[1] <= 95 && bytes[2] <= 125, "{bytes:?}");
}

fn bytes_a_row(rows: u64, key: impl Fn(u64) -> Cell<'static>) -> u64 {
    let folder = TempDir::new().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let reader = state.take_over().unwrap();
    let schema = schema(&["id", "a", "b", "c", "d", "e", "f"]);
    let (known, shape) = state.known(&schema).unwrap();
    let mut diff = Diff::begin(&mut state, reader, schema.name.to_string(), shape, known, true).unwrap();
    let mut piece = Piece::default();
    let numbers: Vec<u64> = (0..rows).collect();
    for numbers in numbers.chunks(4096) {
        piece.clear();
        for number in numbers {
            let (mut cells, mut ends) = (Vec::new(), Vec::new());
            for cell in std::iter::once(key(*number)).chain((1..7).map(Cell::Int)) {
                canonical::write(&cell, &mut cells);
                ends.push(cells.len());
            }
            piece.push(&cells, &ends, &schema.key, diff.hash_version());
        }
        diff.take(&piece).unwrap();
    }
    diff.finish(None, Some(0)).unwrap();
    Outbox::open(folder.path()).unwrap().delivered(i64::MAX).unwrap();
    let query = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'row_%'";
    let bytes: u64 =
        state.connection.query_row(query, [], |row| row.get(0)).unwrap_or_else(|_| pages(&state));
    bytes / rows
}

/// Of the whole file, without what the outbox has left free.
fn pages(state: &State) -> u64 {
    let number = |pragma: &str| -> u64 { state.connection.query_row(pragma, [], |row| row.get(0)).unwrap() };
    (number("PRAGMA page_count") - number("PRAGMA freelist_count")) * number("PRAGMA page_size")
}

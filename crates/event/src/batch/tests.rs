use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{
    Before, Body, Cell, Column, DebeziumOptions, EventPosition, Format, JsonOptions, LoadRef, Lsn, Table,
    TableName, TableSchema, Transaction,
};

fn table(name: &str, key: &[usize]) -> Table {
    let column = Column { name: "id".into(), type_name: "int4".into(), type_oid: 23, type_modifier: -1 };
    Table::new(TableSchema { name: TableName::new("public", name), columns: vec![column], key: key.to_vec() })
}

fn event(seq: u64, body: Body<'_>) -> Event<'_> {
    Event {
        position: EventPosition::Postgres { commit: Lsn::from(0x20), own: Lsn::from(0x10) },
        transaction: Some(Transaction { id: "742", seq, commit_time_us: 0, origin: None }),
        captured_time_us: 0,
        body,
    }
}

fn insert<'a>(table: &'a Table, after: &'a [Cell<'a>]) -> Body<'a> {
    Body::Insert { table, table_seq: 1, after, key_change: false, fetched: &[] }
}

fn delete<'a>(table: &'a Table, row: &'a [Cell<'a>]) -> Body<'a> {
    Body::Delete { table, table_seq: 1, before: Before::Key(row), key_change: false }
}

fn pool(format: Format) -> BatchPool {
    BatchPool::new(Encoder::new("shop", 1, format), BatchLimits { bytes: 4096, messages: 10 })
}

fn debezium() -> Format {
    Format::DebeziumJson(DebeziumOptions::default())
}

const ROW: &[Cell<'static>] = &[Cell::Int(7)];

#[test]
fn each_message_has_its_own_id_key_payload_and_route() {
    let (orders, lines) = (table("orders", &[0]), table("lines", &[]));
    let mut batch = pool(Format::Json(JsonOptions::default())).batch();
    for n in 1..=3 {
        let table = if n == 2 { &lines } else { &orders };
        batch.push(&event(n, insert(table, &[Cell::Int(n as i64)])));
    }
    batch.push(&event(4, Body::Heartbeat));
    let routes: Vec<_> = batch.messages().map(|message| message.route_number).collect();
    assert_eq!(routes, [0, 1, 0, 2]);
    assert_eq!(batch.routes().len(), 3);
    assert_eq!(*batch.routes()[2], Route::Control);
    for (n, message) in batch.messages().enumerate() {
        let id = std::str::from_utf8(message.id).unwrap();
        assert!(id.starts_with(&format!("shop/1/0000000000000020/{}", n + 1)));
        let payload: serde_json::Value = serde_json::from_slice(message.payload.unwrap()).unwrap();
        assert_eq!(payload["id"], id);
        let key = message.key.map(|key| String::from_utf8(key.to_vec()).unwrap());
        assert_eq!(key, [0, 2].contains(&n).then(|| format!(r#"{{"id":{}}}"#, n + 1)));
        assert_eq!(batch.message(n).unwrap().id, message.id);
    }
    assert!(batch.message(4).is_none());
    assert_eq!((batch.len(), batch.messages().len()), (4, 4));
}

#[test]
fn a_delete_has_a_tombstone_where_the_format_and_the_key_ask_for_one() {
    let (keyed, keyless) = (table("orders", &[0]), table("lines", &[]));
    let count = |format: Format, body: Body<'_>| {
        let mut batch = pool(format).batch();
        batch.push(&event(1, body));
        batch.len()
    };
    let mut batch = pool(debezium()).batch();
    batch.push(&event(1, delete(&keyed, ROW)));
    let messages: Vec<_> = batch.messages().collect();
    assert_eq!(messages.len(), 2);
    assert!(messages[0].payload.is_some() && messages[1].payload.is_none());
    assert_eq!((messages[0].id, messages[0].key), (messages[1].id, messages[1].key));
    assert_eq!(count(debezium(), delete(&keyless, ROW)), 1);
    assert_eq!(count(debezium(), insert(&keyed, ROW)), 1);
    let without = DebeziumOptions { tombstones: false, ..DebeziumOptions::default() };
    assert_eq!(count(Format::DebeziumJson(without), delete(&keyed, ROW)), 1);
    assert_eq!(count(Format::Json(JsonOptions::default()), delete(&keyed, ROW)), 1);
    assert_eq!(count(Format::Protobuf, delete(&keyed, ROW)), 1);
}

#[test]
fn a_schema_goes_to_its_table_and_to_all_schemas() {
    let orders = table("orders", &[0]);
    for (format, first) in [
        (Format::Protobuf, (*orders.route).clone()),
        (Format::Json(JsonOptions::default()), (*orders.route).clone()),
        (debezium(), Route::Control),
    ] {
        let mut batch = pool(format).batch();
        batch.push(&event(1, Body::Schema { table: &orders, load: None, part: 0 }));
        let messages: Vec<_> = batch.messages().collect();
        assert_eq!(messages.len(), 2);
        assert_eq!((&**messages[0].route, messages[0].key), (&first, None));
        assert_eq!(**messages[1].route, Route::Schemas);
        assert_eq!(messages[1].key, Some(orders.fingerprint.to_string().as_bytes()));
        assert_eq!(messages[0].payload, messages[1].payload);
    }
}

#[test]
fn what_concerns_a_whole_table_concerns_all_its_partitions() {
    let orders = table("orders", &[0]);
    let load = LoadRef { id: "1", range: None };
    let mut batch = pool(Format::Protobuf).batch();
    for (body, all) in [
        (Body::Truncate { table: &orders, load: None, table_seq: 1, part: 1 }, true),
        (Body::LoadBegin { table: &orders, load, part: None }, true),
        (Body::LoadEnd { table: &orders, load, rows: 1 }, true),
        (insert(&orders, ROW), false),
        (Body::Heartbeat, false),
    ] {
        batch.push(&event(1, body));
        assert_eq!(batch.messages().last().unwrap().concerns_all_partitions(), all, "{body:?}");
    }
}

/// What may come into a batch: some events of one of three tables, or a transaction's end.
#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Mark(Vec<usize>),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => (0..3_usize).prop_map(Step::Push), 1 => vec(0..3_usize, 0..3).prop_map(Step::Mark)]
}

proptest! {
    #[test]
    fn it_reaches_as_far_as_its_last_mark(steps in vec(any_step(), 0..40)) {
        let tables = ["a", "b", "c"].map(|name| table(name, &[0]));
        let mut batch = pool(debezium()).batch();
        let mut sequences = [0_u64; 3];
        let mut expected: Option<Reached> = None;
        for (n, step) in (1..).zip(&steps) {
            match step {
                Step::Push(table) => {
                    sequences[*table] += 1;
                    batch.push(&event(n, delete(&tables[*table], ROW)));
                }
                Step::Mark(touched) => {
                    let position = Position::Postgres(Lsn::from(n));
                    batch.mark(position.clone(), touched.iter().map(|table| (&tables[*table].route, sequences[*table])));
                    let mut table_seqs = expected.take().map(|reached| reached.table_seqs).unwrap_or_default();
                    for table in touched {
                        table_seqs.insert(Arc::clone(&tables[*table].route), sequences[*table]);
                    }
                    expected = Some(Reached { position, messages: batch.len(), table_seqs });
                }
            }
            prop_assert_eq!(batch.reached(), expected.as_ref());
        }
        let pushes = steps.iter().filter(|step| matches!(step, Step::Push(_))).count();
        prop_assert_eq!(batch.len(), 2 * pushes);
    }
}

#[test]
fn it_is_full_by_bytes_or_by_messages_and_takes_any_one_event() {
    let orders = table("orders", &[]);
    let pool = pool(Format::Protobuf);
    let mut batch = pool.batch();
    for n in 0..10 {
        assert!(!batch.is_full());
        batch.push(&event(n, insert(&orders, ROW)));
    }
    assert!(batch.is_full());
    let mut batch = pool.batch();
    batch.push(&event(1, insert(&orders, &[Cell::Text("x".repeat(100_000).into())])));
    assert!(batch.is_full() && batch.len() == 1 && batch.len_bytes() > 100_000);
}

#[test]
fn buffers_are_used_again_and_a_giant_one_is_given_back() {
    let orders = table("orders", &[]);
    let pool = pool(Format::Protobuf);
    let fill = |bytes: usize| {
        let mut batch = pool.batch();
        assert!(batch.is_empty() && batch.reached().is_none() && batch.routes().is_empty());
        batch.push(&event(1, insert(&orders, &[Cell::Text("x".repeat(bytes).into())])));
        batch
    };
    drop(fill(3000));
    let first = pool.batch();
    let address = first.buffers.bytes.as_ptr();
    assert!(first.buffers.bytes.capacity() >= 3000);
    drop(first);
    assert_eq!(fill(2000).buffers.bytes.as_ptr(), address, "the same buffer, not grown");
    drop(fill(10_000_000));
    let after_giant = pool.batch();
    assert!(after_giant.buffers.bytes.capacity() <= 2 * 4096, "{}", after_giant.buffers.bytes.capacity());
    // As many buffers are kept as were out at once.
    drop([fill(1), fill(1), after_giant]);
    assert_eq!(pool.0.free.lock().unwrap().len(), 3);
}

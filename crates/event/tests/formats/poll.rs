//! What a scan found, in both formats.

use event::envelope::{ChangeEvent, PollPosition, change_event};
use event::{
    BatchLimits, BatchPool, Before, Body, Cell, Column, DOCUMENT, Encoder, Event, EventPosition, Format,
    JsonOptions, LogOrder, PollPlace, Table, TableName, TableSchema,
};
use prost::Message as _;

fn table() -> Table {
    let column = |name: &str, type_name: &str| Column {
        name: name.into(),
        type_name: type_name.into(),
        type_oid: 0,
        type_modifier: -1,
    };
    let columns = vec![column("id", "int4"), column("name", "text"), column("managers", DOCUMENT)];
    Table::new(TableSchema { name: TableName::new("crm", "customer"), columns, key: vec![0] })
}

fn update(table: &Table, format: Format, changed: Option<&[usize]>) -> (String, Vec<u8>) {
    let pool = BatchPool::new(Encoder::new("crm", 7, format), BatchLimits::default());
    let mut batch = pool.batch();
    let document = r#"[{"id":9,"name":"Li"}]"#;
    batch.push(&Event {
        position: EventPosition::Poll(PollPlace { scan: 18, seq: 3, changed }),
        transaction: None,
        captured_time_us: 0,
        body: Body::Update {
            table,
            table_seq: 5,
            before: Before::None,
            after: &[Cell::Int(1), Cell::Text("Ada".into()), Cell::Json(document.into())],
            fetched: &[],
        },
    });
    let message = batch.message(0).unwrap();
    (String::from_utf8(message.id.to_vec()).unwrap(), message.payload.unwrap().to_vec())
}

#[test]
fn json_names_the_changed_columns_and_nests_documents() {
    let table = table();
    let json = |changed| {
        let (_, payload) = update(&table, Format::Json(JsonOptions::default()), changed);
        String::from_utf8(payload).unwrap()
    };
    assert_eq!(
        json(Some(&[1, 2])),
        r#"{"id":"crm/7/0000000000000012/3","op":"update","source":"crm","epoch":7,"schema":"crm","table":"customer","table_seq":5,"position":{"scan":18,"seq":3},"tx":null,"origin":null,"commit_time":null,"captured_time":"1970-01-01T00:00:00Z","key":{"id":1},"before":null,"after":{"id":1,"name":"Ada","managers":[{"id":9,"name":"Li"}]},"unchanged":[],"omitted":[],"fetched":[],"changed":["name","managers"]}"#
    );
    assert!(json(None).ends_with(r#""changed":null}"#));
}

#[test]
fn protobuf_has_their_positions() {
    let table = table();
    let decoded = |changed| ChangeEvent::decode(&*update(&table, Format::Protobuf, changed).1).unwrap();
    let event = decoded(Some(&[1, 2]));
    assert_eq!(event.changed, [1, 2]);
    assert_eq!(event.position, Some(change_event::Position::Poll(PollPosition { scan: 18, seq: 3 })));
    assert_eq!((event.txid.as_str(), event.tx_seq, event.commit_time_us), ("", 0, 0));
    assert!(decoded(None).changed.is_empty());
    // By hand as by the generated encoder.
    assert_eq!(event.encode_to_vec(), update(&table, Format::Protobuf, Some(&[1, 2])).1);
}

#[test]
fn ids_tell_the_order_in_which_it_was_found() {
    let order = |id: &str| LogOrder::of_id(id.as_bytes()).unwrap();
    let table = table();
    let (id, _) = update(&table, Format::Protobuf, None);
    assert!(order("crm/7/0000000000000012/2") < order(&id) && order(&id) < order("crm/7/0000000000000013/1"));
    assert!(order("crm/7/0000000000000012/3s") < order(&id));
}

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::{Before, Column, EventPosition, LoadRef, Lsn, TableName, TableSchema, Transaction};

/// What one change of a transaction can be, and whether its table's schema goes before it.
#[derive(Clone, Debug)]
enum Change {
    Row {
        announces: bool,
    },
    Rekey {
        announces: bool,
    },
    /// One flag a table: whether it announces itself right before its own TRUNCATE.
    Truncate(Vec<bool>),
    Message,
    Filtered,
}

/// Commits ascend; between two of them the log may bring messages outside transactions, and heartbeats.
#[derive(Clone, Debug)]
enum Step {
    Transaction(Vec<Change>),
    Message,
    Heartbeat,
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<bool>().prop_map(|announces| Change::Row { announces }),
        2 => any::<bool>().prop_map(|announces| Change::Rekey { announces }),
        1 => vec(any::<bool>(), 1..5).prop_map(Change::Truncate),
        1 => Just(Change::Message),
        1 => Just(Change::Filtered),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(any_change(), 0..12).prop_map(Step::Transaction),
        1 => Just(Step::Message),
        1 => Just(Step::Heartbeat),
    ]
}

proptest! {
    #[test]
    fn order_ascends_over_any_legal_stream(
        lsns in btree_set(1..u64::MAX, 30),
        steps in vec(any_step(), 30),
        epochs in any::<(u32, u32)>(),
    ) {
        let mut ids = Vec::new();
        for epoch in [u64::from(epochs.0), u64::from(epochs.0) + 1 + u64::from(epochs.1)] {
            for (lsn, step) in lsns.iter().zip(&steps) {
                ids_of_step(epoch, *lsn, step, &mut ids);
            }
        }
        for pair in ids.windows(2) {
            let orders = [0, 1].map(|n| LogOrder::of_id(pair[n].as_bytes()));
            prop_assert!(orders[0].is_some() && orders[0] < orders[1], "{} is not before {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn anything_is_read_without_panic(id in any::<Vec<u8>>(), place in "[0-9a-z]{0,30}") {
        LogOrder::of_id(&id);
        LogOrder::of_id(format!("shop/1/00/{place}").as_bytes());
    }

    #[test]
    fn keys_of_one_table_have_names_of_their_own(left in any_key(), right in any_key()) {
        let (left_id, right_id) = (read_id(&left, None), read_id(&right, None));
        prop_assert_eq!(left == right, left_id == right_id, "{:?} {:?} {}", left, right, left_id);
        prop_assert!(left_id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'));
    }
}

/// Two nullable text columns: where collisions would come from.
fn any_key() -> impl Strategy<Value = Vec<Cell<'static>>> {
    let text =
        prop_oneof!["[a%,~ö\\\\/\"]{0,3}", "[a,]{190,210}", Just("Null".to_owned()), Just("%".to_owned())];
    vec(prop_oneof![4 => text.prop_map(|text| Cell::Text(text.into())), 1 => Just(Cell::Null)], 2)
}

fn ids_of_step(epoch: u64, lsn: u64, step: &Step, ids: &mut Vec<String>) {
    let outside = |body: Body<'_>| id_of(epoch, lsn, None, body);
    match step {
        Step::Message => ids.push(outside(Body::Message { prefix: "", content: &[] })),
        Step::Heartbeat => ids.push(outside(Body::Heartbeat)),
        Step::Transaction(changes) => {
            for (seq, change) in (1..).zip(changes) {
                ids_of_change(change, |body| ids.push(id_of(epoch, lsn, Some(seq), body)));
            }
        }
    }
}

fn ids_of_change(change: &Change, mut push: impl FnMut(Body<'_>)) {
    let table = &table(&[]);
    let (table_seq, after, fetched) = (1, &[], &[]);
    let announce = |part| Body::Schema { table, load: None, part };
    match change {
        Change::Filtered => {}
        Change::Message => push(Body::Message { prefix: "", content: &[] }),
        Change::Row { announces } => {
            if *announces {
                push(announce(0));
            }
            push(Body::Update { table, table_seq, before: Before::None, after, fetched });
        }
        Change::Rekey { announces } => {
            if *announces {
                push(announce(0));
            }
            push(Body::Delete { table, table_seq, before: Before::None, key_change: true });
            push(Body::Insert { table, table_seq, after, key_change: true, fetched });
        }
        Change::Truncate(tables) => {
            for (part, announces) in (1..).zip(tables) {
                if *announces {
                    push(announce(part));
                }
                push(Body::Truncate { table, load: None, table_seq, part });
            }
        }
    }
}

fn id_of(epoch: u64, commit: u64, seq: Option<u64>, body: Body<'_>) -> String {
    let event = Event {
        position: EventPosition::Postgres { commit: commit.into(), own: Lsn::ZERO },
        transaction: seq.map(|seq| Transaction { id: "1", seq, commit_time_us: 0, origin: None }),
        captured_time_us: 0,
        body,
    };
    let mut id = Vec::new();
    write_event_id("shop", epoch, &event, &mut id);
    String::from_utf8(id).unwrap()
}

fn read_id(row: &[Cell<'_>], row_id: Option<&str>) -> String {
    let table = &table(&[0, 1]);
    id_of(
        1,
        2,
        None,
        Body::Read { table, load: LoadRef { id: "1-2", range: None }, seq: 1, after: row, row_id },
    )
}

fn table(key: &[usize]) -> Table {
    let column =
        |name: &str| Column { name: name.into(), type_name: "text".into(), type_oid: 25, type_modifier: -1 };
    let columns = vec![column("a"), column("b")];
    Table::new(TableSchema { name: TableName::new("public", "t"), columns, key: key.to_vec() })
}

#[test]
fn places_are_written_as_the_table_above_says() {
    let table = &table(&[0, 1]);
    let load = LoadRef { id: "1-2", range: None };
    let row: &[Cell<'_>] = &[Cell::Int(7), Cell::Text("a,b".into())];
    for (seq, body, expected) in [
        (Some(4), Body::Message { prefix: "", content: &[] }, "shop/1/0000000001A2B400/4"),
        (None, Body::Message { prefix: "", content: &[] }, "shop/1/0000000001A2B400/m"),
        (None, Body::Heartbeat, "shop/1/0000000001A2B400/h"),
        (Some(4), Body::Truncate { table, load: None, table_seq: 1, part: 2 }, "shop/1/0000000001A2B400/4t2"),
        (None, Body::Truncate { table, load: Some(load), table_seq: 0, part: 0 }, "shop/1/load/1-2/truncate"),
        (Some(4), Body::Schema { table, load: None, part: 0 }, "shop/1/0000000001A2B400/4s"),
        (Some(4), Body::Schema { table, load: None, part: 2 }, "shop/1/0000000001A2B400/4s2"),
        (None, Body::Schema { table, load: Some(load), part: 0 }, "shop/1/load/1-2/schema"),
        (None, Body::LoadBegin { table, load, part: None }, "shop/1/load/1-2/begin"),
        (None, Body::LoadEnd { table, load, rows: 3 }, "shop/1/load/1-2/end"),
    ] {
        assert_eq!(id_of(1, 0x1A2_B400, seq, body), expected);
    }
    assert_eq!(read_id(row, None), "shop/1/load/1-2/key:7,a%2Cb");
    assert_eq!(read_id(row, Some("(0,1)")), "shop/1/load/1-2/row:(0%2C1)");
    assert_eq!(read_id(&[Cell::Null, Cell::Text("".into())], None), "shop/1/load/1-2/key:%,");
}

#[test]
fn ids_without_a_place_in_the_log_have_no_order() {
    for id in [
        "",
        "shop",
        "shop/1/load/1/begin",
        "shop/1/load/1/key:7",
        "shop/1/00/",
        "shop/1/00/s",
        "shop/x/00/1",
        "shop/1/0g/1",
        "shop/1/00/1x",
        "shop/1/00/1t",
        "shop/1/00/1/2",
    ] {
        assert_eq!(LogOrder::of_id(id.as_bytes()), None, "{id}");
    }
}

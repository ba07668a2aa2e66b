//! The hand-written encoder against the generated one: the same message built from the generated types must have
//! the same bytes, and decoding the bytes must give that message back.

use event::envelope::{self, ChangeEvent, change_event, value};
use event::{Cell, Format, KeyBound, Table};
use proptest::prelude::*;
use prost::Message as _;

use super::spec::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes_are_those_of_the_generated_encoder(spec in any_event()) {
        let expected = expected_event(&spec);
        let messages = spec.messages(Format::Protobuf);
        let payload = messages[0].payload.as_deref().unwrap();
        let decoded = ChangeEvent::decode(payload).unwrap();
        prop_assert!(same(&decoded, &expected), "{decoded:?}\nis not\n{expected:?}");
        prop_assert!(expected.encode_to_vec() == payload, "the bytes differ for {expected:?}");
        let key = expected.key.map(|row| row.encode_to_vec());
        let is_row = matches!(messages[0].route, event::Route::Table(_)) && messages.len() == 1;
        prop_assert!(!is_row || messages[0].key == key);
    }
}

/// Lengths of four bytes come up too rarely to leave them to chance.
#[test]
fn lengths_of_one_to_four_bytes_are_right_at_their_edges() {
    for length in [0, 1, 126, 127, 128, 129, 16_382, 16_383, 16_384, 2_097_151, 2_097_152, 3_000_000] {
        for wrapped in [false, true] {
            let text = Cell::Text("z".repeat(length).into());
            let cell = if wrapped { Cell::Array(vec![text, Cell::Null]) } else { text };
            let spec = insert_of_one(vec![cell]);
            let messages = spec.messages(Format::Protobuf);
            assert!(messages[0].payload == Some(expected_event(&spec).encode_to_vec()), "{length} {wrapped}");
        }
    }
}

/// So do defaults, which are left out of a message but not out of a oneof, where they say which arm is set.
#[test]
fn every_arm_is_there_at_its_default_and_at_its_extremes() {
    let texts = ["", "0"].map(|text| {
        let other = Cell::Other { type_name: "", text: text.into() };
        [Cell::Decimal(text.into()), Cell::Text(text.into()), Cell::Json(text.into()), other]
    });
    let whole = [i64::MIN, -1, 0, 1, 127, 128, i64::MAX];
    let numbers = whole.map(|n| {
        let unsigned = n as u64;
        [Cell::Int(n), Cell::TimestampUs(n), Cell::TimeUs(n), Cell::Uint(unsigned), Cell::DateDays(n as i32)]
    });
    let doubles = [0.0, -0.0, f64::INFINITY, f64::MIN_POSITIVE].map(Cell::Double);
    let rest = [
        Cell::Null,
        Cell::Unchanged,
        Cell::Omitted,
        Cell::Bool(false),
        Cell::Bool(true),
        Cell::Array(vec![]),
        Cell::Uuid([0; 16]),
        Cell::Bytes(event::Bytes::Raw([].as_slice().into())),
        Cell::Bytes(event::Bytes::Hex([].as_slice().into())),
    ];
    let all = texts.into_iter().flatten().chain(numbers.into_iter().flatten()).chain(doubles).chain(rest);
    for cell in all {
        for cell in [cell.clone(), Cell::Array(vec![cell])] {
            let spec = insert_of_one(vec![cell]);
            let expected = expected_event(&spec).encode_to_vec();
            assert!(spec.messages(Format::Protobuf)[0].payload == Some(expected), "{:?}", spec.body);
        }
    }
}

fn insert_of_one(after: Row) -> Spec {
    let columns = vec![column("note", "text", 25)];
    let name = event::TableName::new("public", "orders");
    Spec {
        table: Table::new(event::TableSchema { name, columns, key: vec![0] }),
        commit: 2,
        own: 1,
        transaction: None,
        captured_time_us: 0,
        body: BodySpec::Insert { table_seq: 1, after, key_change: false, fetched: vec![] },
    }
}

/// Equality in which NaN equals itself.
fn same(left: &ChangeEvent, right: &ChangeEvent) -> bool {
    left == right || format!("{left:?}") == format!("{right:?}")
}

pub(crate) fn expected_event(spec: &Spec) -> ChangeEvent {
    let mut event = ChangeEvent {
        source: SOURCE.into(),
        epoch: EPOCH,
        position: Some(change_event::Position::Postgres(envelope::PostgresPosition {
            commit_lsn: spec.commit,
            lsn: spec.own,
        })),
        captured_time_us: spec.captured_time_us,
        ..Default::default()
    };
    if let Some(transaction) = &spec.transaction {
        event.txid = transaction.id.clone();
        event.tx_seq = transaction.seq;
        event.commit_time_us = transaction.commit_time_us;
        event.origin = transaction.origin.clone();
    }
    if !matches!(spec.body, BodySpec::Message { .. } | BodySpec::Heartbeat) {
        event.schema = spec.table.schema.name.schema.clone();
        event.table = spec.table.schema.name.table.clone();
        event.schema_fp = spec.table.fingerprint.0;
    }
    let key = |row: &Row| {
        let key = &spec.table.schema.key;
        (!key.is_empty())
            .then(|| envelope::Row { values: key.iter().map(|n| expected_value(&row[*n])).collect() })
    };
    let positions = |columns: &[usize]| columns.iter().map(|column| *column as u32).collect();
    match &spec.body {
        BodySpec::Insert { table_seq, after, key_change, fetched } => {
            event.set_op(envelope::Op::Insert);
            event.table_seq = *table_seq;
            event.key = key(after);
            event.after = Some(expected_row(after));
            event.fetched = positions(fetched);
            event.part = if *key_change { 2 } else { 0 };
        }
        BodySpec::Update { table_seq, before, after, fetched } => {
            event.set_op(envelope::Op::Update);
            event.table_seq = *table_seq;
            event.key = key(after);
            set_before(&mut event, before);
            event.after = Some(expected_row(after));
            event.fetched = positions(fetched);
        }
        BodySpec::Delete { table_seq, before, key_change } => {
            event.set_op(envelope::Op::Delete);
            event.table_seq = *table_seq;
            event.key = match before {
                BeforeSpec::None => None,
                BeforeSpec::Key(row) | BeforeSpec::Full(row) => key(row),
            };
            set_before(&mut event, before);
            event.part = u32::from(*key_change);
        }
        BodySpec::Truncate { load, table_seq, part } => {
            event.set_op(envelope::Op::Truncate);
            event.table_seq = if load.is_some() { 0 } else { *table_seq };
            event.load = load.as_ref().map(|load| expected_load(load, 0));
            event.part = *part;
        }
        BodySpec::Read { load, seq, after, .. } => {
            event.set_op(envelope::Op::Read);
            event.table_seq = *seq;
            event.key = key(after);
            event.after = Some(expected_row(after));
            event.load = Some(expected_load(load, 0));
        }
        BodySpec::LoadBegin { load, part } => {
            event.set_op(envelope::Op::LoadBegin);
            let part = part.as_ref().map(|part| envelope::LoadPart {
                filter: part.filter.clone().unwrap_or_default(),
                columns: part.columns.clone(),
            });
            event.load = Some(envelope::Load { part, ..expected_load(load, 0) });
        }
        BodySpec::LoadEnd { load, rows } => {
            event.set_op(envelope::Op::LoadEnd);
            event.load = Some(expected_load(load, *rows));
        }
        BodySpec::Message { prefix, content } => {
            event.set_op(envelope::Op::Message);
            event.message = Some(envelope::Message {
                prefix: prefix.clone(),
                content: content.clone(),
                transactional: spec.transaction.is_some(),
            });
        }
        BodySpec::Schema { load, part } => {
            event.set_op(envelope::Op::Schema);
            event.load = load.as_ref().map(|load| expected_load(load, 0));
            event.part = *part;
            event.table_schema = Some(expected_schema(&spec.table));
        }
        BodySpec::Heartbeat => event.set_op(envelope::Op::Heartbeat),
    }
    event
}

fn set_before(event: &mut ChangeEvent, before: &BeforeSpec) {
    match before {
        BeforeSpec::None => {}
        BeforeSpec::Key(row) => {
            event.before = Some(expected_row(row));
            event.set_before_kind(envelope::BeforeKind::Key);
        }
        BeforeSpec::Full(row) => {
            event.before = Some(expected_row(row));
            event.set_before_kind(envelope::BeforeKind::Full);
        }
    }
}

fn expected_row(row: &Row) -> envelope::Row {
    envelope::Row { values: row.iter().map(expected_value).collect() }
}

fn expected_value(cell: &Cell<'_>) -> envelope::Value {
    use value::Kind;
    let kind = match cell.clone() {
        Cell::Null => Kind::Null(envelope::Empty {}),
        Cell::Unchanged => Kind::Unchanged(envelope::Empty {}),
        Cell::Omitted => Kind::Omitted(envelope::Empty {}),
        Cell::Bool(value) => Kind::Bool(value),
        Cell::Int(value) => Kind::Int64(value),
        Cell::Uint(value) => Kind::Uint64(value),
        Cell::Double(value) => Kind::Double(value),
        Cell::Decimal(text) => Kind::Decimal(text.into()),
        Cell::Text(text) => Kind::String(text.into()),
        Cell::Bytes(event::Bytes::Raw(bytes)) => Kind::Bytes(bytes.into()),
        Cell::Bytes(event::Bytes::Hex(digits)) => Kind::Bytes(
            digits
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect(),
        ),
        Cell::TimestampUs(us) => Kind::TimestampUs(us),
        Cell::DateDays(days) => Kind::DateDays(days),
        Cell::TimeUs(us) => Kind::TimeUs(us),
        Cell::Uuid(bytes) => Kind::Uuid(bytes.to_vec()),
        Cell::Array(cells) => {
            Kind::Array(envelope::Array { values: cells.iter().map(expected_value).collect() })
        }
        Cell::Json(text) => Kind::Json(text.into()),
        Cell::Other { type_name, text } => {
            Kind::Other(envelope::Other { r#type: type_name.into(), text: text.into() })
        }
    };
    envelope::Value { kind: Some(kind) }
}

fn expected_load(load: &LoadSpec, rows: u64) -> envelope::Load {
    let bound = |bound: Option<KeyBound>| {
        bound.map(|bound| envelope::Row { values: vec![expected_value(&bound.cell())] })
    };
    envelope::Load {
        id: load.id.clone(),
        rows,
        from: bound(load.range.as_ref().and_then(|range| range.from)),
        to: bound(load.range.as_ref().and_then(|range| range.to)),
        part: None,
    }
}

fn expected_schema(table: &Table) -> envelope::TableSchema {
    let column = |column: &event::Column| envelope::Column {
        name: column.name.clone(),
        r#type: column.type_name.clone(),
        type_oid: column.type_oid,
        type_modifier: column.type_modifier,
    };
    envelope::TableSchema {
        schema: table.schema.name.schema.clone(),
        table: table.schema.name.table.clone(),
        columns: table.schema.columns.iter().map(column).collect(),
        key: table.schema.key.iter().map(|position| *position as u32).collect(),
    }
}

//! Every value of a `json` event reads back as what went in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::{Bytes, Cell, Column, Format, JsonBigint, JsonOptions, Lsn, Table};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::spec::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_value_reads_back(spec in any_event(), numbers in any::<bool>()) {
        let bigint = if numbers { JsonBigint::Number } else { JsonBigint::String };
        let messages = spec.messages(Format::Json(JsonOptions { bigint }));
        let payload = messages[0].payload.as_deref().unwrap();
        prop_assert!(!payload.contains(&b'\n'));
        let mut object = parse(payload);
        check_head(&spec, &messages[0], &mut object);
        check_body(&spec, &messages[0], &mut object);
        prop_assert!(object.is_empty(), "not expected: {object:?}");
    }
}

#[test]
fn decimals_and_wide_integers_keep_every_digit_in_either_form() {
    let columns = vec![column("n", "numeric", 1700), column("b", "int8", 20), column("i", "int4", 23)];
    let wide = "123456789012345678901234567890.123456789012345678901234567890";
    let after = |n: &'static str| vec![Cell::Decimal(n.into()), Cell::Int(i64::MIN), Cell::Int(-7)];
    let written = |bigint, n| {
        let spec = insert_of(columns.clone(), after(n));
        String::from_utf8(spec.messages(Format::Json(JsonOptions { bigint }))[0].payload.clone().unwrap())
            .unwrap()
    };
    let number = written(JsonBigint::Number, wide);
    assert!(
        number.contains(&format!(r#""after":{{"n":{wide},"b":-9223372036854775808,"i":-7}}"#)),
        "{number}"
    );
    let text = written(JsonBigint::String, wide);
    assert!(
        text.contains(&format!(r#""after":{{"n":"{wide}","b":"-9223372036854775808","i":-7}}"#)),
        "{text}"
    );
    for special in ["NaN", "Infinity", "-Infinity"] {
        let number = written(JsonBigint::Number, special);
        assert!(number.contains(&format!(r#""n":"{special}""#)), "{number}");
    }
}

#[test]
fn minus_zero_and_the_extremes_of_doubles_survive() {
    for value in [-0.0, 0.0, 1e-45, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, 1e21, 123_456_789.0] {
        let spec = insert_of(vec![column("d", "float8", 701)], vec![Cell::Double(value)]);
        let payload = spec.messages(Format::Json(JsonOptions::default()))[0].payload.clone().unwrap();
        let read = parse(&payload)["after"]["d"].as_f64().unwrap();
        assert_eq!(read.to_bits(), value.to_bits(), "{value:?}");
    }
}

pub(crate) fn insert_of(columns: Vec<Column>, after: Row) -> Spec {
    let name = event::TableName::new("public", "orders");
    Spec {
        table: Table::new(event::TableSchema { name, columns, key: vec![] }),
        commit: 2,
        own: 1,
        transaction: None,
        captured_time_us: 0,
        body: BodySpec::Insert { table_seq: 1, after, key_change: false, fetched: vec![] },
    }
}

fn parse(bytes: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => object,
        other => panic!("{other:?}"),
    }
}

fn check_head(spec: &Spec, sent: &Sent, object: &mut Map<String, Value>) {
    let mut take = |name: &str| object.remove(name).unwrap_or_else(|| panic!("no {name}"));
    let table = spec.event().table().map(Table::name);
    assert_eq!(take("id"), json!(sent.id));
    assert_eq!(take("source"), json!(SOURCE));
    assert_eq!(take("epoch"), json!(EPOCH));
    assert_eq!(take("schema"), json!(table.map(|name| &name.schema)));
    assert_eq!(take("table"), json!(table.map(|name| &name.table)));
    let lsn = |lsn: u64| Lsn::from(lsn).to_string();
    assert_eq!(take("position"), json!({"lsn": lsn(spec.own), "commit_lsn": lsn(spec.commit)}));
    let transaction = spec.transaction.as_ref();
    let tx = transaction.map(|transaction| json!({"id": transaction.id, "seq": transaction.seq}));
    assert_eq!(take("tx"), json!(tx));
    assert_eq!(take("origin"), json!(transaction.and_then(|transaction| transaction.origin.as_ref())));
    let commit_time = take("commit_time");
    let commit_time = commit_time.as_str().map(|text| timestamp_us(text.strip_suffix('Z').unwrap()));
    assert_eq!(commit_time, transaction.map(|transaction| transaction.commit_time_us));
    let captured_time = take("captured_time");
    let captured_time = captured_time.as_str().unwrap().strip_suffix('Z').unwrap();
    assert_eq!(timestamp_us(captured_time), spec.captured_time_us);
}

fn check_body(spec: &Spec, sent: &Sent, object: &mut Map<String, Value>) {
    let mut take = |name: &str| object.remove(name).unwrap_or_else(|| panic!("no {name}"));
    let seq = take("table_seq");
    let op = take("op");
    let schema = &spec.table.schema;
    let names = |positions: &[usize]| -> Value {
        positions.iter().map(|position| schema.columns[*position].name.clone()).collect()
    };
    let mut check_rows = |before: Option<&Row>, after: Option<&Row>, fetched: &[usize]| {
        check_row(schema, before, &take("before"));
        check_row(schema, after, &take("after"));
        let row = after.or(before).cloned().unwrap_or_default();
        let missing = |kind: Cell<'static>| -> Vec<usize> {
            row.iter().enumerate().filter(|(_, cell)| **cell == kind).map(|(n, _)| n).collect()
        };
        assert_eq!(take("unchanged"), names(&missing(Cell::Unchanged)));
        assert_eq!(take("omitted"), names(&missing(Cell::Omitted)));
        assert_eq!(take("fetched"), names(fetched));
        let key = take("key");
        let keyed = after.or(before).filter(|_| !schema.key.is_empty());
        assert_eq!(key.is_null(), keyed.is_none());
        assert_eq!(sent.key.as_deref().map(parse).map_or(Value::Null, Value::Object), key, "the message key");
        if let Some(row) = keyed {
            let in_key = |(n, cell): (usize, &Cell<'static>)| {
                if schema.key.contains(&n) { cell.clone() } else { Cell::Omitted }
            };
            check_row(schema, Some(&row.iter().enumerate().map(in_key).collect()), &key);
        }
    };
    fn old(before: &BeforeSpec) -> Option<&Row> {
        match before {
            BeforeSpec::None => None,
            BeforeSpec::Key(row) | BeforeSpec::Full(row) => Some(row),
        }
    }
    match &spec.body {
        BodySpec::Insert { table_seq, after, fetched, .. } => {
            assert_eq!((op, seq), (json!("insert"), json!(table_seq)));
            check_rows(None, Some(after), fetched);
        }
        BodySpec::Update { table_seq, before, after, fetched } => {
            assert_eq!((op, seq), (json!("update"), json!(table_seq)));
            check_rows(old(before), Some(after), fetched);
        }
        BodySpec::Delete { table_seq, before, .. } => {
            assert_eq!((op, seq), (json!("delete"), json!(table_seq)));
            check_rows(old(before), None, &[]);
        }
        BodySpec::Truncate { load: Some(load), .. } => {
            assert_eq!((op, seq), (json!("truncate"), Value::Null));
            check_load(spec, load, None, &take("load"));
        }
        BodySpec::Truncate { load: None, table_seq, .. } => {
            assert_eq!((op, seq), (json!("truncate"), json!(table_seq)));
        }
        BodySpec::Read { load, seq: load_seq, after, .. } => {
            assert_eq!((op, seq), (json!("read"), json!(load_seq)));
            check_rows(None, Some(after), &[]);
            check_load(spec, load, None, &take("load"));
        }
        BodySpec::LoadBegin { load, part } => {
            assert_eq!((op, seq), (json!("load_begin"), Value::Null));
            check_load(spec, load, None, &take("load"));
            if let Some(part) = part {
                assert_eq!(take("part"), json!({"filter": part.filter, "columns": part.columns}));
            }
        }
        BodySpec::LoadEnd { load, rows } => {
            assert_eq!((op, seq), (json!("load_end"), Value::Null));
            check_load(spec, load, Some(*rows), &take("load"));
        }
        BodySpec::Message { prefix, content } => {
            assert_eq!((op, seq), (json!("message"), Value::Null));
            let transactional = spec.transaction.is_some();
            let content = STANDARD.encode(content);
            let expected = json!({"prefix": prefix, "content": content, "transactional": transactional});
            assert_eq!(take("message"), expected);
        }
        BodySpec::Schema { load, .. } => {
            assert_eq!((op, seq), (json!("schema"), Value::Null));
            let columns = schema.columns.iter().map(|column| {
                json!({"name": column.name, "type": column.type_name, "type_oid": column.type_oid,
                       "type_modifier": column.type_modifier})
            });
            let fingerprint = format!("{:016x}", spec.table.fingerprint.0);
            let columns: Value = columns.collect();
            let expected = json!({"fingerprint": fingerprint, "columns": columns, "key": names(&schema.key)});
            assert_eq!(take("table_schema"), expected);
            if let Some(load) = load {
                check_load(spec, load, None, &take("load"));
            }
        }
        BodySpec::Heartbeat => assert_eq!((op, seq), (json!("heartbeat"), Value::Null)),
    }
}

fn check_load(spec: &Spec, load: &LoadSpec, rows: Option<u64>, found: &Value) {
    assert_eq!((&found["id"], &found["rows"]), (&json!(load.id), &json!(rows)));
    let range = load.range.as_ref();
    // A range is written as its key column's values are; without a key no such range is read.
    let Some(key) = spec.table.schema.key.first() else { return };
    let column = &spec.table.schema.columns[*key];
    for (bound, found) in
        [(range.and_then(|r| r.from), &found["from"]), (range.and_then(|r| r.to), &found["to"])]
    {
        match bound {
            None => assert!(found.is_null()),
            Some(bound) => assert_same(&read_back(&bound.cell(), column, found), &bound.cell()),
        }
    }
}

fn check_row(schema: &event::TableSchema, row: Option<&Row>, found: &Value) {
    let Some(row) = row else { return assert!(found.is_null()) };
    let mut found = found.as_object().unwrap().clone();
    for (column, cell) in schema.columns.iter().zip(row) {
        match (cell, found.remove(&column.name)) {
            (Cell::Unchanged | Cell::Omitted, None) => {}
            (cell, Some(value)) => assert_same(&read_back(cell, column, &value), cell),
            (cell, None) => panic!("{} = {cell:?} is missing", column.name),
        }
    }
    assert!(found.is_empty(), "not in the row: {found:?}");
}

/// The value as a cell of the same arm.
pub(crate) fn read_back(like: &Cell<'_>, column: &Column, value: &Value) -> Cell<'static> {
    let text = || value.as_str().unwrap_or_else(|| panic!("{value} for {like:?}")).to_owned();
    let whole = |text: &str| text.parse().unwrap();
    match like {
        Cell::Null => {
            assert!(value.is_null());
            Cell::Null
        }
        Cell::Bool(_) => Cell::Bool(value.as_bool().unwrap()),
        Cell::Int(_) if column.type_name.contains("int2") || column.type_name.contains("int4") => {
            Cell::Int(value.as_i64().expect("narrow integers are numbers"))
        }
        Cell::Int(_) => Cell::Int(value.as_i64().unwrap_or_else(|| whole(&text()))),
        Cell::Uint(_) => Cell::Uint(value.as_u64().unwrap_or_else(|| text().parse().unwrap())),
        Cell::Double(_) => Cell::Double(value.as_f64().unwrap_or_else(|| text().parse().unwrap())),
        Cell::Decimal(decimal) => match value.as_f64() {
            // Read through a double here: the digits themselves have a test of their own.
            Some(rounded) => {
                assert_eq!(rounded, decimal.parse::<f64>().unwrap());
                Cell::Decimal(decimal.to_string().into())
            }
            None => Cell::Decimal(text().into()),
        },
        Cell::Text(_) => Cell::Text(text().into()),
        Cell::Json(_) => Cell::Json(text().into()),
        Cell::Other { .. } => Cell::Other { type_name: "interval", text: text().into() },
        Cell::Bytes(_) => Cell::Bytes(Bytes::Raw(STANDARD.decode(text()).unwrap().into())),
        Cell::TimestampUs(_) if column.type_name.contains("timestamptz") => {
            Cell::TimestampUs(timestamp_us(text().strip_suffix('Z').unwrap()))
        }
        Cell::TimestampUs(_) => Cell::TimestampUs(timestamp_us(&text())),
        Cell::DateDays(_) => Cell::DateDays(days(&text()).try_into().unwrap()),
        Cell::TimeUs(_) => Cell::TimeUs(time_us(&text())),
        Cell::Uuid(_) => {
            let text = text();
            let lengths: Vec<usize> = text.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            Cell::Uuid(u128::from_str_radix(&text.replace('-', ""), 16).unwrap().to_be_bytes())
        }
        Cell::Array(cells) => {
            let values = value.as_array().unwrap();
            assert_eq!(values.len(), cells.len());
            Cell::Array(
                cells.iter().zip(values).map(|(cell, value)| read_back(cell, column, value)).collect(),
            )
        }
        Cell::Unchanged | Cell::Omitted => unreachable!("left out of rows"),
    }
}

/// Equality in which NaN equals itself and 0.0 does not equal -0.0.
pub(crate) fn assert_same(left: &Cell<'_>, right: &Cell<'_>) {
    assert!(left == right || format!("{left:?}") == format!("{right:?}"), "{left:?} is not {right:?}");
    assert_eq!(format!("{left:?}").contains("-0.0)"), format!("{right:?}").contains("-0.0)"));
}

fn timestamp_us(text: &str) -> i64 {
    let (date, time) = text.split_once('T').unwrap();
    let us = i128::from(days(date)) * 86_400_000_000 + i128::from(time_us(time));
    us.try_into().unwrap()
}

fn time_us(text: &str) -> i64 {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "000000"));
    assert_eq!(fraction.len(), 6);
    let parts: Vec<i64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    (parts[0] * 3600 + parts[1] * 60 + parts[2]) * 1_000_000 + fraction.parse::<i64>().unwrap()
}

/// Counted in whole years and months from 0000-01-01, which is 719,528 days before 1970.
fn days(text: &str) -> i64 {
    let (signed, rest) = match text.as_bytes()[0] {
        b'+' | b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let parts: Vec<i64> = rest.split('-').map(|part| part.parse().unwrap()).collect();
    let year_digits = rest.find('-').unwrap();
    assert!(if signed { year_digits >= 6 } else { year_digits == 4 }, "{text}");
    let (year, month, day) = (if text.starts_with('-') { -parts[0] } else { parts[0] }, parts[1], parts[2]);
    let leaps = |years: i64| years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let february = if leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    assert!((1..=12).contains(&month) && (1..=months[month as usize - 1]).contains(&day), "{text}");
    let days_of_months: i64 = months[..month as usize - 1].iter().sum();
    365 * year + leaps(year - 1) + 1 + days_of_months + day - 1 - 719_528
}

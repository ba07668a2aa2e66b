//! `debezium-json` as its consumers read it: values by their schemas, rows complete, unknown operations elsewhere.

use event::{
    Cell, Column, DebeziumDecimals, DebeziumOptions, DebeziumTimes, Format, JsonOptions, Route, TableSchema,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::json::{assert_same, insert_of, read_back};
use super::spec::*;

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn is_row(spec: &Spec) -> bool {
    use BodySpec::{Delete, Insert, Read, Update};
    matches!(spec.body, Insert { .. } | Update { .. } | Delete { .. } | Read { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_value_reads_back(spec in any_event()) {
        let messages = spec.messages(Format::DebeziumJson(DebeziumOptions::default()));
        let payload = messages[0].payload.as_deref().unwrap();
        prop_assert!(!payload.contains(&b'\n'));
        if !is_row(&spec) {
            prop_assert_eq!(&messages[0].route, &Route::Control);
            let json = spec.messages(Format::Json(JsonOptions::default()));
            prop_assert_eq!(&messages[0].payload, &json[0].payload, "as the json format has it");
            return Ok(());
        }
        let event = parse(payload);
        let schema = &spec.table.schema;
        let (op, before, after) = match &spec.body {
            BodySpec::Insert { after, .. } => ("c", &BeforeSpec::None, Some(after)),
            BodySpec::Update { before, after, .. } => ("u", before, Some(after)),
            BodySpec::Delete { before, .. } => ("d", before, None),
            BodySpec::Read { after, .. } => ("r", &BeforeSpec::None, Some(after)),
            _ => unreachable!(),
        };
        prop_assert_eq!(&event["op"], op);
        match before {
            BeforeSpec::None => prop_assert!(event["before"].is_null()),
            BeforeSpec::Full(row) => check_row(schema, row, &event["before"]),
            BeforeSpec::Key(row) => {
                let or_null = |cell: &Cell<'static>| match cell {
                    Cell::Omitted => Cell::Null,
                    cell => cell.clone(),
                };
                check_row(schema, &row.iter().map(or_null).collect(), &event["before"]);
            }
        }
        match after {
            None => prop_assert!(event["after"].is_null()),
            Some(row) => check_row(schema, row, &event["after"]),
        }
        let is_delete = after.is_none() && !matches!(before, BeforeSpec::None);
        prop_assert_eq!(messages.len(), if is_delete && !schema.key.is_empty() { 2 } else { 1 });
        prop_assert!(messages[1..].iter().all(|message| message.payload.is_none()));
    }

    #[test]
    fn every_value_fits_its_schema(spec in any_event(), choice in 0..12_usize) {
        let options = DebeziumOptions {
            schemas: true,
            decimal: [DebeziumDecimals::String, DebeziumDecimals::Precise, DebeziumDecimals::Double][choice % 3],
            time: [DebeziumTimes::Iso, DebeziumTimes::Adaptive][choice / 3 % 2],
            before_key: choice / 6 == 0,
            ..DebeziumOptions::default()
        };
        let messages = spec.messages(Format::DebeziumJson(options));
        if !is_row(&spec) {
            return Ok(());
        }
        let event = parse(messages[0].payload.as_deref().unwrap());
        check_fits(&event["schema"], &event["payload"], "");
        let name = event["schema"]["name"].as_str().unwrap();
        prop_assert!(name.ends_with(".Envelope"), "{name}");
        for message in &messages {
            if let Some(key) = &message.key {
                let key = parse(key);
                check_fits(&key["schema"], &key["payload"], "key");
            }
        }
    }
}

fn check_row(schema: &TableSchema, row: &Row, found: &Value) {
    assert_eq!(found.as_object().unwrap().len(), schema.columns.len(), "every column is there");
    for (column, cell) in schema.columns.iter().zip(row) {
        let value = &found[&column.name];
        match cell {
            Cell::Unchanged | Cell::Omitted => assert!(is_unavailable(value, column), "{value} {column:?}"),
            cell => assert_same(&read_back(cell, column, value), cell),
        }
    }
}

fn is_unavailable(value: &Value, column: &Column) -> bool {
    let text = json!("__debezium_unavailable_value");
    let base64 = json!("X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==");
    match column.type_name.as_str() {
        "bytea" => *value == base64,
        "_bytea" => *value == json!([base64]),
        "_int2" | "_int4" | "_int8" | "_float8" => *value == json!("__debezium_unavailable_value".as_bytes()),
        array if array.starts_with('_') => *value == json!([text]),
        _ => *value == text,
    }
}

/// What Kafka Connect's JSON converter would take without loss. A nested array is more than its schema can say, and
/// a decimal's special value more than its type can: both are passed over.
fn check_fits(schema: &Value, value: &Value, path: &str) {
    if value.is_null() {
        // A generated row may lack its key; a database's row does not.
        let is_column = path.contains("before") || path.contains("after") || path.starts_with("key/");
        return assert!(schema["optional"] == true || is_column, "{path} is null");
    }
    if *value == "__debezium_unavailable_value" {
        // Types of fixed width, which have no other form of it, are never left out by a database.
        return;
    }
    let is_special = value.get("special").is_some();
    let range = |bits: u32| -(1_i64 << (bits - 1))..=(1_i64 << (bits - 1)) - 1;
    let fits = match schema["type"].as_str().unwrap() {
        "struct" if is_special => true,
        "struct" => {
            let fields = schema["fields"].as_array().unwrap();
            for field in fields {
                let name = field["field"].as_str().unwrap();
                let inner = value.get(name).unwrap_or_else(|| panic!("{path} has no {name}"));
                check_fits(field, inner, &format!("{path}/{name}"));
            }
            value.as_object().unwrap().len() == fields.len()
        }
        "array" => {
            for inner in value.as_array().unwrap().iter().filter(|inner| !inner.is_array()) {
                check_fits(&schema["items"], inner, path);
            }
            true
        }
        "boolean" => value.is_boolean(),
        "int16" => value.as_i64().is_some_and(|value| range(16).contains(&value)),
        "int32" => value.as_i64().is_some_and(|value| range(32).contains(&value)),
        // No log is longer than 2^63 bytes, but the generated places in it are anywhere.
        "int64" => value.is_i64() || path == "/source/lsn",
        "float" | "double" => value.is_number() || is_not_finite(value),
        "string" => value.is_string(),
        "bytes" => is_special || value.as_str().is_some_and(|text| text.len().is_multiple_of(4)),
        other => panic!("no such type: {other}"),
    };
    assert!(fits, "{path}: {value} for {schema}");
}

fn is_not_finite(value: &Value) -> bool {
    ["NaN", "Infinity", "-Infinity"].map(|text| json!(text)).contains(value)
}

#[test]
fn fewer_digits_of_a_second_make_milliseconds() {
    let typed = |name: &str, modifier| Column { type_modifier: modifier, ..column(name, name, 1083) };
    let row = vec![Cell::TimestampUs(1_767_323_045_678_000), Cell::TimeUs(11_045_678_000)];
    for (modifier, timestamp, time) in [
        (3, 1_767_323_045_678_i64, 11_045_678_i64),
        (6, 1_767_323_045_678_000, 11_045_678_000),
        (-1, 1_767_323_045_678_000, 11_045_678_000),
    ] {
        let spec = insert_of(vec![typed("timestamp", modifier), typed("time", modifier)], row.clone());
        let options = DebeziumOptions { time: DebeziumTimes::Adaptive, ..DebeziumOptions::default() };
        let event = parse(spec.messages(Format::DebeziumJson(options))[0].payload.as_deref().unwrap());
        assert_eq!(event["after"], json!({"timestamp": timestamp, "time": time}), "{modifier}");
    }
}

#[test]
fn special_decimals_are_never_taken_for_base64() {
    let columns = || vec![Column { type_modifier: (10 << 16 | 2) + 4, ..column("n", "numeric", 1700) }];
    let options = DebeziumOptions { decimal: DebeziumDecimals::Precise, ..DebeziumOptions::default() };
    for (text, expected) in [
        ("10.10", json!("A/I=")),
        ("-10.10", json!("/A4=")),
        ("NaN", json!({"special": "NaN"})),
        ("Infinity", json!({"special": "Infinity"})),
    ] {
        let spec = insert_of(columns(), vec![Cell::Decimal(text.into())]);
        let event =
            parse(spec.messages(Format::DebeziumJson(options.clone()))[0].payload.as_deref().unwrap());
        assert_eq!(event["after"]["n"], expected);
    }
}

//! The same for the format `json`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use event::envelope::TableSchema;
use serde_json::Value;

use super::Object;
use super::literal::{constructed, hex, quoted};

pub(super) fn literals(schema: &TableSchema, rows: &[Object]) -> Vec<Vec<String>> {
    let of_row = |row: &Object| {
        schema.columns.iter().map(|column| literal(&row[&column.name], &column.r#type)).collect()
    };
    rows.iter().map(of_row).collect()
}

fn literal(value: &Value, type_name: &str) -> String {
    match (value, type_name) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Bool(value), _) => quoted(&value.to_string()),
        (Value::Number(number), _) => quoted(&number.to_string()),
        (Value::String(text), "bytea") => {
            quoted(&format!("\\x{}", hex(&BASE64_STANDARD.decode(text).expect("base64"))))
        }
        (Value::String(text), "date" | "timestamp" | "timestamptz") => quoted(&with_era(text)),
        (Value::String(text), _) => quoted(text),
        (Value::Array(elements), _) => {
            let element = type_name.strip_prefix('_').expect("an array's type");
            let elements = elements.iter().map(|value| match value {
                Value::Array(_) => literal(value, type_name),
                _ => literal(value, element),
            });
            constructed(elements.collect(), type_name)
        }
        (Value::Object(_), _) => panic!("{type_name} as an object"),
    }
}

/// ISO 8601 counts years through zero and gives far ones a sign; the server counts from 1 in both directions.
fn with_era(text: &str) -> String {
    let (sign, unsigned) = match text.as_bytes() {
        [b'-', digit, ..] if digit.is_ascii_digit() => (-1, &text[1..]),
        [b'+', ..] => (1, &text[1..]),
        _ => (1, text),
    };
    let Some((year, rest)) = unsigned.split_once('-') else { return text.to_owned() };
    let Ok(year) = year.parse::<i64>() else { return text.to_owned() };
    match sign * year {
        year @ 1.. => format!("{year:04}-{rest}"),
        year => format!("{:04}-{rest} BC", 1 - year),
    }
}

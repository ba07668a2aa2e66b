//! A value's text to its cell and back, for values that are made up by the thousand.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fmt::Debug;

use common::render::server_text;
use decoder::{ColumnType, copy};
use event::{Bytes, Cell};
use proptest::prelude::*;

/// All that a database can hold of a type that has an arm of its own, except what has no text of its own kind.
fn value(type_name: &'static str) -> BoxedStrategy<Cell<'static>> {
    const FIRST_DAY: i32 = -2_440_588;
    let float = || any::<f64>().prop_filter("compares", |value| !value.is_nan());
    match type_name {
        "bool" => any::<bool>().prop_map(Cell::Bool).boxed(),
        "int8" => any::<i64>().prop_map(Cell::Int).boxed(),
        "oid" => any::<u32>().prop_map(|oid| Cell::Uint(oid.into())).boxed(),
        "float8" => float().prop_map(Cell::Double).boxed(),
        "float4" => any::<f32>()
            .prop_filter("compares", |value| !value.is_nan())
            .prop_map(|value| Cell::Double(value.to_string().parse().unwrap()))
            .boxed(),
        "numeric" => {
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?".prop_map(|text| Cell::Decimal(text.into())).boxed()
        }
        "text" => text().prop_map(|text| Cell::Text(text.into())).boxed(),
        "json" => text().prop_map(|text| Cell::Json(text.into())).boxed(),
        "bytea" => any::<Vec<u8>>().prop_map(|bytes| Cell::Bytes(Bytes::Raw(bytes.into()))).boxed(),
        "date" => (FIRST_DAY..=2_145_042_905).prop_map(Cell::DateDays).boxed(),
        "time" => (0..=86_400_000_000i64).prop_map(Cell::TimeUs).boxed(),
        "timestamp" | "timestamptz" => prop_oneof![
            i64::from(FIRST_DAY) * 86_400_000_000..=i64::MAX,
            // Most of all values are far from home.
            -100_000_000_000_000_000..100_000_000_000_000_000i64,
            (-10_000..10_000i64).prop_map(|days| days * 86_400_000_000),
        ]
        .prop_map(Cell::TimestampUs)
        .boxed(),
        "uuid" => any::<[u8; 16]>().prop_map(Cell::Uuid).boxed(),
        "interval" => {
            text().prop_map(|text| Cell::Other { type_name: "interval", text: text.into() }).boxed()
        }
        name => array(name.strip_prefix('_').unwrap()),
    }
}

/// With more of what arrays and COPY have to escape than chance would bring.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[\\\\\",{};\t\n\r\x08\x0B\x0C a-cN]{0,12}",
        Just("NULL".to_owned()),
        Just("\\N".to_owned())
    ]
}

fn array(element: &'static str) -> BoxedStrategy<Cell<'static>> {
    let cells = prop::collection::vec(prop_oneof![9 => value(element), 1 => Just(Cell::Null)], 1..5);
    let one = cells.prop_map(Cell::Array).boxed();
    let two = prop::collection::vec(one.clone(), 1..4).prop_map(Cell::Array).boxed();
    prop_oneof![Just(Cell::Array(vec![])), one, two].boxed()
}

const TYPES: &[&str] = &[
    "bool",
    "int8",
    "oid",
    "float8",
    "float4",
    "numeric",
    "text",
    "json",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "interval",
    "_bool",
    "_int8",
    "_oid",
    "_float8",
    "_float4",
    "_numeric",
    "_text",
    "_json",
    "_bytea",
    "_date",
    "_time",
    "_timestamp",
    "_timestamptz",
    "_uuid",
    "_interval",
];

/// A row of some types, as every reader hands them over.
fn row() -> impl Strategy<Value = Vec<(&'static str, Cell<'static>)>> {
    let column = proptest::sample::select(TYPES)
        .prop_flat_map(|name| (Just(name), prop_oneof![9 => value(name), 1 => Just(Cell::Null)]));
    prop::collection::vec(column, 1..8)
}

/// `CopyAttributeOutText`.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\\' => out += "\\\\",
            '\x08' => out += "\\b",
            '\t' => out += "\\t",
            '\n' => out += "\\n",
            '\x0B' => out += "\\v",
            '\x0C' => out += "\\f",
            '\r' => out += "\\r",
            other => out.push(other),
        }
    }
    out
}

fn assert_same(left: impl Debug, right: impl Debug) {
    // Zeroes with a sign and infinities have a text of their own.
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}

/// Raw and hexadecimal bytes are the same value in two forms.
fn raw(cell: &Cell<'_>) -> Cell<'static> {
    match cell {
        Cell::Bytes(bytes) => {
            let mut out = Vec::new();
            bytes.append_to(&mut out);
            Cell::Bytes(Bytes::Raw(out.into()))
        }
        Cell::Array(cells) => Cell::Array(cells.iter().map(raw).collect()),
        Cell::Text(text) => Cell::Text(text.clone().into_owned().into()),
        Cell::Json(text) => Cell::Json(text.clone().into_owned().into()),
        Cell::Decimal(text) => Cell::Decimal(text.clone().into_owned().into()),
        Cell::Other { type_name: "interval", text } => {
            Cell::Other { type_name: "interval", text: text.clone().into_owned().into() }
        }
        Cell::Other { type_name, text } => panic!("{type_name}: {text}"),
        Cell::Bool(value) => Cell::Bool(*value),
        Cell::Int(value) => Cell::Int(*value),
        Cell::Uint(value) => Cell::Uint(*value),
        Cell::Double(value) => Cell::Double(*value),
        Cell::TimestampUs(value) => Cell::TimestampUs(*value),
        Cell::DateDays(value) => Cell::DateDays(*value),
        Cell::TimeUs(value) => Cell::TimeUs(*value),
        Cell::Uuid(value) => Cell::Uuid(*value),
        Cell::Null => Cell::Null,
        Cell::Unchanged | Cell::Omitted => panic!("{cell:?} in a text"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn a_row_comes_back_from_the_stream_and_from_copy(columns in row()) {
        let types: Vec<_> = columns.iter().map(|(name, _)| ColumnType::new(name)).collect();
        let texts: Vec<_> = columns.iter().map(|(name, cell)| server_text(cell, name)).collect();
        for ((column_type, (_, cell)), text) in types.iter().zip(&columns).zip(&texts) {
            if *cell != Cell::Null {
                assert_same(raw(&column_type.cell(text.as_bytes())), cell);
                assert_same(raw(&column_type.cell_of(text.clone().into_bytes().into())), cell);
            }
        }
        let fields = columns.iter().zip(&texts).map(|((_, cell), text)| match cell {
            Cell::Null => "\\N".to_owned(),
            _ => escaped(text),
        });
        let line = fields.collect::<Vec<_>>().join("\t") + "\n";
        let mut cells = Vec::new();
        for line in copy::lines(line.as_bytes()) {
            copy::row(&types, line, &mut cells).unwrap();
        }
        let cells: Vec<_> = cells.iter().map(raw).collect();
        let expected: Vec<_> = columns.into_iter().map(|(_, cell)| cell).collect();
        assert_same(cells, expected);
    }

    #[test]
    fn any_text_is_held_by_its_arm_or_kept_as_it_is(
        text in prop_oneof![any::<Vec<u8>>(), "[-+0-9: .{},\"\\\\BCNULe]{0,30}".prop_map(String::into_bytes)],
        name in proptest::sample::select(TYPES),
    ) {
        common::assert_held(&ColumnType::new(name), &text);
    }

    #[test]
    fn any_line_is_a_row_or_refused(line: Vec<u8>) {
        let types = [ColumnType::new("int4"), ColumnType::new("_text"), ColumnType::new("bytea")];
        for line in copy::lines(&line) {
            let _ = copy::row(&types, line, &mut Vec::new());
        }
    }
}

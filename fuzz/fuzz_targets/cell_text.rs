//! A value's text under every type that has an arm of its own: the cell says what the text says.
#![no_main]

#[path = "../../crates/decoder/tests/common/mod.rs"]
mod common;

use decoder::ColumnType;
use libfuzzer_sys::fuzz_target;

const TYPES: &[&str] = &[
    "bool", "int8", "oid", "float4", "float8", "numeric", "text", "bytea", "date", "time", "timestamp", "timestamptz",
    "uuid", "json", "interval",
];

fuzz_target!(|data: &[u8]| {
    let Some((name, text)) = data.split_first() else { return };
    common::assert_held(&ColumnType::new(TYPES[usize::from(*name) % TYPES.len()]), text);
});

//! An array's text: the cell says what the text says, wherever the text lies.
#![no_main]

#[path = "../../crates/decoder/tests/common/mod.rs"]
mod common;

use decoder::ColumnType;
use libfuzzer_sys::fuzz_target;

const TYPES: &[&str] = &["_bool", "_int4", "_float8", "_numeric", "_text", "_bytea", "_timestamptz", "_json", "_box"];

fuzz_target!(|data: &[u8]| {
    let Some((name, text)) = data.split_first() else { return };
    let column_type = ColumnType::new(TYPES[usize::from(*name) % TYPES.len()]);
    common::assert_held(&column_type, text);
    let (borrowed, owned) = (column_type.cell(text), column_type.cell_of(text.to_vec().into()));
    assert_eq!(format!("{borrowed:?}"), format!("{owned:?}"));
});

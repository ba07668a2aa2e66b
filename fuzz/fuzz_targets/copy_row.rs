//! A CopyData payload, as a row of a table with columns of every kind.
#![no_main]

use decoder::{ColumnType, copy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let all = ["int4", "text", "_text", "bytea", "timestamptz", "public.mood"].map(ColumnType::new);
    let Some((columns, payload)) = data.split_first() else { return };
    let types = &all[..usize::from(*columns) % (all.len() + 1)];
    for line in copy::lines(payload) {
        let mut cells = Vec::new();
        if copy::row(types, line, &mut cells).is_ok() {
            assert_eq!(cells.len(), types.len());
        }
    }
});

//! placeholder
use crate::{Cell, Event, Table};

/// How the `json` format writes what JSON has no exact form for.
#[derive(Clone, Debug, Default)]
pub struct JsonOptions {
    /// How 64-bit integers are written.
    pub bigint: JsonBigint,
}

/// 64-bit integers in JSON: beyond 2^53 many readers round numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonBigint {
    /// `"9007199254740993"`.
    #[default]
    String,
    /// `9007199254740993`.
    Number,
}

pub(super) fn write_key(_table: &Table, _row: &[Cell<'_>], _options: &JsonOptions, _out: &mut Vec<u8>) {}

pub(super) fn write_event(
    _source: &str,
    _epoch: u64,
    _event: &Event<'_>,
    _options: &JsonOptions,
    _out: &mut Vec<u8>,
) {
}

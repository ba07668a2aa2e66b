//! One cell as a JSON value.

use std::io::Write as _;

use super::temporal::{write_date, write_time, write_timestamp};
use super::text::{write_bytes, write_text, write_uuid};
use super::{DOCUMENT, JsonBigint, JsonOptions};
use crate::{Cell, Column};

/// Appends a column's value.
pub(super) fn write_value(cell: &Cell<'_>, column: &Column, options: &JsonOptions, out: &mut Vec<u8>) {
    match cell {
        // The last two are left out of rows, and no array holds them.
        Cell::Null | Cell::Unchanged | Cell::Omitted => out.extend_from_slice(b"null"),
        Cell::Bool(value) => write_bool(*value, out),
        Cell::Int(value) => write_integer(itoa::Buffer::new().format(*value), column, options, out),
        Cell::Uint(value) => write_integer(itoa::Buffer::new().format(*value), column, options, out),
        Cell::Double(value) => write_double(*value, out),
        Cell::Decimal(text) if options.bigint == JsonBigint::Number && is_number(text) => {
            out.extend_from_slice(text.as_bytes());
        }
        Cell::Json(text) if column.type_name == DOCUMENT => out.extend_from_slice(text.as_bytes()),
        Cell::Decimal(text) | Cell::Text(text) | Cell::Json(text) | Cell::Other { text, .. } => {
            write_text(text, out);
        }
        Cell::Bytes(bytes) => write_bytes(bytes, out),
        Cell::TimestampUs(us) => quoted(out, |out| {
            write_timestamp(*us, out);
            if is_zoned(column) {
                out.push(b'Z');
            }
        }),
        Cell::DateDays(days) => quoted(out, |out| write_date(*days, out)),
        Cell::TimeUs(us) => quoted(out, |out| write_time(*us, out)),
        Cell::Uuid(bytes) => write_uuid(bytes, out),
        Cell::Array(cells) => write_array(cells, out, |cell, out| write_value(cell, column, options, out)),
    }
}

pub(in crate::encode) fn write_bool(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// The shortest number that reads back exactly; what JSON has no number for, as text.
pub(in crate::encode) fn write_double(value: f64, out: &mut Vec<u8>) {
    _ = match value {
        _ if value.is_nan() => write!(out, "\"NaN\""),
        f64::INFINITY => write!(out, "\"Infinity\""),
        f64::NEG_INFINITY => write!(out, "\"-Infinity\""),
        // Debug keeps the sign of -0.0 and turns to exponents where digits alone would be hundreds.
        _ => write!(out, "{value:?}"),
    };
}

pub(in crate::encode) fn write_array<'a>(
    cells: &[Cell<'a>],
    out: &mut Vec<u8>,
    write: impl Fn(&Cell<'a>, &mut Vec<u8>),
) {
    out.push(b'[');
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(cell, out);
    }
    out.push(b']');
}

pub(in crate::encode) fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn write_integer(digits: &str, column: &Column, options: &JsonOptions, out: &mut Vec<u8>) {
    if options.bigint == JsonBigint::Number || is_narrow(column) {
        out.extend_from_slice(digits.as_bytes());
    } else {
        quoted(out, |out| out.extend_from_slice(digits.as_bytes()));
    }
}

/// Whether the column's integers fit 32 bits. One whose type is not known for it does not: a column's values are
/// either all numbers or all strings. A domain is called by its base type, so names tell what OIDs don't.
fn is_narrow(column: &Column) -> bool {
    let name = column.type_name.strip_suffix(" unsigned").unwrap_or(&column.type_name);
    matches!(
        name.strip_prefix('_').unwrap_or(name),
        "int2" | "int4" | "oid" | "tinyint" | "smallint" | "mediumint" | "int" | "year"
    )
}

/// Whether the column's timestamps are instants rather than clock readings: MySQL's `timestamp` is, PostgreSQL's is not.
fn is_zoned(column: &Column) -> bool {
    let is_mysql_s = column.type_oid == 0 && column.type_name == "timestamp";
    is_mysql_s || matches!(column.type_name.as_str(), "timestamptz" | "_timestamptz")
}

/// Whether a decimal's text is a JSON number as it stands: not `NaN`, not `Infinity`.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

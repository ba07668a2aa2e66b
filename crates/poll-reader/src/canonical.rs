//! Cells as bytes: the one form that is compared, kept as a key, and made into events again.
//!
//! Each cell is its kind, then its length, then that many bytes; NULL is a kind of its own. So two rows have the same
//! bytes only if they have the same cells: no separator can be part of a value, no empty text is a NULL, and `1` the
//! number is not `1` the text. Integers come as few big-endian bytes, so that keys that count up are neighbours on disk.
//!
//! The form is kept in state files: it may never change without another [`FORM`].

use std::borrow::Cow;

use event::{Bytes, Cell};

/// Grows with every change of what is written here: rows that were hashed in another form are not compared.
pub(crate) const FORM: u8 = 1;

const NULL: u8 = 0;
const UNCHANGED: u8 = 1;
const OMITTED: u8 = 2;
const BOOL: u8 = 3;
const INT: u8 = 4;
const UINT: u8 = 5;
const DOUBLE: u8 = 6;
const DECIMAL: u8 = 7;
const TEXT: u8 = 8;
const BYTES: u8 = 9;
const TIMESTAMP_US: u8 = 10;
const DATE_DAYS: u8 = 11;
const TIME_US: u8 = 12;
const UUID: u8 = 13;
const ARRAY: u8 = 14;
const JSON: u8 = 15;
const OTHER: u8 = 16;

/// Appends a cell.
pub(crate) fn write(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.push(NULL),
        Cell::Unchanged => out.push(UNCHANGED),
        Cell::Omitted => out.push(OMITTED),
        Cell::Bool(value) => field(BOOL, &[u8::from(*value)], out),
        Cell::Int(value) => signed(INT, *value, out),
        Cell::Uint(value) => {
            let bytes = value.to_be_bytes();
            let skipped = (value.leading_zeros() / 8) as usize;
            field(UINT, bytes.get(skipped..).unwrap_or_default(), out);
        }
        // By its bits: -0 is not 0, and a NaN equals itself.
        Cell::Double(value) => field(DOUBLE, &value.to_bits().to_be_bytes(), out),
        Cell::Decimal(text) => field(DECIMAL, text.as_bytes(), out),
        Cell::Text(text) => field(TEXT, text.as_bytes(), out),
        Cell::Bytes(bytes) => {
            head(BYTES, bytes.data_len(), out);
            bytes.append_to(out);
        }
        Cell::TimestampUs(value) => signed(TIMESTAMP_US, *value, out),
        Cell::DateDays(value) => signed(DATE_DAYS, (*value).into(), out),
        Cell::TimeUs(value) => signed(TIME_US, *value, out),
        Cell::Uuid(bytes) => field(UUID, bytes, out),
        Cell::Array(cells) => {
            let mut inner = Vec::new();
            cells.iter().for_each(|cell| write(cell, &mut inner));
            field(ARRAY, &inner, out);
        }
        Cell::Json(text) => field(JSON, text.as_bytes(), out),
        Cell::Other { type_name, text } => {
            let mut inner = Vec::with_capacity(type_name.len() + text.len() + 4);
            head(TEXT, type_name.len(), &mut inner);
            inner.extend_from_slice(type_name.as_bytes());
            inner.extend_from_slice(text.as_bytes());
            field(OTHER, &inner, out);
        }
    }
}

/// The cells of a row; none if these bytes are not of this form.
pub(crate) fn read(mut bytes: &[u8]) -> Option<Vec<Cell<'_>>> {
    let mut cells = Vec::new();
    while !bytes.is_empty() {
        cells.push(next(&mut bytes)?);
    }
    Some(cells)
}

/// The bytes of each cell of a row; ends early if these are not of this form.
pub(crate) fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let before = bytes;
        kind_and_value(&mut bytes)?;
        before.get(..before.len() - bytes.len())
    })
}

fn next<'b>(bytes: &mut &'b [u8]) -> Option<Cell<'b>> {
    let (kind, value) = kind_and_value(bytes)?;
    Some(match kind {
        NULL => Cell::Null,
        UNCHANGED => Cell::Unchanged,
        OMITTED => Cell::Omitted,
        BOOL => Cell::Bool(value != [0]),
        INT => Cell::Int(integer(value)?),
        UINT => Cell::Uint(value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        DOUBLE => Cell::Double(f64::from_bits(u64::from_be_bytes(value.try_into().ok()?))),
        DECIMAL => Cell::Decimal(text(value)?),
        TEXT => Cell::Text(text(value)?),
        BYTES => Cell::Bytes(Bytes::Raw(Cow::Borrowed(value))),
        TIMESTAMP_US => Cell::TimestampUs(integer(value)?),
        DATE_DAYS => Cell::DateDays(integer(value)?.try_into().ok()?),
        TIME_US => Cell::TimeUs(integer(value)?),
        UUID => Cell::Uuid(value.try_into().ok()?),
        ARRAY => Cell::Array(read(value)?),
        JSON => Cell::Json(text(value)?),
        OTHER => {
            let (_, mut inner) = value.split_first()?;
            let type_name = str::from_utf8(sized(&mut inner)?).ok()?;
            Cell::Other { type_name, text: text(inner)? }
        }
        _ => return None,
    })
}

fn field(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    head(kind, value.len(), out);
    out.extend_from_slice(value);
}

/// The kind and the length: seven bits a byte, the lowest first.
fn head(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    let mut len = len;
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

/// As few bytes of the two's complement as tell the number, the sign included.
fn signed(kind: u8, value: i64, out: &mut Vec<u8>) {
    let magnitude = if value < 0 { !value } else { value };
    let bits = (u64::BITS + 1 - magnitude.leading_zeros()) as usize;
    let bytes = value.to_be_bytes();
    field(kind, bytes.get(bytes.len() - bits.div_ceil(8)..).unwrap_or(&bytes), out);
}

fn kind_and_value<'b>(bytes: &mut &'b [u8]) -> Option<(u8, &'b [u8])> {
    let (kind, rest) = bytes.split_first()?;
    *bytes = rest;
    match *kind {
        NULL | UNCHANGED | OMITTED => Some((*kind, &[])),
        kind => Some((kind, sized(bytes)?)),
    }
}

fn integer(bytes: &[u8]) -> Option<i64> {
    let first = *bytes.first()?;
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    (bytes.len() <= 8).then(|| bytes.iter().fold(sign, |sum, byte| sum << 8 | i64::from(*byte)))
}

fn sized<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let mut len = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        len |= usize::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            let (value, rest) = bytes.split_at_checked(len)?;
            *bytes = rest;
            return Some(value);
        }
    }
    None
}

fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    str::from_utf8(bytes).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(cells: &[Cell<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        cells.iter().for_each(|cell| write(cell, &mut out));
        out
    }

    fn any_cell() -> impl Strategy<Value = Cell<'static>> {
        let leaf = prop_oneof![
            Just(Cell::Null),
            any::<bool>().prop_map(Cell::Bool),
            any::<i64>().prop_map(Cell::Int),
            (-300_i64..300).prop_map(Cell::Int),
            any::<u64>().prop_map(Cell::Uint),
            any::<f64>().prop_filter("equal to itself", |value| !value.is_nan()).prop_map(Cell::Double),
            any::<String>().prop_map(|text| Cell::Text(text.into())),
            any::<String>().prop_map(|text| Cell::Decimal(text.into())),
            any::<String>().prop_map(|text| Cell::Json(text.into())),
            any::<Vec<u8>>().prop_map(|bytes| Cell::Bytes(Bytes::Raw(bytes.into()))),
            any::<i64>().prop_map(Cell::TimestampUs),
            any::<i32>().prop_map(Cell::DateDays),
            any::<i64>().prop_map(Cell::TimeUs),
            any::<[u8; 16]>().prop_map(Cell::Uuid),
            any::<String>().prop_map(|text| Cell::Other { type_name: "interval", text: text.into() }),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(Cell::Array))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cells in proptest::collection::vec(any_cell(), 0..6)) {
            let bytes = bytes_of(&cells);
            prop_assert_eq!(split(&bytes).collect::<Vec<_>>(), cells.iter().map(|cell| bytes_of(std::slice::from_ref(cell))).collect::<Vec<_>>());
            prop_assert_eq!(read(&bytes), Some(cells));
        }

        #[test]
        fn rows_that_differ_have_other_bytes(
            one in proptest::collection::vec(any_cell(), 0..4),
            other in proptest::collection::vec(any_cell(), 0..4),
        ) {
            prop_assert_eq!(one == other, bytes_of(&one) == bytes_of(&other));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in any::<Vec<u8>>()) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn what_looks_alike_is_not_the_same() {
        let null = bytes_of(&[Cell::Null, Cell::Text("".into())]);
        assert_ne!(null, bytes_of(&[Cell::Text("".into()), Cell::Null]));
        assert_ne!(bytes_of(&[Cell::Int(1)]), bytes_of(&[Cell::Text("1".into())]));
        assert_ne!(bytes_of(&[Cell::Double(0.0)]), bytes_of(&[Cell::Double(-0.0)]));
        let split = |one: &str, two: &str| {
            bytes_of(&[Cell::Text(one.to_owned().into()), Cell::Text(two.to_owned().into())])
        };
        assert_ne!(split("ab", "c"), split("a", "bc"));
    }

    #[test]
    fn keys_that_count_up_are_neighbours() {
        let keys: Vec<Vec<u8>> = (1..100_000).map(|key| bytes_of(&[Cell::Int(key)])).collect();
        assert!(keys.is_sorted());
        assert_eq!(bytes_of(&[Cell::Int(8_000_000)]).len(), 5);
    }
}

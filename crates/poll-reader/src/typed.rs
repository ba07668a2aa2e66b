//! The text of a value as a cell.

use std::borrow::Cow;

use event::{Bytes, Cell};

use crate::dialect::Reading;

/// The cell; or what is wrong with the text.
pub(crate) fn cell<'t>(reading: &'t Reading, text: Option<&'t [u8]>) -> Result<Cell<'t>, &'static str> {
    let Some(text) = text else { return Ok(Cell::Null) };
    match reading {
        Reading::Text(column_type) => match column_type.cell(text) {
            // A text that is no UTF-8: the driver has shortened it in the middle of a character, or not converted it.
            Cell::Bytes(_) if column_type.name() != "bytea" => Err(NOT_UTF8),
            cell => Ok(cell),
        },
        Reading::Hex => hex(text),
        Reading::Bit => match text {
            b"0" | b"f" | b"false" => Ok(Cell::Bool(false)),
            b"1" | b"t" | b"true" => Ok(Cell::Bool(true)),
            _ => Err("neither 0 nor 1"),
        },
        Reading::Tagged => tagged(text),
    }
}

const NOT_UTF8: &str = "not UTF-8: the driver has to be told to give UTF-8 (docs/odbc.md)";

fn tagged(text: &[u8]) -> Result<Cell<'_>, &'static str> {
    let Some((tag, value)) = text.split_first() else { return Err("without its type") };
    let as_text = || str::from_utf8(value).map_err(|_| NOT_UTF8);
    match tag {
        b'i' => as_text()?.parse().map(Cell::Int).map_err(|_| "not a whole number"),
        b'r' => match as_text()? {
            "Inf" => Ok(Cell::Double(f64::INFINITY)),
            "-Inf" => Ok(Cell::Double(f64::NEG_INFINITY)),
            number => number.parse().map(Cell::Double).map_err(|_| "not a number"),
        },
        b't' => Ok(Cell::Text(as_text()?.into())),
        b'b' => hex(value),
        b'x' => {
            let Cell::Bytes(bytes) = hex(value)? else { return Err(NOT_HEX) };
            let mut text = Vec::with_capacity(bytes.data_len());
            bytes.append_to(&mut text);
            String::from_utf8(text).map(|text| Cell::Text(Cow::Owned(text))).map_err(|_| NOT_UTF8)
        }
        _ => Err("of a type that is not known"),
    }
}

const NOT_HEX: &str = "not in hexadecimal digits";

fn hex(text: &[u8]) -> Result<Cell<'_>, &'static str> {
    match text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit) {
        true => Ok(Cell::Bytes(Bytes::Hex(text.into()))),
        false => Err(NOT_HEX),
    }
}

#[cfg(test)]
mod tests {
    use decoder::ColumnType;

    use super::*;

    #[test]
    fn values_are_what_they_say_or_refused() {
        let int = Reading::Text(ColumnType::new("int8"));
        assert_eq!(cell(&int, None), Ok(Cell::Null));
        assert_eq!(cell(&int, Some(b"-7")), Ok(Cell::Int(-7)));
        // Beyond 64 bits: the exact text.
        let beyond = cell(&int, Some(b"18446744073709551616")).unwrap();
        assert!(
            matches!(beyond, Cell::Other { ref text, .. } if text == "18446744073709551616"),
            "{beyond:?}"
        );
        assert!(cell(&Reading::Text(ColumnType::new("text")), Some(b"\xC3")).is_err());
        assert_eq!(cell(&Reading::Hex, Some(b"00FF")), Ok(Cell::Bytes(Bytes::Raw(vec![0, 255].into()))));
        assert!(cell(&Reading::Hex, Some(b"00F")).is_err() && cell(&Reading::Hex, Some(b"zz")).is_err());
        assert!(cell(&Reading::Bit, Some(b"2")).is_err());
    }

    #[test]
    fn a_tagged_value_has_its_own_type() {
        for (text, expected) in [
            (&b"i-9223372036854775808"[..], Cell::Int(i64::MIN)),
            (b"r12345678901234567168.0", Cell::Double(12_345_678_901_234_567_168.0)),
            (b"r-0.0", Cell::Double(-0.0)),
            (b"rInf", Cell::Double(f64::INFINITY)),
            (b"t", Cell::Text("".into())),
            (b"x610062", Cell::Text("a\0b".into())),
            (b"bFF", Cell::Bytes(Bytes::Raw(vec![255].into()))),
        ] {
            assert_eq!(cell(&Reading::Tagged, Some(text)), Ok(expected), "{text:?}");
        }
        for wrong in [&b""[..], b"iabc", b"rabc", b"?1", b"t\xFF"] {
            assert!(cell(&Reading::Tagged, Some(wrong)).is_err(), "{wrong:?}");
        }
    }
}

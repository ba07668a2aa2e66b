//! MySQL's binary JSON to the text that the server writes for it.
//!
//! `json_binary.h` describes the format, `Json_wrapper::to_string` the text: a space behind commas and colons, members in
//! the stored order. Within a container all offsets count from its own beginning. Every value takes at least as many bytes
//! of the document as it is counted for here, so that bytes that point at each other can't make a text without end.

mod difference;
mod number;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub(super) use difference::applied;

use super::cursor::uint;
use super::value::{decimal, packed_date, packed_datetime, packed_time};

/// The document's text; none if these are not the bytes of one.
pub(super) fn text(document: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(document.len());
    let mut budget = Budget { bytes: document.len() + 1, depth: MAX_DEPTH };
    write(Value::of_document(document)?, &mut budget, &mut out)?;
    Some(out)
}

/// `JSON_DOCUMENT_MAX_DEPTH`, and the document itself.
const MAX_DEPTH: usize = 101;

/// How much may still be read.
struct Budget {
    bytes: usize,
    depth: usize,
}

impl Budget {
    fn take(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

/// A value where it is stored.
#[derive(Clone, Copy)]
enum Value<'a> {
    Container(Container<'a>),
    Literal(&'static str),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(&'a str),
    /// A value of another type of the database.
    Opaque {
        kind: u8,
        bytes: &'a [u8],
    },
}

#[derive(Clone, Copy)]
struct Container<'a> {
    bytes: &'a [u8],
    is_object: bool,
    is_large: bool,
    count: usize,
}

// `JSONB_TYPE_…`.
const SMALL_OBJECT: u8 = 0x00;
const LARGE_OBJECT: u8 = 0x01;
const SMALL_ARRAY: u8 = 0x02;
const LARGE_ARRAY: u8 = 0x03;
const LITERAL: u8 = 0x04;
const INT16: u8 = 0x05;
const UINT16: u8 = 0x06;
const INT32: u8 = 0x07;
const UINT32: u8 = 0x08;
const INT64: u8 = 0x09;
const UINT64: u8 = 0x0A;
const DOUBLE: u8 = 0x0B;
const STRING: u8 = 0x0C;
const OPAQUE: u8 = 0x0F;

impl<'a> Value<'a> {
    /// No bytes at all are what `INSERT IGNORE` leaves of NULL where there must not be one; the server reads it as null.
    fn of_document(document: &'a [u8]) -> Option<Self> {
        match document.split_first() {
            Some((kind, bytes)) => Self::parse(*kind, bytes),
            None => Some(Self::Literal("null")),
        }
    }

    fn parse(kind: u8, bytes: &'a [u8]) -> Option<Self> {
        Some(match kind {
            SMALL_OBJECT | LARGE_OBJECT | SMALL_ARRAY | LARGE_ARRAY => {
                Self::Container(Container::parse(kind, bytes)?)
            }
            LITERAL => Self::Literal(match bytes.first()? {
                0 => "null",
                1 => "true",
                2 => "false",
                _ => return None,
            }),
            INT16 => Self::Int(i16::from_le_bytes(*bytes.first_chunk()?).into()),
            UINT16 => Self::Uint(u16::from_le_bytes(*bytes.first_chunk()?).into()),
            INT32 => Self::Int(i32::from_le_bytes(*bytes.first_chunk()?).into()),
            UINT32 => Self::Uint(u32::from_le_bytes(*bytes.first_chunk()?).into()),
            INT64 => Self::Int(i64::from_le_bytes(*bytes.first_chunk()?)),
            UINT64 => Self::Uint(u64::from_le_bytes(*bytes.first_chunk()?)),
            DOUBLE => Self::Double(f64::from_le_bytes(*bytes.first_chunk()?)),
            STRING => Self::Text(str::from_utf8(counted(bytes)?).ok()?),
            OPAQUE => {
                let (kind, rest) = bytes.split_first()?;
                Self::Opaque { kind: *kind, bytes: counted(rest)? }
            }
            _ => return None,
        })
    }
}

/// Bytes with their length before them, seven bits a byte, the lowest first.
fn counted(bytes: &[u8]) -> Option<&[u8]> {
    let mut len = 0_usize;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        len |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return bytes.get(place + 1..)?.get(..len);
        }
    }
    None
}

impl<'a> Container<'a> {
    fn parse(kind: u8, bytes: &'a [u8]) -> Option<Self> {
        let is_large = matches!(kind, LARGE_OBJECT | LARGE_ARRAY);
        let is_object = matches!(kind, SMALL_OBJECT | LARGE_OBJECT);
        let mut read = Self { bytes, is_object, is_large, count: 0 };
        read.count = read.offset(0)?;
        read.bytes = bytes.get(..read.offset(read.offset_len())?)?;
        // All entries are there, so that the count is not larger than the bytes.
        let header =
            2 * read.offset_len() + read.count.checked_mul(read.key_entry_len() + read.value_entry_len())?;
        (header <= read.bytes.len()).then_some(read)
    }

    fn key(&self, place: usize) -> Option<&'a str> {
        let entry = 2 * self.offset_len() + place * self.key_entry_len();
        let from = self.offset(entry)?;
        let len = uint(self.bytes.get(entry + self.offset_len()..)?.get(..2)?) as usize;
        str::from_utf8(self.bytes.get(from..)?.get(..len)?).ok()
    }

    /// What is not longer than an offset stands in the offset's place.
    fn value(&self, place: usize) -> Option<Value<'a>> {
        let keys = self.count * self.key_entry_len();
        let entry = 2 * self.offset_len() + keys + place * self.value_entry_len();
        let kind = *self.bytes.get(entry)?;
        let is_inline = match kind {
            LITERAL | INT16 | UINT16 => true,
            INT32 | UINT32 => self.is_large,
            _ => false,
        };
        let from = if is_inline { entry + 1 } else { self.offset(entry + 1)? };
        Value::parse(kind, self.bytes.get(from..)?)
    }

    fn offset(&self, at: usize) -> Option<usize> {
        Some(uint(self.bytes.get(at..)?.get(..self.offset_len())?) as usize)
    }

    fn offset_len(&self) -> usize {
        if self.is_large { 4 } else { 2 }
    }

    fn key_entry_len(&self) -> usize {
        if self.is_object { self.offset_len() + 2 } else { 0 }
    }

    fn value_entry_len(&self) -> usize {
        self.offset_len() + 1
    }
}

fn write(value: Value<'_>, budget: &mut Budget, out: &mut String) -> Option<()> {
    budget.take(1)?;
    let Value::Container(container) = value else {
        return write_scalar(value, budget, out);
    };
    budget.depth = budget.depth.checked_sub(1)?;
    out.push(if container.is_object { '{' } else { '[' });
    for place in 0..container.count {
        if place > 0 {
            out.push_str(", ");
        }
        if container.is_object {
            let key = container.key(place)?;
            budget.take(key.len())?;
            write_text(key, out);
            out.push_str(": ");
        }
        write(container.value(place)?, budget, out)?;
    }
    out.push(if container.is_object { '}' } else { ']' });
    budget.depth += 1;
    Some(())
}

fn write_scalar(value: Value<'_>, budget: &mut Budget, out: &mut String) -> Option<()> {
    match value {
        Value::Container(_) => return None,
        Value::Literal(text) => out.push_str(text),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Uint(value) => out.push_str(&value.to_string()),
        Value::Double(value) => number::write_double(value, out),
        Value::Text(text) => {
            budget.take(text.len())?;
            write_text(text, out);
        }
        Value::Opaque { kind, bytes } => {
            budget.take(bytes.len())?;
            write_opaque(kind, bytes, out)?;
        }
    }
    Some(())
}

/// Values that came into a document from a column or an expression of another type, by the type's number.
fn write_opaque(kind: u8, bytes: &[u8], out: &mut String) -> Option<()> {
    const TIMESTAMP: u8 = 7;
    const DATE: u8 = 10;
    const TIME: u8 = 11;
    const DATETIME: u8 = 12;
    const NEWDECIMAL: u8 = 246;
    let packed = || bytes.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
    let text = match kind {
        NEWDECIMAL => {
            let ([precision, scale], digits) = bytes.split_first_chunk()?;
            out.push_str(&decimal(digits, *precision, *scale)?);
            return Some(());
        }
        DATE => packed_date(packed()?),
        TIME => packed_time(packed()?),
        DATETIME | TIMESTAMP => packed_datetime(packed()?),
        _ => format!("base64:type{kind}:{}", base64(bytes)),
    };
    write_text(&text, out);
    Some(())
}

/// In lines of 76 digits (`base64_encode`).
fn base64(bytes: &[u8]) -> String {
    const BYTES_OF_A_LINE: usize = 57;
    let lines: Vec<_> = bytes.chunks(BYTES_OF_A_LINE).map(|line| BASE64_STANDARD.encode(line)).collect();
    lines.join("\n")
}

/// `double_quote` in json_dom.cc.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        let (plain, after) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = after.chars();
        match characters.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\x08') => out.push_str("\\b"),
            Some('\t') => out.push_str("\\t"),
            Some('\n') => out.push_str("\\n"),
            Some('\x0C') => out.push_str("\\f"),
            Some('\r') => out.push_str("\\r"),
            Some(control) => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_point_at_themselves_end() {
        // An array of two arrays that both are the array itself.
        let own = [SMALL_ARRAY, 2, 0, 10, 0, SMALL_ARRAY, 0, 0, SMALL_ARRAY, 0, 0];
        assert_eq!(text(&own), None);
        // Many members that are one long text.
        let mut many = vec![SMALL_ARRAY, 100, 0, 0xC0, 0x03];
        for _ in 0..100 {
            many.extend([STRING, 0x30, 0x01]);
        }
        many.extend([0x80, 0x04]);
        many.resize(1 + 0x3C0, b'x');
        assert_eq!(text(&many), None);
        assert_eq!(text(&[]), Some("null".to_owned()));
        assert_eq!(text(&[LITERAL, 3]), None);
        assert_eq!(text(&[STRING, 3, b'a', b'"']), None);
        assert_eq!(text(&[STRING, 3, b'a', b'"', 1]), Some("\"a\\\"\\u0001\"".to_owned()));
        // A count of entries beyond the bytes.
        assert_eq!(text(&[LARGE_ARRAY, 0xFF, 0xFF, 0xFF, 0xFF, 8, 0, 0, 0]), None);
    }
}

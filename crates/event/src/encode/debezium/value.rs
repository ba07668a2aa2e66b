use std::io::Write as _;

use super::decimal::Unscaled;
use super::kind::{Kind, Scalar};
use super::{DebeziumOptions, mysql, write_number};
use crate::encode::json::temporal::{write_date, write_time, write_timestamp};
use crate::encode::json::text::{write_base64, write_bytes, write_text, write_uuid};
use crate::encode::json::value::{quoted, write_array, write_bool, write_double};
use crate::{Bytes, Cell};

/// Appends a column's value.
pub(super) fn write_value(cell: &Cell<'_>, kind: Kind, options: &DebeziumOptions, out: &mut Vec<u8>) {
    match (kind, cell) {
        (_, Cell::Null) => out.extend_from_slice(b"null"),
        (Kind::Scalar(scalar), Cell::Unchanged | Cell::Omitted) => {
            write_unavailable(scalar, &options.unavailable, out);
        }
        (Kind::Array(scalar), Cell::Unchanged | Cell::Omitted) => {
            write_unavailable_array(scalar, &options.unavailable, out);
        }
        (Kind::Array(_), Cell::Array(cells)) => {
            write_array(cells, out, |cell, out| write_value(cell, kind, options, out));
        }
        (Kind::Scalar(scalar) | Kind::Array(scalar), cell) => write_scalar(cell, scalar, out),
    }
}

fn write_scalar(cell: &Cell<'_>, scalar: Scalar, out: &mut Vec<u8>) {
    match (scalar, cell) {
        (Scalar::Boolean, Cell::Bool(value)) => write_bool(*value, out),
        (Scalar::Boolean, Cell::Uint(value)) => write_bool(*value != 0, out),
        (Scalar::Int16 | Scalar::Int32 | Scalar::Int64 | Scalar::Year, Cell::Int(value)) => {
            write_integer(*value, out);
        }
        // The upper half of `bigint unsigned` is negative, as it is to Debezium.
        (Scalar::Int16 | Scalar::Int32 | Scalar::Int64, Cell::Uint(value)) => {
            write_integer(value.cast_signed(), out);
        }
        (Scalar::Bits { len }, Cell::Uint(value)) => {
            let bytes = value.to_le_bytes();
            let len = usize::from(len).div_ceil(8).min(bytes.len());
            quoted(out, |out| write_base64(bytes.get(..len).unwrap_or_default(), out));
        }
        (Scalar::Geometry, Cell::Bytes(bytes)) => write_geometry(bytes, out),
        (Scalar::TimeUs, Cell::Other { text, .. }) if let Some(us) = mysql::duration_us(text) => {
            write_integer(us, out);
        }
        // Zero dates, and dates that no calendar has.
        (
            Scalar::DateDays | Scalar::TimestampMs | Scalar::TimestampUs | Scalar::ZonedTimestamp,
            Cell::Other { text, .. },
        ) if mysql::is_no_date(text) => {
            out.extend_from_slice(b"null");
        }
        (Scalar::Float | Scalar::Double, Cell::Double(value)) => write_double(*value, out),
        (Scalar::Double, Cell::Decimal(text)) => match text.parse() {
            Ok(value) => write_double(value, out),
            Err(_) => write_text(text, out),
        },
        (Scalar::Decimal { scale, .. }, Cell::Decimal(text)) => write_decimal(text, scale, out),
        (Scalar::DateDays, Cell::DateDays(days)) => write_integer((*days).into(), out),
        (Scalar::TimeMs, Cell::TimeUs(us)) | (Scalar::TimestampMs, Cell::TimestampUs(us)) => {
            write_integer(us.div_euclid(1000), out);
        }
        (Scalar::TimeUs, Cell::TimeUs(us)) | (Scalar::TimestampUs, Cell::TimestampUs(us)) => {
            write_integer(*us, out);
        }
        (Scalar::DateDays, Cell::Other { text, .. }) if text == "infinity" => {
            write_integer(i32::MAX.into(), out)
        }
        (Scalar::DateDays, Cell::Other { text, .. }) if text == "-infinity" => {
            write_integer(i32::MIN.into(), out)
        }
        // The numbers that PostgreSQL's JDBC driver has for the infinities, and Debezium from it.
        (Scalar::TimestampMs | Scalar::TimestampUs, Cell::Other { text, .. }) if text == "infinity" => {
            write_integer(9_223_372_036_825_200_000, out);
        }
        (Scalar::TimestampMs | Scalar::TimestampUs, Cell::Other { text, .. }) if text == "-infinity" => {
            write_integer(-9_223_372_036_832_400_000, out);
        }
        (Scalar::ZonedTimestamp, Cell::TimestampUs(us)) => quoted(out, |out| {
            write_timestamp(*us, out);
            out.push(b'Z');
        }),
        _ => write_as_text(cell, out),
    }
}

/// A value whose column is text to Kafka Connect, whatever arm it came in.
fn write_as_text(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null | Cell::Unchanged | Cell::Omitted => out.extend_from_slice(b"null"),
        Cell::Bool(value) => quoted(out, |out| write_bool(*value, out)),
        Cell::Int(value) => quoted(out, |out| write_integer(*value, out)),
        Cell::Uint(value) => quoted(out, |out| write_number(*value, out)),
        Cell::Double(value) if value.is_finite() => quoted(out, |out| write_double(*value, out)),
        Cell::Double(value) => write_double(*value, out),
        Cell::Decimal(text) | Cell::Text(text) | Cell::Json(text) | Cell::Other { text, .. } => {
            write_text(text, out);
        }
        Cell::Bytes(bytes) => write_bytes(bytes, out),
        Cell::TimestampUs(us) => quoted(out, |out| write_timestamp(*us, out)),
        Cell::DateDays(days) => quoted(out, |out| write_date(*days, out)),
        Cell::TimeUs(us) => quoted(out, |out| write_time(*us, out)),
        Cell::Uuid(bytes) => write_uuid(bytes, out),
        Cell::Array(cells) => write_array(cells, out, write_as_text),
    }
}

/// Four bytes of the SRID, the lowest first, and WKB.
fn write_geometry(bytes: &Bytes<'_>, out: &mut Vec<u8>) {
    let mut raw = Vec::with_capacity(bytes.data_len());
    bytes.append_to(&mut raw);
    let Some((srid, wkb)) = raw.split_first_chunk::<4>() else {
        return out.extend_from_slice(b"null");
    };
    out.extend_from_slice(br#"{"wkb":"#);
    quoted(out, |out| write_base64(wkb, out));
    _ = write!(out, r#","srid":{}}}"#, u32::from_le_bytes(*srid));
}

fn write_integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The unscaled integer in base64. NaN and the infinities have none; they become an object, because as text
/// `Infinity` would be valid base64 and read as a number.
fn write_decimal(text: &str, scale: Option<u16>, out: &mut Vec<u8>) {
    let Some(unscaled) = Unscaled::of(text, scale) else {
        out.extend_from_slice(b"{\"special\":");
        write_text(text, out);
        return out.push(b'}');
    };
    match scale {
        Some(_) => quoted(out, |out| write_base64(&unscaled.bytes, out)),
        None => write_variable_scale(unscaled.scale, &unscaled.bytes, out),
    }
}

fn write_variable_scale(scale: usize, unscaled: &[u8], out: &mut Vec<u8>) {
    _ = write!(out, r#"{{"scale":{scale},"value":""#);
    write_base64(unscaled, out);
    out.extend_from_slice(b"\"}");
}

/// The placeholder, in the form that the column's schema asks for.
fn write_unavailable(scalar: Scalar, placeholder: &str, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Bytes | Scalar::Bits { .. } | Scalar::Decimal { scale: Some(_), .. } => {
            quoted(out, |out| write_base64(placeholder.as_bytes(), out));
        }
        Scalar::Decimal { scale: None, .. } => write_variable_scale(0, placeholder.as_bytes(), out),
        _ => write_text(placeholder, out),
    }
}

/// An array of it; of numbers, Debezium makes the placeholder's bytes.
fn write_unavailable_array(scalar: Scalar, placeholder: &str, out: &mut Vec<u8>) {
    use Scalar::{DateDays, Double, Float, Int16, Int32, Int64, TimeMs, TimeUs, TimestampMs, TimestampUs};
    match scalar {
        Int16 | Int32 | Int64 | Float | Double | DateDays | TimeMs | TimeUs | TimestampMs | TimestampUs => {
            out.extend_from_slice(format!("{:?}", placeholder.as_bytes()).replace(' ', "").as_bytes());
        }
        _ => {
            out.push(b'[');
            write_unavailable(scalar, placeholder, out);
            out.push(b']');
        }
    }
}

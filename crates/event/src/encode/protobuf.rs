//! The envelope by hand, straight into the arena: one pass over the cells, no intermediate message.
//!
//! The bytes are canonical (fields ascending, defaults left out, shortest varints), so they equal what a generated
//! encoder writes for the same message, which is what the tests hold it to. A nested message's length comes before
//! its content: one byte is left for it, and the rare content of 128 bytes or more is moved up.

use crate::{
    Before, BinlogPlace, Body, Cell, Event, EventPosition, Fingerprint, LoadPart, LoadRef, Op, Table,
    TableSchema,
};

/// Appends the key columns' cells as a `Row`.
pub(super) fn write_key(table: &Table, row: &[Cell<'_>], out: &mut Vec<u8>) {
    write_values(table.key_of(row), out);
}

/// The fields that every event of a source and epoch has.
pub(super) fn source_fields(source: &str, epoch: u64) -> Box<[u8]> {
    let mut out = Vec::new();
    text_field(2, source, &mut out);
    varint_field(3, epoch, &mut out);
    out.into()
}

/// The fields that every event of a table in one shape has.
pub(crate) fn table_fields(schema: &TableSchema, fingerprint: Fingerprint) -> Box<[u8]> {
    let mut out = Vec::new();
    text_field(4, &schema.name.schema, &mut out);
    text_field(5, &schema.name.table, &mut out);
    fixed64_field(6, fingerprint.0, &mut out);
    out.into()
}

/// Appends a `ChangeEvent`. `source_fields`: as [`source_fields`] gives them.
pub(super) fn write_event(source_fields: &[u8], event: &Event<'_>, out: &mut Vec<u8>) {
    let body = &event.body;
    varint_field(1, op_number(event.op()), out);
    out.extend_from_slice(source_fields);
    if let Some(table) = event.table() {
        out.extend_from_slice(&table.protobuf_fields);
    }
    write_position(&event.position, out);
    if let Some(transaction) = &event.transaction {
        text_field(11, transaction.id, out);
        varint_field(12, transaction.seq, out);
    }
    varint_field(13, event.table_seq().unwrap_or_default(), out);
    if let Some(transaction) = &event.transaction {
        varint_field(14, transaction.commit_time_us as u64, out);
    }
    varint_field(15, event.captured_time_us as u64, out);
    if let Some(origin) = event.transaction.and_then(|transaction| transaction.origin) {
        bytes_field(16, origin.as_bytes(), out);
    }
    write_rows(event, out);
    varint_field(22, event.part().into(), out);
    match body {
        Body::Read { load, .. }
        | Body::Schema { load: Some(load), .. }
        | Body::Truncate { load: Some(load), .. } => nested(23, out, |out| write_load(load, 0, out)),
        Body::LoadBegin { load, part, .. } => nested(23, out, |out| {
            write_load(load, 0, out);
            write_part(*part, out);
        }),
        Body::LoadEnd { load, rows, .. } => nested(23, out, |out| write_load(load, *rows, out)),
        Body::Message { prefix, content } => nested(24, out, |out| {
            text_field(1, prefix, out);
            if !content.is_empty() {
                bytes_field(2, content, out);
            }
            varint_field(3, event.transaction.is_some().into(), out);
        }),
        _ => {}
    }
    if let Body::Schema { table, .. } = body {
        nested(25, out, |out| write_schema(table, out));
    }
    if let (EventPosition::Poll(place), Body::Update { .. }) = (&event.position, body)
        && let Some(changed) = place.changed.filter(|changed| !changed.is_empty())
    {
        nested(26, out, |out| changed.iter().for_each(|column| varint(*column as u64, out)));
    }
}

fn op_number(op: Op) -> u64 {
    match op {
        Op::Insert => 1,
        Op::Update => 2,
        Op::Delete => 3,
        Op::Truncate => 4,
        Op::Read => 5,
        Op::LoadBegin => 6,
        Op::LoadEnd => 7,
        Op::Message => 8,
        Op::Schema => 9,
        Op::Heartbeat => 10,
    }
}

fn write_position(position: &EventPosition<'_>, out: &mut Vec<u8>) {
    match position {
        EventPosition::Postgres { commit, own } => nested(7, out, |out| {
            fixed64_field(1, (*commit).into(), out);
            fixed64_field(2, (*own).into(), out);
        }),
        EventPosition::Mysql(place) => nested(8, out, |out| write_binlog_place(place, out)),
        EventPosition::Mariadb(place) => nested(9, out, |out| write_binlog_place(place, out)),
        EventPosition::Poll(place) => nested(10, out, |out| {
            varint_field(1, place.scan, out);
            varint_field(2, place.seq, out);
        }),
    }
}

fn write_binlog_place(place: &BinlogPlace<'_>, out: &mut Vec<u8>) {
    text_field(1, place.gtid, out);
    text_field(2, place.file, out);
    varint_field(3, place.offset, out);
    fixed64_field(4, place.transaction.order(), out);
}

fn write_rows(event: &Event<'_>, out: &mut Vec<u8>) {
    let (before, after, fetched): (_, &[Cell<'_>], &[usize]) = match event.body {
        Body::Insert { after, fetched, .. } => (Before::None, after, fetched),
        Body::Update { before, after, fetched, .. } => (before, after, fetched),
        Body::Delete { before, .. } => (before, &[], &[]),
        Body::Read { after, .. } => (Before::None, after, &[]),
        _ => return,
    };
    if let (Some(table), Some(row)) = (event.table(), event.keyed_row())
        && table.has_key()
    {
        nested(17, out, |out| write_key(table, row, out));
    }
    match before {
        Before::None => {}
        Before::Key(row) => {
            nested(18, out, |out| write_values(row.iter(), out));
            varint_field(19, 1, out);
        }
        Before::Full(row) => {
            nested(18, out, |out| write_values(row.iter(), out));
            varint_field(19, 2, out);
        }
    }
    if !matches!(event.body, Body::Delete { .. }) {
        nested(20, out, |out| write_values(after.iter(), out));
    }
    if !fetched.is_empty() {
        nested(21, out, |out| fetched.iter().for_each(|column| varint(*column as u64, out)));
    }
}

/// The values of a row or an array: each field 1, as long as it is.
fn write_values<'r, 'a: 'r>(cells: impl Iterator<Item = &'r Cell<'a>>, out: &mut Vec<u8>) {
    for cell in cells {
        write_value(cell, out);
    }
}

/// A `Value` and its tag. Inside a oneof even a default is written: it says which arm is set.
#[inline]
fn write_value(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(&empty_value(1)),
        Cell::Unchanged => out.extend_from_slice(&empty_value(2)),
        Cell::Omitted => out.extend_from_slice(&empty_value(3)),
        Cell::Bool(value) => out.extend_from_slice(&[VALUE, 2, 4 << 3, u8::from(*value)]),
        Cell::Int(value) => varint_value(5, *value as u64, out),
        Cell::Uint(value) => varint_value(6, *value, out),
        Cell::Double(value) => {
            out.extend_from_slice(&[VALUE, 9, 7 << 3 | FIXED64 as u8]);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Cell::Decimal(text) => bytes_value(8, text.as_bytes(), out),
        Cell::Text(text) => bytes_value(9, text.as_bytes(), out),
        Cell::Bytes(bytes) => {
            value_head(10, bytes.data_len(), out);
            bytes.append_to(out);
        }
        Cell::TimestampUs(value) => varint_value(11, *value as u64, out),
        // A negative int32 is ten bytes on the wire, like an int64.
        Cell::DateDays(value) => varint_value(12, i64::from(*value) as u64, out),
        Cell::TimeUs(value) => varint_value(13, *value as u64, out),
        Cell::Uuid(bytes) => {
            out.extend_from_slice(&[VALUE, 18, 14 << 3 | LENGTH_DELIMITED as u8, 16]);
            out.extend_from_slice(bytes);
        }
        Cell::Array(cells) => {
            nested(1, out, |out| nested(15, out, |out| write_values(cells.iter(), out)));
        }
        Cell::Json(text) => {
            // The first arm whose tag takes two bytes.
            let len = text.len() as u64;
            out.push(VALUE);
            varint(2 + u64::from(varint_len(len)) + len, out);
            bytes_field(16, text.as_bytes(), out);
        }
        Cell::Other { type_name, text } => nested(1, out, |out| {
            nested(17, out, |out| {
                text_field(1, type_name, out);
                text_field(2, text, out);
            });
        }),
    }
}

/// The tag of a value among others.
const VALUE: u8 = 1 << 3 | LENGTH_DELIMITED as u8;

/// An empty message in one arm of a value.
const fn empty_value(arm: u8) -> [u8; 4] {
    [VALUE, 2, arm << 3 | LENGTH_DELIMITED as u8, 0]
}

/// A number in one of the first fifteen arms, whose tags take one byte.
#[inline]
fn varint_value(arm: u8, value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VALUE, 1 + varint_len(value), arm << 3]);
    varint(value, out);
}

#[inline]
fn bytes_value(arm: u8, bytes: &[u8], out: &mut Vec<u8>) {
    value_head(arm, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// What stands before so many bytes.
#[inline]
fn value_head(arm: u8, len: usize, out: &mut Vec<u8>) {
    let len = len as u64;
    let tag = arm << 3 | LENGTH_DELIMITED as u8;
    if len < 0x7E {
        out.extend_from_slice(&[VALUE, len as u8 + 2, tag, len as u8]);
        return;
    }
    out.push(VALUE);
    varint(1 + u64::from(varint_len(len)) + len, out);
    out.push(tag);
    varint(len, out);
}

/// How many bytes a varint takes: seven bits each.
#[inline]
fn varint_len(value: u64) -> u8 {
    ((u64::BITS - (value | 1).leading_zeros()).div_ceil(7)) as u8
}

fn write_load(load: &LoadRef<'_>, rows: u64, out: &mut Vec<u8>) {
    text_field(1, load.id, out);
    varint_field(2, rows, out);
    let Some(range) = load.range else { return };
    for (field, bound) in [(3, range.from), (4, range.to)] {
        if let Some(bound) = bound {
            nested(field, out, |out| write_values([bound.cell()].iter(), out));
        }
    }
}

fn write_part(part: Option<&LoadPart>, out: &mut Vec<u8>) {
    let Some(part) = part else { return };
    nested(5, out, |out| {
        text_field(1, part.filter.as_deref().unwrap_or_default(), out);
        part.columns.iter().for_each(|column| bytes_field(2, column.as_bytes(), out));
    });
}

fn write_schema(table: &Table, out: &mut Vec<u8>) {
    text_field(1, &table.name().schema, out);
    text_field(2, &table.name().table, out);
    for column in &table.schema.columns {
        nested(3, out, |out| {
            text_field(1, &column.name, out);
            text_field(2, &column.type_name, out);
            varint_field(3, column.type_oid.into(), out);
            varint_field(4, i64::from(column.type_modifier) as u64, out);
        });
    }
    if !table.schema.key.is_empty() {
        nested(4, out, |out| table.schema.key.iter().for_each(|position| varint(*position as u64, out)));
    }
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;

fn tag(field: u32, wire_type: u32, out: &mut Vec<u8>) {
    varint(u64::from(field << 3 | wire_type), out);
}

#[inline]
fn varint(value: u64, out: &mut Vec<u8>) {
    if value < 0x80 {
        out.push(value as u8);
    } else if value < 1 << 56 {
        // All groups of seven bits at once, each into a byte of its own: first halves, then quarters, then eighths.
        let halves = value & 0x0FFF_FFFF | (value & 0x00FF_FFFF_F000_0000) << 4;
        let quarters = halves & 0x0000_3FFF_0000_3FFF | (halves & 0x0FFF_C000_0FFF_C000) << 2;
        let bytes = quarters & 0x007F_007F_007F_007F | (quarters & 0x3F80_3F80_3F80_3F80) << 1;
        let last = (u64::BITS - 1 - bytes.leading_zeros()) / 8;
        let more = 0x8080_8080_8080_8080 & ((1 << (8 * last)) - 1);
        let len = out.len() + last as usize + 1;
        // Eight bytes of a known count are one instruction, other counts a call.
        out.extend_from_slice(&(bytes | more).to_le_bytes());
        out.truncate(len);
    } else {
        long_varint(value, out);
    }
}

/// A negative number, most of the time.
fn long_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Outside a oneof a default is left out.
fn varint_field(field: u32, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        set_varint_field(field, value, out);
    }
}

fn set_varint_field(field: u32, value: u64, out: &mut Vec<u8>) {
    tag(field, VARINT, out);
    varint(value, out);
}

fn fixed64_field(field: u32, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        set_fixed64_field(field, value, out);
    }
}

fn set_fixed64_field(field: u32, value: u64, out: &mut Vec<u8>) {
    tag(field, FIXED64, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn text_field(field: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        bytes_field(field, text.as_bytes(), out);
    }
}

fn bytes_field(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    tag(field, LENGTH_DELIMITED, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn nested(field: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    tag(field, LENGTH_DELIMITED, out);
    let length_at = out.len();
    out.push(0);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    if length < 0x80 {
        if let Some(byte) = out.get_mut(length_at) {
            *byte = length as u8;
        }
        return;
    }
    let mut more = length as u64;
    let mut extra = 0;
    while more >= 0x80 {
        more >>= 7;
        extra += 1;
    }
    out.resize(out.len() + extra, 0);
    out.copy_within(start..start + length, start + extra);
    let mut value = length as u64;
    for byte in out.iter_mut().skip(length_at).take(extra) {
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    if let Some(byte) = out.get_mut(length_at + extra) {
        *byte = value as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_the_shortest_at_every_length() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX, u64::MAX - 1, 1_795_169_700_123_456]) {
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            varint(value, &mut out);
            prost::encoding::encode_varint(value, &mut expected);
            assert_eq!(out, expected, "{value:x}");
            assert_eq!(usize::from(varint_len(value)), expected.len(), "{value:x}");
        }
    }
}

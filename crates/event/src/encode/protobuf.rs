//! The envelope by hand, straight into the arena: one pass over the cells, no intermediate message.
//!
//! The bytes are canonical (fields ascending, defaults left out, shortest varints), so they equal what a generated
//! encoder writes for the same message, which is what the tests hold it to. A nested message's length comes before
//! its content: one byte is left for it, and the rare content of 128 bytes or more is moved up.

use crate::{Before, Body, Cell, Event, EventPosition, LoadPart, LoadRef, Op, Table};

/// Appends the key columns' cells as a `Row`.
pub(super) fn write_key(table: &Table, row: &[Cell<'_>], out: &mut Vec<u8>) {
    write_values(table.key_of(row), 1, out);
}

/// Appends a `ChangeEvent`.
pub(super) fn write_event(source: &str, epoch: u64, event: &Event<'_>, out: &mut Vec<u8>) {
    let body = &event.body;
    varint_field(1, op_number(event.op()), out);
    text_field(2, source, out);
    varint_field(3, epoch, out);
    if let Some(table) = event.table() {
        text_field(4, &table.name().schema, out);
        text_field(5, &table.name().table, out);
        fixed64_field(6, table.fingerprint.0, out);
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

fn write_position(position: &EventPosition, out: &mut Vec<u8>) {
    match *position {
        EventPosition::Postgres { commit, own } => nested(7, out, |out| {
            fixed64_field(1, commit.into(), out);
            fixed64_field(2, own.into(), out);
        }),
    }
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
            nested(18, out, |out| write_values(row.iter(), 1, out));
            varint_field(19, 1, out);
        }
        Before::Full(row) => {
            nested(18, out, |out| write_values(row.iter(), 1, out));
            varint_field(19, 2, out);
        }
    }
    if !matches!(event.body, Body::Delete { .. }) {
        nested(20, out, |out| write_values(after.iter(), 1, out));
    }
    if !fetched.is_empty() {
        nested(21, out, |out| fetched.iter().for_each(|column| varint(*column as u64, out)));
    }
}

fn write_values<'r, 'a: 'r>(cells: impl Iterator<Item = &'r Cell<'a>>, field: u32, out: &mut Vec<u8>) {
    for cell in cells {
        nested(field, out, |out| write_value(cell, out));
    }
}

/// A `Value`. Inside a oneof even a default is written: it says which arm is set.
fn write_value(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => nested(1, out, |_| {}),
        Cell::Unchanged => nested(2, out, |_| {}),
        Cell::Omitted => nested(3, out, |_| {}),
        Cell::Bool(value) => set_varint_field(4, u64::from(*value), out),
        Cell::Int(value) => set_varint_field(5, *value as u64, out),
        Cell::Uint(value) => set_varint_field(6, *value, out),
        Cell::Double(value) => set_fixed64_field(7, value.to_bits(), out),
        Cell::Decimal(text) => bytes_field(8, text.as_bytes(), out),
        Cell::Text(text) => bytes_field(9, text.as_bytes(), out),
        Cell::Bytes(bytes) => {
            tag(10, LENGTH_DELIMITED, out);
            varint(bytes.data_len() as u64, out);
            bytes.append_to(out);
        }
        Cell::TimestampUs(value) => set_varint_field(11, *value as u64, out),
        // A negative int32 is ten bytes on the wire, like an int64.
        Cell::DateDays(value) => set_varint_field(12, i64::from(*value) as u64, out),
        Cell::TimeUs(value) => set_varint_field(13, *value as u64, out),
        Cell::Uuid(bytes) => bytes_field(14, bytes, out),
        Cell::Array(cells) => nested(15, out, |out| write_values(cells.iter(), 1, out)),
        Cell::Json(text) => bytes_field(16, text.as_bytes(), out),
        Cell::Other { type_name, text } => nested(17, out, |out| {
            text_field(1, type_name, out);
            text_field(2, text, out);
        }),
    }
}

fn write_load(load: &LoadRef<'_>, rows: u64, out: &mut Vec<u8>) {
    text_field(1, load.id, out);
    varint_field(2, rows, out);
    let Some(range) = load.range else { return };
    for (field, bound) in [(3, range.from), (4, range.to)] {
        if let Some(bound) = bound {
            nested(field, out, |out| write_values([bound.cell()].iter(), 1, out));
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

fn varint(mut value: u64, out: &mut Vec<u8>) {
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

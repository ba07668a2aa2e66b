//! The `json` format: one self-describing object per event, on one line. docs/envelope.md explains the fields.

pub(super) mod temporal;
pub(super) mod text;
pub(super) mod value;

use std::io::Write as _;

use temporal::write_timestamp;
use text::{write_bytes, write_text};
use value::{quoted, write_value};

use crate::{
    Before, Body, Bytes, Cell, Column, Event, EventPosition, KeyBound, LoadPart, LoadRef, Lsn, Op, Table, id,
};

/// How the `json` format writes what JSON has no exact form for.
#[derive(Clone, Debug, Default)]
pub struct JsonOptions {
    /// How 64-bit integers and exact decimals are written.
    pub bigint: JsonBigint,
}

/// 64-bit integers and exact decimals in JSON: many readers round numbers beyond 2^53 or 17 digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonBigint {
    /// `"9007199254740993"`, `"12.50"`.
    #[default]
    String,
    /// `9007199254740993`, `12.50`: all digits are there, for readers that keep them.
    Number,
}

/// The type of a column that holds JSON of this program's own making, such as the rows below an aggregate's root: the
/// `json` format has it as it is, not as a text.
pub const DOCUMENT: &str = "cdc.document";

/// Appends a row as an object, as the `json` format with its defaults has it: what goes into a [`DOCUMENT`] column.
pub fn write_json_object(columns: &[Column], row: &[Cell<'_>], out: &mut Vec<u8>) {
    write_columns(columns.iter().zip(row), &JsonOptions::default(), out);
}

/// Appends the key columns as an object.
pub(super) fn write_key(table: &Table, row: &[Cell<'_>], options: &JsonOptions, out: &mut Vec<u8>) {
    let columns = &table.schema.columns;
    let key =
        table.schema.key.iter().filter_map(|position| Some((columns.get(*position)?, row.get(*position)?)));
    write_columns(key, options, out);
}

/// Appends an event as one object.
pub(super) fn write_event(
    source: &str,
    epoch: u64,
    event: &Event<'_>,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) {
    write_head(source, epoch, event, out);
    match event.body {
        Body::Insert { table, after, fetched, .. } => {
            write_rows(event, table, Before::None, Some(after), fetched, options, out);
        }
        Body::Update { table, before, after, fetched, .. } => {
            write_rows(event, table, before, Some(after), fetched, options, out);
        }
        Body::Delete { table, before, .. } => write_rows(event, table, before, None, &[], options, out),
        Body::Read { table, load, after, .. } => {
            write_rows(event, table, Before::None, Some(after), &[], options, out);
            write_load(table, &load, None, options, out);
        }
        Body::LoadBegin { table, load, part } => {
            write_load(table, &load, None, options, out);
            write_part(part, out);
        }
        Body::LoadEnd { table, load, rows } => write_load(table, &load, Some(rows), options, out),
        Body::Message { prefix, content } => {
            write_message(prefix, content, event.transaction.is_some(), out);
        }
        Body::Schema { table, load, .. } => {
            write_schema(table, out);
            if let Some(load) = load {
                write_load(table, &load, None, options, out);
            }
        }
        Body::Truncate { table, load: Some(load), .. } => write_load(table, &load, None, options, out),
        Body::Truncate { .. } | Body::Heartbeat => {}
    }
    out.push(b'}');
}

fn write_head(source: &str, epoch: u64, event: &Event<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    name("id", out);
    // An ID is printable ASCII without quotes and backslashes.
    quoted(out, |out| id::write_event_id(source, epoch, event, out));
    name("op", out);
    write_text(op_name(event.op()), out);
    name("source", out);
    write_text(source, out);
    name("epoch", out);
    write_number(epoch, out);
    name("schema", out);
    or_null(event.table(), out, |table, out| write_text(&table.name().schema, out));
    name("table", out);
    or_null(event.table(), out, |table, out| write_text(&table.name().table, out));
    name("table_seq", out);
    or_null(event.table_seq(), out, write_number);
    name("position", out);
    write_position(&event.position, out);
    name("tx", out);
    or_null(event.transaction, out, |transaction, out| {
        out.push(b'{');
        name("id", out);
        write_text(transaction.id, out);
        name("seq", out);
        write_number(transaction.seq, out);
        out.push(b'}');
    });
    name("origin", out);
    or_null(event.transaction.and_then(|transaction| transaction.origin), out, write_text);
    name("commit_time", out);
    or_null(event.transaction, out, |transaction, out| write_instant(transaction.commit_time_us, out));
    name("captured_time", out);
    write_instant(event.captured_time_us, out);
}

fn op_name(op: Op) -> &'static str {
    match op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
        Op::Truncate => "truncate",
        Op::Read => "read",
        Op::LoadBegin => "load_begin",
        Op::LoadEnd => "load_end",
        Op::Message => "message",
        Op::Schema => "schema",
        Op::Heartbeat => "heartbeat",
    }
}

fn write_position(position: &EventPosition<'_>, out: &mut Vec<u8>) {
    match position {
        EventPosition::Postgres { commit, own } => {
            out.extend_from_slice(b"{\"lsn\":\"");
            write_lsn(*own, out);
            out.extend_from_slice(b"\",\"commit_lsn\":\"");
            write_lsn(*commit, out);
            out.extend_from_slice(b"\"}");
        }
        EventPosition::Mysql(place) | EventPosition::Mariadb(place) => {
            out.extend_from_slice(b"{\"gtid\":");
            or_null(Some(place.gtid).filter(|gtid| !gtid.is_empty()), out, write_text);
            out.extend_from_slice(b",\"file\":");
            write_text(place.file, out);
            out.extend_from_slice(b",\"offset\":");
            out.extend_from_slice(itoa::Buffer::new().format(place.offset).as_bytes());
            out.push(b'}');
        }
        EventPosition::Poll(place) => {
            out.push(b'{');
            name("scan", out);
            write_number(place.scan, out);
            name("seq", out);
            write_number(place.seq, out);
            out.push(b'}');
        }
    }
}

/// As its Display, but this runs twice for every event.
fn write_lsn(lsn: Lsn, out: &mut Vec<u8>) {
    let lsn = u64::from(lsn);
    write_hex(lsn >> 32, out);
    out.push(b'/');
    write_hex(lsn & 0xFFFF_FFFF, out);
}

fn write_hex(number: u64, out: &mut Vec<u8>) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|digit| {
        let value = (number >> (4 * digit)) as u8 & 0x0F;
        value + if value < 10 { b'0' } else { b'A' - 10 }
    }));
}

fn write_rows(
    event: &Event<'_>,
    table: &Table,
    before: Before<'_>,
    after: Option<&[Cell<'_>]>,
    fetched: &[usize],
    options: &JsonOptions,
    out: &mut Vec<u8>,
) {
    let before = match before {
        Before::None => None,
        Before::Key(row) | Before::Full(row) => Some(row),
    };
    let columns = &table.schema.columns;
    name("key", out);
    or_null(event.keyed_row().filter(|_| table.has_key()), out, |row, out| {
        write_key(table, row, options, out)
    });
    name("before", out);
    or_null(before, out, |row, out| write_columns(columns.iter().zip(row), options, out));
    name("after", out);
    or_null(after, out, |row, out| write_columns(columns.iter().zip(row), options, out));
    let row = after.or(before).unwrap_or_default();
    let names_of = |missing: Cell<'static>| {
        columns.iter().zip(row).filter(move |(_, cell)| **cell == missing).map(|(column, _)| column)
    };
    name("unchanged", out);
    write_names(names_of(Cell::Unchanged), out);
    name("omitted", out);
    write_names(names_of(Cell::Omitted), out);
    name("fetched", out);
    write_names(fetched.iter().filter_map(|position| columns.get(*position)), out);
    if let (EventPosition::Poll(place), Body::Update { .. }) = (event.position, event.body) {
        name("changed", out);
        or_null(place.changed, out, |changed, out| {
            write_names(changed.iter().filter_map(|position| columns.get(*position)), out);
        });
    }
}

fn write_load(
    table: &Table,
    load: &LoadRef<'_>,
    rows: Option<u64>,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) {
    let key = table.schema.key.first().and_then(|position| table.schema.columns.get(*position));
    let bound = |bound: Option<KeyBound>, out: &mut Vec<u8>| {
        or_null(bound.zip(key), out, |(bound, key), out| write_value(&bound.cell(), key, options, out));
    };
    name("load", out);
    out.push(b'{');
    name("id", out);
    write_text(load.id, out);
    name("rows", out);
    or_null(rows, out, write_number);
    name("from", out);
    bound(load.range.and_then(|range| range.from), out);
    name("to", out);
    bound(load.range.and_then(|range| range.to), out);
    out.push(b'}');
}

/// Beside `load`: what it reads, where that is not all.
fn write_part(part: Option<&LoadPart>, out: &mut Vec<u8>) {
    let Some(part) = part else { return };
    name("part", out);
    out.extend_from_slice(b"{\"filter\":");
    or_null(part.filter.as_deref(), out, write_text);
    name("columns", out);
    out.push(b'[');
    for (n, column) in part.columns.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_text(column, out);
    }
    out.extend_from_slice(b"]}");
}

fn write_message(prefix: &str, content: &[u8], transactional: bool, out: &mut Vec<u8>) {
    name("message", out);
    out.push(b'{');
    name("prefix", out);
    write_text(prefix, out);
    name("content", out);
    write_bytes(&Bytes::Raw(content.into()), out);
    name("transactional", out);
    value::write_bool(transactional, out);
    out.push(b'}');
}

fn write_schema(table: &Table, out: &mut Vec<u8>) {
    let columns = &table.schema.columns;
    name("table_schema", out);
    out.push(b'{');
    name("fingerprint", out);
    _ = write!(out, "\"{}\"", table.fingerprint);
    name("columns", out);
    out.push(b'[');
    for column in columns {
        separate(b'[', out);
        out.push(b'{');
        name("name", out);
        write_text(&column.name, out);
        name("type", out);
        write_text(&column.type_name, out);
        name("type_oid", out);
        write_number(column.type_oid.into(), out);
        name("type_modifier", out);
        _ = write!(out, "{}", column.type_modifier);
        out.push(b'}');
    }
    out.push(b']');
    name("key", out);
    write_names(table.schema.key.iter().filter_map(|position| columns.get(*position)), out);
    out.push(b'}');
}

/// The columns that have a value here.
fn write_columns<'r, 'a: 'r>(
    columns: impl Iterator<Item = (&'r Column, &'r Cell<'a>)>,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (column, cell) in columns {
        if matches!(cell, Cell::Unchanged | Cell::Omitted) {
            continue;
        }
        name(&column.name, out);
        write_value(cell, column, options, out);
    }
    out.push(b'}');
}

fn write_names<'r>(columns: impl Iterator<Item = &'r Column>, out: &mut Vec<u8>) {
    out.push(b'[');
    for column in columns {
        separate(b'[', out);
        write_text(&column.name, out);
    }
    out.push(b']');
}

/// A member's name, and the comma before it unless it is the object's first.
#[inline]
pub(super) fn name(name: &str, out: &mut Vec<u8>) {
    separate(b'{', out);
    write_text(name, out);
    out.push(b':');
}

fn separate(open: u8, out: &mut Vec<u8>) {
    if out.last() != Some(&open) {
        out.push(b',');
    }
}

pub(super) fn or_null<T>(value: Option<T>, out: &mut Vec<u8>, write: impl FnOnce(T, &mut Vec<u8>)) {
    match value {
        Some(value) => write(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

pub(super) fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_instant(us: i64, out: &mut Vec<u8>) {
    quoted(out, |out| {
        write_timestamp(us, out);
        out.push(b'Z');
    });
}

//! Event IDs: `source/epoch/<place>`, derived from the event and the same on every redelivery.
//!
//! | event | place |
//! |---|---|
//! | INSERT, UPDATE, DELETE, transactional MESSAGE | `<commit LSN, 16 hex digits>/<tx_seq>` |
//! | key change | the same with `d` for the delete, `i` for the insert |
//! | TRUNCATE | the same with `t1`, `t2` … over the statement's tables |
//! | SCHEMA before one of those | the same as that row's, with `s` (`s1`, `s2` … before a TRUNCATE) |
//! | a polled INSERT, UPDATE, DELETE | `<scan, 16 hex digits>/<number in the scan>`, and `s` for the SCHEMA before it |
//! | non-transactional MESSAGE, HEARTBEAT | `<own LSN>/m`, `<own LSN>/h` |
//! | LOAD_BEGIN, LOAD_END, SCHEMA and TRUNCATE of a load | `load/<load id>/begin`, `…/end`, `…/schema`, `…/truncate` |
//! | READ | `load/<load id>/key:<key cells>`, or `…/row:<ctid>` without a key |
//!
//! In load IDs, key cells and ctids every byte other than letters, digits and `_.:-()` is written as `%` and two
//! hexadecimal digits; a null in a key is a lone `%`. Key cells that take more than 200 bytes give way to `~` and
//! their SHA-256 in hexadecimal.

use std::fmt::Write as _;
use std::io::Write as _;

use sha2::{Digest, Sha256};

use crate::{Body, Cell, Event, EventPosition, Table};

/// Appends the event's ID.
pub(crate) fn write_event_id(source: &str, epoch: u64, event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(source.as_bytes());
    out.push(b'/');
    out.extend_from_slice(itoa::Buffer::new().format(epoch).as_bytes());
    out.push(b'/');
    match event.body {
        Body::LoadBegin { load, .. } => write_load_place(out, load.id, "begin"),
        Body::LoadEnd { load, .. } => write_load_place(out, load.id, "end"),
        Body::Schema { load: Some(load), .. } => write_load_place(out, load.id, "schema"),
        Body::Truncate { load: Some(load), .. } => write_load_place(out, load.id, "truncate"),
        Body::Read { table, load, after, row_id, .. } => {
            write_load_place(out, load.id, "");
            write_row_name(out, table, after, row_id);
        }
        _ => write_log_place(out, event),
    }
}

/// Where a stream event stands among all of its source and epoch: later events compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogOrder {
    epoch: u64,
    commit: u64,
    tx_seq: u64,
    part: u32,
    /// SCHEMA comes right before what it describes: a TRUNCATE of two tables may go `s1`, `t1`, `s2`, `t2`.
    is_described: bool,
}

impl LogOrder {
    /// Reads the order back from an ID; none for load events, which have no place in the log.
    ///
    /// ```
    /// use event::LogOrder;
    /// let schema = LogOrder::of_id(b"shop/1795252500/0000000001A2B400/4s");
    /// let delete = LogOrder::of_id(b"shop/1795252500/0000000001A2B400/4d");
    /// let insert = LogOrder::of_id(b"shop/1795252500/0000000001A2B400/4i");
    /// assert!(schema < delete && delete < insert && schema.is_some());
    /// assert_eq!(LogOrder::of_id(b"shop/1795252500/load/7/begin"), None);
    /// ```
    pub fn of_id(id: &[u8]) -> Option<Self> {
        let mut parts = str::from_utf8(id).ok()?.split('/');
        let (_source, epoch, commit, place) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || commit == "load" {
            return None;
        }
        let digits = place.bytes().take_while(u8::is_ascii_digit).count();
        let (seq, suffix) = place.split_at_checked(digits)?;
        let part = match suffix.as_bytes() {
            [] | [b'm' | b'h' | b's'] => 0,
            b"d" => 1,
            b"i" => 2,
            [b's' | b't', ..] => suffix.get(1..)?.parse().ok()?,
            _ => return None,
        };
        Some(Self {
            epoch: epoch.parse().ok()?,
            commit: u64::from_str_radix(commit, 16).ok()?,
            // Outside a transaction there is none.
            tx_seq: if let "m" | "h" = place { 0 } else { seq.parse().ok()? },
            part,
            is_described: !suffix.starts_with('s'),
        })
    }
}

fn write_load_place(out: &mut Vec<u8>, load: &str, what: &str) {
    out.extend_from_slice(b"load/");
    write_escaped(out, load.as_bytes());
    out.push(b'/');
    out.extend_from_slice(what.as_bytes());
}

fn write_log_place(out: &mut Vec<u8>, event: &Event<'_>) {
    let commit = event.position.commit_order();
    // By hand: this runs for every event.
    let mut digits = [b'/'; 17];
    for (digit, place) in digits.iter_mut().zip((0..16).rev()) {
        let value = (commit >> (4 * place)) as u8 & 0x0F;
        *digit = value + if value < 10 { b'0' } else { b'A' - 10 };
    }
    out.extend_from_slice(&digits);
    if let Some(transaction) = &event.transaction {
        out.extend_from_slice(itoa::Buffer::new().format(transaction.seq).as_bytes());
    } else if let EventPosition::Poll(place) = event.position {
        out.extend_from_slice(itoa::Buffer::new().format(place.seq).as_bytes());
    }
    match event.body {
        Body::Delete { key_change: true, .. } => out.push(b'd'),
        Body::Insert { key_change: true, .. } => out.push(b'i'),
        Body::Truncate { part, .. } => write_numbered(out, b't', part),
        Body::Schema { part, .. } => write_numbered(out, b's', part),
        Body::Message { .. } if event.transaction.is_none() => out.push(b'm'),
        Body::Heartbeat => out.push(b'h'),
        _ => {}
    }
}

fn write_numbered(out: &mut Vec<u8>, letter: u8, part: u32) {
    out.push(letter);
    if part > 0 {
        out.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
    }
}

/// Longer names would make unwieldy headers: their hash stands for them.
const ROW_NAME_LIMIT_BYTES: usize = 200;

fn write_row_name(out: &mut Vec<u8>, table: &Table, row: &[Cell<'_>], row_id: Option<&str>) {
    if let Some(row_id) = row_id {
        out.extend_from_slice(b"row:");
        write_escaped(out, row_id.as_bytes());
        return;
    }
    out.extend_from_slice(b"key:");
    let start = out.len();
    for (n, cell) in table.key_of(row).enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_cell_name(out, cell);
    }
    let name = out.get(start..).unwrap_or_default();
    if name.len() > ROW_NAME_LIMIT_BYTES {
        let digest = Sha256::digest(name);
        out.truncate(start);
        out.push(b'~');
        let mut hex = String::with_capacity(64);
        digest.iter().for_each(|byte| _ = write!(hex, "{byte:02x}"));
        out.extend_from_slice(hex.as_bytes());
    }
}

fn write_cell_name(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        // No value is written as a lone percent sign, so a null is never taken for a text.
        Cell::Null => out.push(b'%'),
        Cell::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Cell::Uint(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
        Cell::Text(text) | Cell::Decimal(text) | Cell::Json(text) | Cell::Other { text, .. } => {
            write_escaped(out, text.as_bytes());
        }
        Cell::Uuid(bytes) => bytes.iter().for_each(|byte| _ = write!(out, "{byte:02x}")),
        // Rare as keys; Debug tells any two values of one type apart.
        other => write_escaped(out, format!("{other:?}").as_bytes()),
    }
}

/// A header must stay one line of ASCII, a comma between cells must mean just that, and a slash between an ID's parts.
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'-' | b'(' | b')' => {
                out.push(*byte)
            }
            other => _ = write!(out, "%{other:02X}"),
        }
    }
}

#[cfg(test)]
mod tests;

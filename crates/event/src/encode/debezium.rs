//! The `debezium-json` format: what a Debezium connector for the database would write, for the consumers it has.
//!
//! Rows alone: an operation that Debezium does not know stops its consumers, so everything else goes to the control
//! route, written as in the `json` format. A null `before`, a key-only `before` and tombstones are Debezium's habits.

mod decimal;
mod kind;
mod mysql;
mod schema;
mod value;

use std::io::Write as _;

use kind::Kind;
use value::write_value;

use super::json::text::write_text;
use super::json::{self, JsonOptions, name, or_null, write_number};
use crate::{Before, BinlogPlace, Body, Cell, Column, Event, EventPosition, Table};

/// How the `debezium-json` format is written; each default is what most consumers accept.
#[derive(Clone, Debug)]
pub struct DebeziumOptions {
    /// The database's name, which every message's `source` block holds.
    pub database: String,
    /// Whether each message carries its schema: `{"schema": …, "payload": …}`.
    pub schemas: bool,
    /// How exact decimals are written.
    pub decimal: DebeziumDecimals,
    /// How dates and times are written.
    pub time: DebeziumTimes,
    /// What stands for a TOAST value that was not sent.
    pub unavailable: String,
    /// Whether a delete is followed by a message without a payload.
    pub tombstones: bool,
    /// Whether an update's `before` holds just the key where the log has no old row, instead of null.
    pub before_key: bool,
}

/// Exact decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebeziumDecimals {
    /// `"10.10"`.
    #[default]
    String,
    /// Base64 of the unscaled integer, as Debezium's default.
    Precise,
    /// A number, rounded.
    Double,
}

/// Dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebeziumTimes {
    /// ISO 8601 text.
    #[default]
    Iso,
    /// Numbers of days, milliseconds or microseconds, as Debezium's default.
    Adaptive,
}

impl Default for DebeziumOptions {
    fn default() -> Self {
        Self {
            database: String::new(),
            schemas: false,
            decimal: DebeziumDecimals::default(),
            time: DebeziumTimes::default(),
            unavailable: "__debezium_unavailable_value".to_owned(),
            tombstones: true,
            before_key: false,
        }
    }
}

/// Whose words are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connector {
    Postgres,
    Mysql,
    Mariadb,
}

impl Connector {
    fn of(event: &Event<'_>) -> Self {
        match event.position {
            // What has no log has no connector of Debezium's either: the configuration refuses this format for it.
            EventPosition::Postgres { .. } | EventPosition::Poll(_) => Self::Postgres,
            EventPosition::Mysql(_) => Self::Mysql,
            EventPosition::Mariadb(_) => Self::Mariadb,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
        }
    }
}

/// Appends the key columns as an object.
pub(super) fn write_key(
    source: &str,
    table: &Table,
    row: &[Cell<'_>],
    options: &DebeziumOptions,
    out: &mut Vec<u8>,
) {
    let columns = &table.schema.columns;
    let key =
        table.schema.key.iter().filter_map(|position| Some((columns.get(*position)?, row.get(*position)?)));
    if options.schemas {
        out.extend_from_slice(b"{\"schema\":");
        schema::write_key_schema(source, table, options, out);
        out.extend_from_slice(b",\"payload\":");
        write_columns(key, options, out);
        out.push(b'}');
    } else {
        write_columns(key, options, out);
    }
}

/// Appends an event as Debezium's envelope, or as `json` if Debezium has none for it.
pub(super) fn write_event(
    source: &str,
    epoch: u64,
    event: &Event<'_>,
    options: &DebeziumOptions,
    out: &mut Vec<u8>,
) {
    let (op, table, before, after) = match event.body {
        Body::Insert { table, after, .. } => ("c", table, Before::None, Some(after)),
        Body::Update { table, before, after, .. } => ("u", table, before, Some(after)),
        Body::Delete { table, before, .. } => ("d", table, before, None),
        Body::Read { table, after, .. } => ("r", table, Before::None, Some(after)),
        _ => return json::write_event(source, epoch, event, &JsonOptions::default(), out),
    };
    if options.schemas {
        out.extend_from_slice(b"{\"schema\":");
        schema::write_envelope_schema(source, table, Connector::of(event), options, out);
        out.extend_from_slice(b",\"payload\":");
    }
    out.push(b'{');
    name("before", out);
    let columns = &table.schema.columns;
    match (before, after) {
        (Before::Full(row), _) => write_columns(columns.iter().zip(row), options, out),
        (Before::Key(row), _) => {
            let cells = row.iter().map(|cell| if *cell == Cell::Omitted { &Cell::Null } else { cell });
            write_columns(columns.iter().zip(cells), options, out);
        }
        (Before::None, Some(after)) if op == "u" && options.before_key && table.has_key() => {
            let key = &table.schema.key;
            let cells = after.iter().enumerate();
            let key_cells = cells.map(|(n, cell)| if key.contains(&n) { cell } else { &Cell::Null });
            write_columns(columns.iter().zip(key_cells), options, out);
        }
        (Before::None, _) => out.extend_from_slice(b"null"),
    }
    name("after", out);
    or_null(after, out, |row, out| write_columns(columns.iter().zip(row), options, out));
    name("source", out);
    write_source(source, table, event, options, out);
    out.extend_from_slice(b",\"transaction\":null");
    name("op", out);
    write_text(op, out);
    write_times(event.captured_time_us, out);
    out.push(b'}');
    if options.schemas {
        out.push(b'}');
    }
}

/// The cells of one row. What the log left out is never a null here: the placeholder stands for it.
fn write_columns<'r, 'a: 'r>(
    columns: impl Iterator<Item = (&'r Column, &'r Cell<'a>)>,
    options: &DebeziumOptions,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (column, cell) in columns {
        name(&column.name, out);
        write_value(cell, Kind::of(column, options), options, out);
    }
    out.push(b'}');
}

/// Where the event is from, in the words of Debezium's connector for that database.
fn write_source(
    source: &str,
    table: &Table,
    event: &Event<'_>,
    options: &DebeziumOptions,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(
        concat!(r#"{"version":""#, env!("CARGO_PKG_VERSION"), r#"","connector":"#).as_bytes(),
    );
    write_text(Connector::of(event).name(), out);
    name("name", out);
    write_text(source, out);
    write_times(
        event.transaction.map_or(event.captured_time_us, |transaction| transaction.commit_time_us),
        out,
    );
    name("snapshot", out);
    write_text(if matches!(event.body, Body::Read { .. }) { "true" } else { "false" }, out);
    match event.position {
        EventPosition::Postgres { commit, own } => {
            write_postgres_place(table, event, (commit.into(), own.into()), options, out);
        }
        EventPosition::Mysql(place) | EventPosition::Mariadb(place) => write_binlog_place(table, &place, out),
        EventPosition::Poll(place) => {
            write_postgres_place(table, event, (place.scan, place.seq), options, out);
        }
    }
}

/// `sequence` is the transaction's commit LSN and the change's own: numbers that order events as the transactions were
/// committed.
fn write_postgres_place(
    table: &Table,
    event: &Event<'_>,
    (commit, own): (u64, u64),
    options: &DebeziumOptions,
    out: &mut Vec<u8>,
) {
    name("db", out);
    write_text(&options.database, out);
    name("sequence", out);
    _ = write!(out, r#""[\"{commit}\",\"{own}\"]""#);
    name("schema", out);
    write_text(&table.name().schema, out);
    name("table", out);
    write_text(&table.name().table, out);
    name("txId", out);
    or_null(event.transaction.and_then(|transaction| transaction.id.parse().ok()), out, write_number);
    name("lsn", out);
    write_number(own, out);
    out.extend_from_slice(b",\"xmin\":null");
    name("origin", out);
    or_null(event.transaction.and_then(|transaction| transaction.origin), out, write_text);
    out.extend_from_slice(b",\"origin_lsn\":null}");
}

fn write_binlog_place(table: &Table, place: &BinlogPlace<'_>, out: &mut Vec<u8>) {
    name("db", out);
    write_text(&table.name().schema, out);
    out.extend_from_slice(b",\"sequence\":null");
    name("table", out);
    write_text(&table.name().table, out);
    name("server_id", out);
    write_number(place.server_id.into(), out);
    name("gtid", out);
    or_null(Some(place.gtid).filter(|gtid| !gtid.is_empty()), out, write_text);
    name("file", out);
    write_text(place.file, out);
    name("pos", out);
    write_number(place.offset, out);
    out.extend_from_slice(b",\"row\":0,\"thread\":null,\"query\":null}");
}

fn write_times(us: i64, out: &mut Vec<u8>) {
    let (ms, ns) = (us.div_euclid(1000), us.saturating_mul(1000));
    _ = write!(out, r#","ts_ms":{ms},"ts_us":{us},"ts_ns":{ns}"#);
}

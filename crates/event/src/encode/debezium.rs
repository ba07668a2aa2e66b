//! placeholder
use crate::{Cell, Event, Table};

/// How the `debezium-json` format is written; each default is what most consumers accept.
#[derive(Clone, Debug)]
pub struct DebeziumOptions {
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
    /// Numbers of days or microseconds, as Debezium's default.
    Adaptive,
}

impl Default for DebeziumOptions {
    fn default() -> Self {
        Self {
            schemas: false,
            decimal: DebeziumDecimals::default(),
            time: DebeziumTimes::default(),
            unavailable: "__debezium_unavailable_value".to_owned(),
            tombstones: true,
            before_key: false,
        }
    }
}

pub(super) fn write_key(_table: &Table, _row: &[Cell<'_>], _options: &DebeziumOptions, _out: &mut Vec<u8>) {}

pub(super) fn write_event(
    _source: &str,
    _epoch: u64,
    _event: &Event<'_>,
    _options: &DebeziumOptions,
    _out: &mut Vec<u8>,
) {
}

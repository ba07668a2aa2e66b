//! From an event to bytes: one encoder per pipeline, shared by its batches.

mod debezium;
mod json;
pub(crate) mod protobuf;

use std::sync::Arc;

pub use debezium::{DebeziumDecimals, DebeziumOptions, DebeziumTimes};
pub use json::{DOCUMENT, JsonBigint, JsonOptions, write_json_object};

use crate::{Before, Body, Event, Route, id};

/// Turns events into messages of one format, for one source and epoch.
#[derive(Debug)]
pub struct Encoder {
    source: String,
    epoch: u64,
    protobuf_fields: Box<[u8]>,
    format: Format,
    control: Arc<Route>,
    schemas: Arc<Route>,
}

/// How events are written.
#[derive(Clone, Debug)]
pub enum Format {
    /// `cdc.v1.ChangeEvent`.
    Protobuf,
    /// One self-describing object per event.
    Json(JsonOptions),
    /// What consumers of Debezium's JSON accept.
    DebeziumJson(DebeziumOptions),
}

impl Encoder {
    /// An encoder for the pipeline's name and the epoch of its source's history.
    pub fn new(source: impl Into<String>, epoch: u64, format: Format) -> Self {
        let source = source.into();
        Self {
            protobuf_fields: protobuf::source_fields(&source, epoch),
            source,
            epoch,
            format,
            control: Arc::new(Route::Control),
            schemas: Arc::new(Route::Schemas),
        }
    }

    /// An encoder for the `json` format with its defaults.
    pub fn json(source: impl Into<String>, epoch: u64) -> Self {
        Self::new(source, epoch, Format::Json(JsonOptions::default()))
    }

    pub(crate) fn write_id(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        id::write_event_id(&self.source, self.epoch, event, out);
    }

    /// Whether the message has a key: its event is about one row of a table with one.
    pub(crate) fn has_key(&self, event: &Event<'_>) -> bool {
        event.keyed_row().is_some() && event.table().is_some_and(|table| table.has_key())
    }

    pub(crate) fn write_key(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        let (Some(table), Some(row)) = (event.table(), event.keyed_row()) else { return };
        match &self.format {
            Format::Protobuf => protobuf::write_key(table, row, out),
            Format::Json(options) => json::write_key(table, row, options, out),
            Format::DebeziumJson(options) => debezium::write_key(&self.source, table, row, options, out),
        }
    }

    pub(crate) fn write_payload(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        match &self.format {
            Format::Protobuf => protobuf::write_event(&self.protobuf_fields, event, out),
            Format::Json(options) => json::write_event(&self.source, self.epoch, event, options, out),
            Format::DebeziumJson(options) => {
                debezium::write_event(&self.source, self.epoch, event, options, out);
            }
        }
    }

    /// Where the event goes.
    pub(crate) fn route<'a>(&'a self, event: &Event<'a>) -> &'a Arc<Route> {
        let among_rows = match self.format {
            Format::Protobuf | Format::Json(_) => true,
            // Debezium's consumers fail on operations they don't know.
            Format::DebeziumJson(_) => {
                matches!(
                    event.body,
                    Body::Insert { .. } | Body::Update { .. } | Body::Delete { .. } | Body::Read { .. }
                )
            }
        };
        event.table().filter(|_| among_rows).map_or(&self.control, |table| &table.route)
    }

    pub(crate) fn schemas(&self) -> &Arc<Route> {
        &self.schemas
    }

    /// Whether a message without a payload follows, so that a compacted topic forgets the key.
    pub(crate) fn has_tombstone(&self, event: &Event<'_>) -> bool {
        let deleted = matches!(event.body, Body::Delete { before: Before::Key(_) | Before::Full(_), .. });
        match &self.format {
            Format::DebeziumJson(options) => options.tombstones && deleted && self.has_key(event),
            Format::Protobuf | Format::Json(_) => false,
        }
    }

    /// The fingerprint, which keys the topic or bucket of all schemas.
    pub(crate) fn write_schema_key(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        if let Some(table) = event.table() {
            out.extend_from_slice(table.fingerprint.to_string().as_bytes());
        }
    }
}

//! The words that every part of `cdc` speaks: what a change is, where it stands in the log, and how it is written.
//!
//! The one idea: **a row is never owned on its way through.** A reader decodes a change as borrowed cells over the
//! buffer it was received in, wraps them in an [`Event`], and pushes that into a [`Batch`], which encodes it at once
//! into its arena. From there on it is bytes: a sink hands out slices, the batch is recycled, and no cell was ever
//! allocated for.
//!
//! ```
//! use event::*;
//!
//! let columns = vec![
//!     Column { name: "id".into(), type_name: "int4".into(), type_oid: 23, type_modifier: -1 },
//!     Column { name: "note".into(), type_name: "text".into(), type_oid: 25, type_modifier: -1 },
//! ];
//! let table = Table::new(TableSchema { name: TableName::new("public", "orders"), columns, key: vec![0] });
//! let pool = BatchPool::new(Encoder::new("shop", 1, Format::Protobuf), BatchLimits::default());
//! let mut batch = pool.batch();
//! batch.push(&Event {
//!     position: EventPosition::Postgres { commit: Lsn::from(0x20), own: Lsn::from(0x10) },
//!     transaction: Some(Transaction { id: "742", seq: 1, commit_time_us: 0, origin: None }),
//!     captured_time_us: 0,
//!     body: Body::Insert {
//!         table: &table,
//!         table_seq: 1,
//!         after: &[Cell::Int(7), Cell::Text("fragile".into())],
//!         key_change: false,
//!         fetched: &[],
//!     },
//! });
//! let message = batch.message(0).unwrap();
//! assert_eq!(message.id, b"shop/1/0000000000000020/1");
//! ```
//!
//! | file | what |
//! |---|---|
//! | `lsn`, `gtid`, `position` | places in a log |
//! | `cell`, `schema`, `table` | a value, the shape of a row, a table that can be encoded |
//! | `event`, `id` | one message on its way out, and its name |
//! | `load`, `load_events`, `estimate`, `fence` | what a load is to read, what it says, how long it takes, what it has read |
//! | `finding` | what is not as it should be, for whoever has to mend it |
//! | `batch`, `encode` | the arena and the three formats |
//! | `envelope` | the published message, to read events back |
//! | `seam` | what a source, a load and a sink are |
//!
//! Nothing here does IO or needs a runtime.

mod batch;
mod binlog_offset;
pub mod by_table;
mod cell;
mod encode;
pub mod envelope;
mod estimate;
mod event;
mod fence;
mod finding;
mod gtid;
mod id;
mod load;
mod load_events;
mod log_state;
mod lsn;
mod position;
mod row_events;
mod rules;
mod schema;
mod seam;
mod sequences;
mod table;

pub use batch::{Batch, BatchLimits, BatchPool, Message, Reached};
pub use binlog_offset::{BinlogOffset, ParseBinlogOffsetError};
pub use cell::{Bytes, Cell};
pub use encode::{
    DOCUMENT, DebeziumDecimals, DebeziumOptions, DebeziumTimes, Encoder, Format, JsonBigint, JsonOptions,
    write_json_object,
};
pub use estimate::{Estimate, Sample, TableEstimate};
pub use event::{Before, Body, Event, LoadRef, Op, Transaction};
pub use fence::{Fence, Fences, KeyBound, KeyRange, Place, TransactionPlace, XidSnapshot};
pub use finding::{Explanation, Finding, Findings, list_names};
pub use gtid::{Gtid, GtidSet, GtidSource, MariadbGtid, MariadbPosition, ParseGtidError};
pub use id::LogOrder;
pub use load::{Begun, Finished, LoadPart, LoadRequest, Read};
pub use load_events::{LoadEvents, LoadMoment};
pub use log_state::{Prepared, Shapes, Undecided};
pub use lsn::{Lsn, ParseLsnError};
pub use position::{BinlogPlace, BinlogPosition, EventPosition, Executed, LogPlace, PollPlace, Position};
pub use row_events::{RowEvents, RowPart};
pub use rules::{Mask, RuleError, SentTable, TableRules, Use};
pub use schema::{Column, Fingerprint, TableName, TableSchema};
pub use seam::{Database, Failure, Load, Remembered, Sink, Source, TableNews};
pub use sequences::Sequences;
pub use table::{Route, Table};

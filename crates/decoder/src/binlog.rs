//! The binary log of MySQL and MariaDB: its events, and the rows in them.
//!
//! MySQL's "Internals Manual" and the headers of `libs/mysql/binlog/event` say how events are written; for MariaDB its
//! `sql/log_event.h`. [`Format::event`] reads one whole event as a borrowed view. A [`TableMap`] says how rows are stored,
//! a [`TableDefinition`] what their columns mean: from the map itself where the server writes `binlog_row_metadata=FULL`,
//! else from whoever keeps the tables' history. Both make a [`RowPlan`], once for a map, and with it [`Rows::changes`] hands
//! out each row's cells.

mod charset;
mod columns;
mod compressed;
mod cursor;
mod definition;
mod event;
mod format;
mod gtid;
mod header;
mod json;
mod kind;
mod payload;
mod plan;
mod query;
mod rows;
mod selected;
mod table_map;
mod value;

pub use charset::Charset;
pub use columns::Stored;
pub use definition::{ColumnDefinition, Declared, TableDefinition};
pub use event::{Event, Xid};
pub use format::{Events, FILE_HEADER, Format, events};
pub use gtid::{GtidEvent, MariadbGtidEvent};
pub use header::{Checksum, Header};
pub use payload::{PayloadEvents, TransactionPayload};
pub use plan::RowPlan;
pub use query::{Query, QueryVariables};
pub use rows::{Changes, Rows, RowsKind};
pub use selected::{SelectPlan, Selected};
pub use table_map::TableMap;

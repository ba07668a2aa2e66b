//! From the bytes a database sends to the words of the [`event`] crate.
//!
//! The one idea: **every byte from outside is checked once, and nothing is copied.** [`pgoutput::Message::parse`]
//! walks a message to its end, so that whatever hands out its parts later cannot run over; the parts stay where they
//! were received. A [`ColumnType`], made once a column, turns a value's text into an [`event::Cell`], and where the
//! usual arm cannot hold the value exactly (`infinity`, an array that starts at 0, a type nobody here knows) the cell
//! is the database's own text. Bytes never make it panic: what is not understood is an [`Error`] that says which
//! message, at which offset, and what was expected there.
//!
//! ```
//! use decoder::pgoutput::{InStream, Message, RelationCache};
//! use event::Cell;
//!
//! let mut relations = RelationCache::default();
//! let relation = b"R\0\0\x40\0public\0orders\0d\0\x02\
//!     \x01id\0\0\0\0\x17\xFF\xFF\xFF\xFF\0note\0\0\0\0\x19\xFF\xFF\xFF\xFF";
//! if let Message::Relation(relation) = Message::parse(relation, InStream::No)? {
//!     relations.learn_relation(&relation);
//! }
//!
//! let insert = b"I\0\0\x40\0N\0\x02t\0\0\0\x017n";
//! if let Message::Insert { relation, new, .. } = Message::parse(insert, InStream::No)? {
//!     let shape = relations.shape(relation)?;
//!     let mut cells = Vec::new();
//!     decoder::row(&shape.types, new, &mut cells)?;
//!     assert_eq!(cells, [Cell::Int(7), Cell::Null]);
//! }
//! # Ok::<(), decoder::Error>(())
//! ```
//!
//! | file | what |
//! |---|---|
//! | `pgoutput/message` | every message of the protocol versions 1 to 4, as a borrowed view |
//! | `pgoutput/tuple` | one row image within a message |
//! | `pgoutput/relation` | the shapes that rows are positional against, by OID |
//! | `pgoutput/cursor` | the checked steps over a message |
//! | `types` | a column's type, and a value's text to a cell |
//! | `types/builtin` | the names of PostgreSQL's own types, by OID |
//! | `types/number`, `types/datetime`, `types/bytes`, `types/array` | one family of texts each |
//! | `row` | a row image and its types to cells |
//! | `copy` | a line of `COPY … TO STDOUT` and its types to the same cells |
//! | `binlog` | the binary log of MySQL and MariaDB, from an event's bytes to its rows' cells |
//! | `binlog/header`, `binlog/format`, `binlog/event` | what stands around events, a file of them, every kind of them |
//! | `binlog/table_map`, `binlog/definition`, `binlog/plan` | how rows are stored, what that means, both together |
//! | `binlog/rows`, `binlog/value`, `binlog/json` | row images, values, MySQL's binary JSON |
//! | `packets` | the packets that MySQL and MariaDB speak in |
//! | `error` | what can be wrong |
//!
//! Nothing here does IO or needs a runtime. What a server with pinned settings writes is assumed only for the
//! meaning of a text (`DateStyle` ISO, `bytea_output` hex, `TimeZone` UTC, `extra_float_digits` 1 or more): under
//! other settings values arrive as their text, not as other values.

pub mod binlog;
pub mod copy;
mod error;
pub mod packets;
pub mod pgoutput;
mod row;
mod types;

pub use error::Error;
pub use row::{key_row, row};
pub use types::{ColumnType, type_name};

//! MySQL and MariaDB as a source: their tables as they stand, then their binary log as it grows.
//!
//! The one idea: **the log is the authority, and what it does not say is never guessed.** Where the server writes
//! `binlog_row_metadata = FULL`, every row says what its columns are; where it does not, a table's shape is kept with the
//! checkpoint, and DDL in the log changes it; where neither tells, the stream stops and names the table. Loads overlap
//! with the log, and a fence says exactly how: a table is locked for the milliseconds in which its snapshot is taken.
//!
//! | file | what |
//! |---|---|
//! | `config`, `url`, `connect`, `session` | where a server is, and sessions on it |
//! | `system` | which server it is, how far its log reaches, whether a checkpoint belongs to it |
//! | `wire`, `dump`, `spooled`, `tail` | the log as packets, as bytes of events, and as events with their places |
//! | `stream`, `decoding` | the log as our events: where transactions begin and end |
//! | `transaction`, `control`, `held` | a transaction, the statements that part it, what of it may be taken back |
//! | `tables`, `table`, `row` | what is known of tables, one of them, a row's change |
//! | `origin` | where a transaction comes from |
//! | `ddl`, `effects`, `shape` | what a statement does to tables, and what becomes of what is known of them |
//! | `catalog`, `load`, `unit` | reading tables: what there is, the lock, the ranges |
//! | `check`, `retention`, `watch` | what is not as it should be, before the start and beside the stream |
//! | `refusal`, `error` | what a person must decide or mend, and what fails |

mod catalog;
mod check;
mod clock;
mod config;
mod connect;
mod control;
mod crash;
mod database;
pub mod ddl;
mod decoding;
mod dump;
mod effects;
mod error;
mod estimate;
mod fetch;
mod held;
mod load;
mod options;
mod origin;
mod overview;
mod part;
mod refusal;
mod retention;
mod row;
mod session;
mod shape;
mod spooled;
mod stream;
pub mod system;
mod table;
mod tables;
mod tail;
mod transaction;
mod unit;
mod url;
pub mod watch;
mod wire;

pub use catalog::{Candidate, candidates, databases, shape as shape_of};
pub use check::{Known, check};
pub use config::Config;
pub use error::{Endpoint, Error, ServerError};
pub use estimate::estimate;
pub use load::Loader;
pub use options::Options;
pub use overview::user_sql;
pub use part::try_filter;
pub use refusal::Refusal;
pub use session::Session;
pub use shape::{Misfit, NotApplied, Shape};
pub use stream::Stream;

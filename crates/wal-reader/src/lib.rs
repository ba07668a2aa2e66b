//! Postgres as a source: its tables as they stand, then its log as it grows.
//!
//! The one idea: **a load and the log overlap, and a fence says exactly how.** The slot is created first, so that from
//! some moment on nothing is missed; tables are read later, each under a snapshot that names the transactions it
//! contains; and when the stream comes to a change whose transaction the snapshot contains, that change is dropped and
//! everything else goes out. No long lock, no long transaction, and no moment at which the two must meet.
//!
//! | file | what |
//! |---|---|
//! | `wire` | the connection: one for SQL, COPY and replication |
//! | `system`, `slot`, `publication`, `catalog` | what the server is and holds, and what must be so before reading |
//! | `settle`, `unit`, `part`, `load` | reading tables: when a snapshot is usable, what one load reads, the reading |
//! | `stream` | the log: frames in, events and positions out |
//! | `spool` | transactions that are sent while they still run |
//! | `decoding`, `relation`, `row`, `fetch` | messages to events: transactions, shapes, a row's change, what the log lacks |
//! | `rules` | what of a table is sent |
//! | `refusal`, `check` | what a person must decide or mend; the same asked beforehand |
//! | `overview`, `estimate` | what there is, for whoever is about to choose; how long reading it takes |
//! | `watch` | a look at slot and log from beside the stream |
//!
//! In order: [`system::identify`], [`publication::ensure`], [`slot::create`], [`Loader`], [`Stream`].

mod catalog;
mod check;
mod clock;
mod database;
mod decoding;
mod error;
mod estimate;
mod fetch;
mod identity;
mod load;
mod options;
pub mod overview;
mod part;
pub mod publication;
mod refusal;
mod relation;
mod row;
pub mod rules;
mod session;
mod settle;
pub mod slot;
mod snapshot;
mod spool;
mod sql;
mod stream;
pub mod system;
mod unit;
pub mod watch;
pub mod wire;

pub use catalog::{Candidate, candidates};
pub use check::{Known, check, version};
pub use error::{Endpoint, Error, ServerError};
pub use estimate::estimate;
pub use load::Loader;
pub use options::Options;
pub use part::try_filter;
pub use refusal::Refusal;
pub use settle::{Blockers, blockers};
pub use stream::Stream;

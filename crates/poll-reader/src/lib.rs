//! Databases without a log: what a scan finds changed since the last one, over ODBC.
//!
//! The one idea: **compare, and believe nothing else.** Every row is read, made canonical, hashed, and looked up in what
//! is known; a change and its event are written in one transaction; and that a row is gone is said only when all were
//! read. So whatever happened between two scans, and whatever a crash took away, the next full scan finds it.
//!
//! | file | what |
//! |---|---|
//! | `options`, `schedule` | what is read, and when |
//! | `reader`, `control` | the thread that reads, and how it is spoken to |
//! | `session`, `dialect` | a read-only session, and how each kind of database is asked |
//! | `plan`, `fetch`, `typed` | the statement for a resource, its rows as texts, a text as a cell |
//! | `canonical`, `hash` | a row as bytes, and what tells two versions of it apart |
//! | `scan`, `family` | one reading of a resource, and the rows that belong to a root's |
//! | `diff`, `bitmap` | what is new, different, gone |
//! | `state`, `outbox`, `resync` | the file that knows, its end for the sender, its end for people |
//! | `copy` | that file taken and put back |
//! | `check` | what is not as it should be, before the start |
//!
//! `libodbc.c` stands in for the ODBC driver manager until it is needed: the program starts without one.

mod bitmap;
mod canonical;
mod check;
mod control;
mod copy;
mod dialect;
mod diff;
mod error;
mod family;
mod fetch;
mod hash;
mod options;
mod outbox;
mod plan;
mod reader;
mod resync;
mod scan;
mod schedule;
mod session;
mod state;
mod typed;

pub use check::check;
pub use copy::{Copied, checksum, copy, put_back};
pub use dialect::Dialect;
pub use diff::Found;
pub use error::{Error, Refused};
pub use options::{Child, Options, Overlap, Relation, Resource, Since};
pub use outbox::Outbox;
pub use reader::{News, Reader};
pub use resync::{Resync, resync};
pub use scan::{Held, Scanned};
pub use schedule::{Beat, QuietHours, Schedule};

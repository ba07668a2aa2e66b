//! The logical replication messages of PostgreSQL's `pgoutput` plugin, protocol versions 1 to 4.
//!
//! The manual's chapter "Logical Replication Message Formats" and the server's `src/backend/replication/logical/
//! proto.c` say how they are written.

mod cursor;
mod message;
mod relation;
mod tuple;

pub use message::{InStream, Message, Oids, OldTuple};
pub use relation::{Relation, RelationCache, RelationColumn, ReplicaIdentity, Shape};
pub use tuple::{ColumnData, Columns, Tuple};

//! The connection to a Postgres server: one for SQL, for `COPY … TO STDOUT` and for replication.
//!
//! The URL, the password, TLS and the pinned session settings mean the same wherever the program talks to
//! Postgres, because there is only one place that opens connections: [`connect`]. What it returns speaks the
//! simple query protocol; [`Connection::start_replication`] turns it into two halves that can be held by two
//! tasks: a [`ReplicationReader`] that shows frames where they lie in its buffer, and a [`ReplicationWriter`] that
//! [`Keepalive`] sends status updates through, whatever the reader is waiting for.
//!
//! ```no_run
//! # async fn example() -> Result<(), wal_reader::Error> {
//! use wal_reader::wire::{Config, Mode, connect};
//!
//! let config = Config::parse("postgres://cdc@db.example:5432/shop?sslmode=verify-full")?;
//! let mut connection = connect(&config, Mode::Sql).await?;
//! for row in connection.query("SELECT slot_name, restart_lsn FROM pg_replication_slots").await?.iter() {
//!     println!("{} {:?}", row.required("slot_name")?, row.get("restart_lsn")?);
//! }
//! # Ok(())
//! # }
//! ```

mod authenticate;
mod buffer;
mod channel_binding;
mod config;
mod connect;
mod connection;
mod copy_out;
mod frame;
mod keepalive;
mod password;
mod replication;
mod rows;
mod server_error;
mod startup;
mod tls;
mod url;

pub use config::Config;
pub use connect::connect;
pub use connection::Connection;
pub use copy_out::{CopyOut, CopyRows};
pub use frame::Frame;
pub use keepalive::Keepalive;
pub use replication::{ReplicationReader, ReplicationWriter, Status};
pub use rows::{ColumnName, Row, Rows};
pub use startup::Mode;

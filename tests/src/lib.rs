//! Tests of the built program against real servers, and what they share.
//!
//! The one idea: nothing is mocked. A test starts the PostgreSQL, Kafka or NATS it needs ([`servers`]), as its
//! own and on its own port, does to it what happens to servers in the field (stop, kill, freeze, cut and
//! stall the network), and looks at what came out at the other end.
//!
//! | file | what |
//! |---|---|
//! | `servers` | the servers, and a network that misbehaves |
//! | `session`, `client` | a session with a database |
//! | `database` | the database under test, of whichever kind |
//! | `dialect` | what databases say in different words |
//! | `workload` | an application that writes |
//! | `application` | one that makes up its tables, and changes their shapes while it writes |
//! | `history` | what a source did, by its own account |
//! | `judge` | what a sink got, held against that history |
//! | `connector` | the built program, from its configuration to its end |
//! | `fate` | a clock that jumps, and an end in the middle of things |
//! | `browser` | a real browser |
//! | `replay` | a consumer that rebuilds the tables and checks every promise |
//! | `random` | numbers that come again with the same seed |

pub mod application;
pub mod browser;
pub mod client;
pub mod connector;
pub mod database;
pub mod dialect;
pub mod fate;
pub mod history;
pub mod judge;
pub mod random;
pub mod replay;
pub mod servers;
pub mod session;
pub mod workload;

//! Tests of the built program against real servers, and what they share.
//!
//! The one idea: nothing is mocked. A test starts the PostgreSQL, Kafka or NATS it needs ([`servers`]), as its
//! own and on its own port, does to it what happens to servers in the field (stop, kill, freeze, cut and
//! stall the network), and looks at what came out at the other end.

pub mod servers;

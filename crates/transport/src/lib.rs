//! What lies under a database's protocol: a socket, perhaps with TLS over it, that is read at a pace.
//!
//! The one idea: **a server that sends a log sends it in small pieces, and a reader that wakes for each costs both of them
//! more than all else.** So while much arrives a [`Socket`] can be read seldom, and at once while it is quiet. What is said
//! over it is none of this crate's business: both log readers are built on it.
//!
//! | file | what |
//! |---|---|
//! | `socket`, `liveness`, `watch` | TCP and Unix sockets, when a peer counts as gone, readiness |
//! | `pace` | when to read |
//! | `stream`, `verify` | a socket with or without TLS, how much of a server's certificate is checked |

mod liveness;
mod pace;
mod socket;
mod stream;
mod verify;
mod watch;

pub use liveness::Liveness;
pub use socket::Socket;
pub use stream::Stream;
pub use verify::{Trusted, Verifier};

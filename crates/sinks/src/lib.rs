//! Where events go.

mod acks;
mod error;
mod file;
mod framing;
mod kafka;
mod nats;
mod null;
mod pipeline;
mod progress;
mod quiet;
mod stdout;
mod template;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;

pub use error::{Error, Limit};
pub use file::{File, FileOptions};
pub use framing::Framing;
pub use kafka::{Kafka, KafkaOptions, Properties};
pub use nats::{Nats, NatsOptions};
pub use null::{Null, NullOptions};
pub use pipeline::Pipeline;
pub use stdout::{Stdout, StdoutOptions};

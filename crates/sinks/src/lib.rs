//! Where events go: files, standard output, Kafka, NATS JetStream, an HTTP receiver, or nowhere.
//!
//! The one idea: **a sink says that a batch is durable when it is, in order, and otherwise fails.** It takes encoded
//! batches ([`event::Sink::write`]), sends them on in their order with as many under way at once as its memory budget
//! allows, and tells how long a prefix of them is stored for good ([`event::Sink::durable`]). It repairs nothing by
//! itself that could put one event behind a later one: when something was refused or lost it fails, and says whether
//! opening both ends anew from the checkpoint may help (`is_retryable`).
//!
//! ```
//! use event::Sink as _;
//! use sinks::{File, FileOptions, Framing};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let pool = event::BatchPool::new(event::Encoder::json("shop", 1), event::BatchLimits::default());
//! # let batch = pool.batch();
//! let options = FileOptions { path: folder.path().join("events.ndjson"), rotate_mb: None };
//! let mut file = File::open(&options, Framing::Lines)?;
//! file.write(batch).await?;
//! assert_eq!(file.durable().await?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What durable means, and what a crash of this program can leave behind:
//!
//! | sink | durable | after a crash or a failure |
//! |---|---|---|
//! | `File` | fsync returned, for new files also that of their folder | an event can stand there twice, none in half |
//! | `Stdout` | written and flushed | an event can come twice |
//! | `Kafka` | acknowledged by all in-sync replicas | an event can be stored twice, first copies in order |
//! | `Nats` | acknowledged by JetStream (see `sync_interval` below) | each event of the log is stored once |
//! | `Http` | answered with 2xx, or in the dead-letter file | an event can be sent twice, first ones in order per key |
//! | `Null` | at once | |
//!
//! The two that talk to brokers share their bones: messages are numbered as they are sent, acknowledgements come in
//! any order, and a batch is durable once the unbroken prefix of acknowledged numbers has passed its last message.
//! Where an event goes is made of a pattern and its table's name, escaped so that no two tables meet by accident.
//!
//! A failed sink must be dropped before another is opened in its place: a file is locked until then, and a Kafka
//! producer waits in its `drop` until nothing of it can arrive behind its successor's messages.
//!
//! NATS: an acknowledged event is on the server's disk only within its `sync_interval`, two minutes by default. A
//! power failure of a single server can take it although it was checkpointed; `sync_interval: always` or three
//! replicas prevent that.
//!
//! | file | what |
//! |---|---|
//! | `file`, `stdout`, `framing` | events one after another |
//! | `kafka` | topics, partitions as Java's clients choose them, librdkafka's reports |
//! | `nats` | the stream, subjects, the window of messages under way, where to resume |
//! | `http` | requests, one after another per key, until they are taken |
//! | `acks` | from acknowledgements in any order to batches in theirs |
//! | `store` | a checkpoint beside the events |
//! | `retained` | what was delivered, kept for one more consumer |
//! | `progress` | what a sink's thread or task tells the pipeline |
//! | `template`, `own_names` | names of topics and subjects |
//! | `quiet` | one log line a minute |
//! | `secret`, `tls` | what proves who we are, and whether the other end is who it says |
//! | `error` | what can go wrong, with codes that docs/errors.md explains |

mod acks;
mod error;
mod file;
mod framing;
mod http;
mod kafka;
mod nats;
mod null;
mod own_names;
mod pipeline;
mod progress;
mod quiet;
mod retained;
mod secret;
mod stdout;
mod store;
mod template;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;
mod tls;

pub use error::{Error, Limit};
pub use file::{File, FileOptions};
pub use framing::Framing;
pub use http::{Http, HttpOptions, HttpTls};
pub use kafka::{Kafka, KafkaOptions, KafkaSasl, KafkaTls, Properties};
pub use nats::{Nats, NatsOptions, NatsTls, Servers};
pub use null::{Null, NullOptions};
pub use own_names::OwnNames;
pub use pipeline::Pipeline;
pub use retained::{RetainOptions, Retained, Retention, Start};
pub use secret::Secret;
pub use stdout::{Stdout, StdoutOptions};
pub use store::Store;

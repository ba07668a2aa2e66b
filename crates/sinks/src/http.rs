//! Events to an HTTP receiver, in batches that are posted until it has taken them.
//!
//! A 2xx is the acknowledgement, and nothing else is. A receiver that can't just now (5xx, 408, 409, 423, 425, 429, no answer,
//! no connection) gets the same request again, after a pause that doubles, or as long as its `Retry-After` says. One that
//! refuses the events (400, 413, 422) gets them in halves until the one that it refuses is alone: that goes into the
//! dead-letter file, on the disk before it counts, or ends the pipeline if there is no such file. Whatever else it says is
//! not about the events: the sink fails.
//!
//! Requests follow each other in each of `concurrency` lanes. A key has one lane, so its events keep their order; what
//! concerns all rows of a table (TRUNCATE, schemas, a load's ends) goes when every lane is empty. With one lane the order is
//! that of the log.
//!
//! A request that got no answer may have been taken, and may even be taken later, after its repetition: a receiver drops
//! what it has seen by the events' IDs or numbers.

mod answer;
mod body;
mod connection;
mod courier;
mod dead_letters;
mod lanes;
mod receiver;
mod signature;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::{Batch, Sink};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::connection::HttpTls;
use self::courier::Courier;
use self::dead_letters::DeadLetters;
use self::lanes::Lanes;
use self::receiver::Receiver;
use crate::progress::{Progress, progress};
use crate::secret::Secret;
use crate::{Error, Framing, Pipeline};

/// `[sink.http]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct HttpOptions {
    /// Where batches are posted to: `https://crm.example/changes`.
    pub url: String,
    /// Holds a token, sent as `Authorization: Bearer …`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// The token itself.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Further headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Further headers, each with the file that holds its value.
    #[serde(default)]
    pub header_files: BTreeMap<String, PathBuf>,
    /// Holds the secret that requests are signed with.
    #[serde(default)]
    pub hmac_secret_file: Option<PathBuf>,
    /// The secret itself.
    #[serde(default)]
    pub hmac_secret: Option<Secret>,
    /// How long a request may take, from connecting to the last byte of its answer.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// How many events a request holds at most.
    #[serde(default = "default_batch_events")]
    pub batch_events: usize,
    /// How many bytes of events a request holds at most; one larger event goes alone.
    #[serde(default = "default_batch_bytes")]
    pub batch_bytes: usize,
    /// How many requests may be on their way at once, each of keys of its own.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// A file that takes the events which the receiver refuses for good, one a line. Without it, such an event ends the
    /// pipeline.
    #[serde(default)]
    pub dead_letter: Option<PathBuf>,
    /// `[sink.http.tls]`, read on its own.
    #[serde(skip)]
    pub tls: Option<HttpTls>,
}

fn default_timeout_ms() -> u64 {
    30_000
}

fn default_batch_events() -> usize {
    500
}

/// Below what web servers take unasked: nginx 1 MiB.
fn default_batch_bytes() -> usize {
    512_000
}

fn default_concurrency() -> usize {
    1
}

/// More would be a load test of the receiver.
const MOST_LANES: usize = 64;

impl HttpOptions {
    /// Whether everything goes together. Reads no file and asks no server.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |option, reason: &str| Err(Error::Option { option, reason: reason.to_owned() });
        if self.timeout_ms == 0 {
            return refuse("sink.http.timeout_ms", "must be 1 at least");
        }
        if self.batch_events == 0 {
            return refuse("sink.http.batch_events", "must be 1 at least");
        }
        if self.batch_bytes == 0 {
            return refuse("sink.http.batch_bytes", "must be 1 at least; an event that is larger goes alone");
        }
        if self.concurrency == 0 || self.concurrency > MOST_LANES {
            return refuse("sink.http.concurrency", "is out of range: 1 to 64");
        }
        Receiver::new(self, "", Framing::Lines).map(drop)
    }
}

/// Events to an HTTP receiver.
#[derive(Debug)]
pub struct Http {
    receiver: String,
    batches: mpsc::Sender<Batch>,
    progress: Progress,
    dead_letters: Arc<AtomicU64>,
    delivering: JoinHandle<()>,
}

impl Http {
    /// Asks the receiver by an empty batch whether it is there and takes us.
    pub async fn open(options: &HttpOptions, pipeline: &Pipeline, framing: Framing) -> Result<Self, Error> {
        let receiver = Arc::new(Receiver::new(options, &pipeline.source, framing)?);
        let counter = Arc::new(AtomicU64::new(0));
        let dead_letters =
            options.dead_letter.clone().map(|path| DeadLetters::new(path, framing, Arc::clone(&counter)));
        if let Some(dead_letters) = &dead_letters {
            dead_letters.open().await?;
        }
        let courier = |_| Courier::new(Arc::clone(&receiver), dead_letters.clone());
        let mut couriers: Vec<Courier> = (0..options.concurrency).map(courier).collect();
        for courier in couriers.iter_mut().take(1) {
            courier.ask().await?;
        }
        let (batches, queue) = mpsc::channel(1);
        let (reporter, progress) = progress();
        let lanes = Lanes::new(couriers, queue, options.batch_events, options.batch_bytes, reporter);
        let delivering = tokio::spawn(lanes.run());
        Ok(Self { receiver: receiver.to_string(), batches, progress, dead_letters: counter, delivering })
    }

    /// Asks the receiver the same, and leaves it at that.
    pub async fn ask(options: &HttpOptions, pipeline: &Pipeline, framing: Framing) -> Result<(), Error> {
        let receiver = Arc::new(Receiver::new(options, &pipeline.source, framing)?);
        Courier::new(receiver, None).ask().await
    }
}

impl Sink for Http {
    type Error = Error;

    fn destination(&self) -> String {
        format!("the receiver at {}", self.receiver)
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Error> {
        self.batches.send(batch).await.map_err(|_| self.progress.failure())
    }

    async fn durable(&mut self) -> Result<u64, Error> {
        self.progress.durable().await
    }

    fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }
}

/// A request under way may still be taken: its events come again, under the same IDs.
impl Drop for Http {
    fn drop(&mut self) {
        self.delivering.abort();
    }
}

//! Delivered events, kept for a while in files of our own, so that one more consumer can have them later.
//!
//! **Nothing counts as delivered before it is kept.** [`Retained`] stands before a sink, and says that a batch is durable when
//! the sink has it and the files do: what was delivered within the limits can be sent again, and what is in the files was
//! delivered or is about to be. A crash leaves repetitions as it does in the sink, and perhaps a record that was not written
//! to its end; whoever reads leaves both out.
//!
//! Each record holds all that a sink is told of a message: its route, ID, key and bytes. So what was sent to HTTP can go to
//! Kafka, in the format that it was written in.
//!
//! Files are numbered, and only the last is written; a start begins the next. When one is full the oldest go, as far as
//! they are beyond the limits. Readers need no lock: they read what is there, up to the last whole record.

mod keeper;
mod reader;
mod record;

use std::path::PathBuf;

use event::{Batch, Sink};

use self::keeper::Keeper;
pub use self::reader::{Retention, Start};
use crate::{Error, Framing};

/// Where events are kept, and how many.
#[derive(Clone, Debug)]
pub struct RetainOptions {
    /// A folder for these files alone.
    pub folder: PathBuf,
    /// The oldest that are kept, in hours.
    pub hours: u32,
    /// All files together take no more than this.
    pub max_bytes: u64,
}

/// A sink, and before it the files that keep what it is given; without them the sink alone.
#[derive(Debug)]
pub struct Retained<K> {
    sink: K,
    keeper: Option<Keeper>,
    /// Batches that the sink has.
    delivered: u64,
    /// Batches that the files have.
    kept: u64,
    told: u64,
}

impl<K: Sink<Error = Error>> Retained<K> {
    /// Puts files before a sink, if there are to be any. `kind`: how its events are written, as the configuration says it.
    pub fn open(sink: K, options: Option<&RetainOptions>, kind: &'static str) -> Result<Self, Error> {
        let keeper = options.map(|options| Keeper::open(options, kind)).transpose()?;
        Ok(Self { sink, keeper, delivered: 0, kept: 0, told: 0 })
    }
}

impl<K: Sink<Error = Error>> Sink for Retained<K> {
    type Error = Error;

    fn destination(&self) -> String {
        self.sink.destination()
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Error> {
        if let Some(keeper) = &mut self.keeper {
            keeper.write(&batch).await?;
        }
        self.sink.write(batch).await
    }

    async fn durable(&mut self) -> Result<u64, Error> {
        let Some(keeper) = &mut self.keeper else { return self.sink.durable().await };
        loop {
            let both = self.delivered.min(self.kept);
            if both > self.told {
                self.told = both;
                return Ok(both);
            }
            // Whatever comes is noted at once: nothing is lost by being cancelled.
            tokio::select! {
                delivered = self.sink.durable() => self.delivered = delivered?,
                kept = keeper.durable() => self.kept = kept?,
            }
        }
    }

    fn dead_letters(&self) -> u64 {
        self.sink.dead_letters()
    }
}

/// How events are written, as the configuration says it, as a file says it.
pub(crate) fn framing(kind: &str) -> Option<Framing> {
    match kind {
        "protobuf" => Some(Framing::LengthDelimited),
        "json" | "debezium-json" => Some(Framing::Lines),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

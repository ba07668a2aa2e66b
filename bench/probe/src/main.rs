//! What the benchmarks need at a broker, in one small program: every subcommand prints one line of JSON.
//!
//! Rows are told apart by a mark in one of their texts, `row-0000000042`, whatever format and program they came in: so
//! one reader serves them all, and what is missing or repeated is found by counting marks.

mod broker;
mod kafka;
mod marks;
mod nats;
mod produce;
mod quantiles;
mod steady;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::broker::Broker;
use crate::marks::Marks;

#[derive(Parser)]
#[command(about)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Waits until so many messages are stored; prints `first` on a line of its own when there is one at all.
    Await {
        #[command(flatten)]
        place: Place,
        #[arg(long)]
        messages: u64,
    },
    /// Reads all that is stored and counts the rows in it.
    Verify {
        #[command(flatten)]
        place: Place,
        #[arg(long)]
        rows: usize,
    },
    /// Counts the rows in a file.
    VerifyFile {
        file: PathBuf,
        #[arg(long)]
        rows: usize,
    },
    /// Sends a file of length-delimited messages to Kafka through nothing but librdkafka.
    Produce {
        #[arg(long)]
        kafka: String,
        #[arg(long)]
        topic: String,
        file: PathBuf,
    },
    /// Commits rows at a rate and times them from there to a consumer.
    Steady {
        #[command(flatten)]
        place: Place,
        #[arg(long)]
        postgres: String,
        #[command(flatten)]
        pace: Pace,
    },
    /// The same without a database: from a producer of this program to a consumer.
    RoundTrip {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        pace: Pace,
    },
}

/// Which topics of which broker.
#[derive(Args)]
struct Place {
    #[arg(long, conflicts_with = "nats", required_unless_present = "nats")]
    kafka: Option<String>,
    #[arg(long)]
    nats: Option<String>,
    /// What the topics' names begin with, or the stream's name.
    #[arg(long)]
    name: String,
}

/// How many, how often, for how long.
#[derive(Args)]
pub(crate) struct Pace {
    /// Transactions a second.
    #[arg(long, default_value_t = 1000)]
    pub(crate) commits: u32,
    /// Rows in each.
    #[arg(long, default_value_t = 1)]
    pub(crate) rows: u32,
    /// After everything has arrived for the first time, before measuring.
    #[arg(long, default_value_t = 5)]
    pub(crate) warm_up_s: u64,
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let printed = match Command::parse().what {
        What::Await { place, messages } => {
            let broker = runtime.block_on(place.open())?;
            broker.wait_for(&runtime, messages)?
        }
        What::Verify { place, rows } => {
            let broker = runtime.block_on(place.open())?;
            let mut marks = Marks::new(rows);
            broker.read_all(&runtime, |payload| marks.count(payload))?;
            marks.summary()
        }
        What::VerifyFile { file, rows } => {
            let mut marks = Marks::new(rows);
            marks.count_all(&std::fs::read(file)?);
            marks.summary()
        }
        What::Produce { kafka, topic, file } => produce::produce(&kafka, &topic, &file)?,
        What::Steady { place, postgres, pace } => {
            let broker = runtime.block_on(place.open())?;
            steady::of_rows(&runtime, broker, &postgres, &pace)?
        }
        What::RoundTrip { place, pace } => {
            let broker = runtime.block_on(place.open())?;
            steady::of_the_broker(&runtime, broker, &pace)?
        }
    };
    println!("{printed}");
    Ok(())
}

impl Place {
    async fn open(self) -> Result<Broker, Box<dyn Error>> {
        match (self.kafka, self.nats) {
            (Some(address), _) => Ok(Broker::Kafka(kafka::Kafka::new(address, self.name))),
            (_, Some(address)) => Ok(Broker::Nats(nats::Nats::connect(&address, self.name).await?)),
            _ => Err("--kafka or --nats".into()),
        }
    }
}

/// For how long something may not come before it counts as lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

//! How fast a sink takes a million events of about 190 bytes, and at how much CPU time of this process.
//!
//! ```text
//! cargo run --release --example sink_speed -- null | file PATH | kafka BROKER | bare-kafka BROKER | nats URL
//! ```
//!
//! The events are encoded beforehand. `bare-kafka` is the yardstick for `kafka`: the same bytes and settings through
//! nothing but librdkafka, without IDs, keys and order.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::error::Error;
use std::process;
use std::time::{Duration, Instant, SystemTime};

use common::{EPOCH, Maker, table};
use event::{Batch, Format, Sink};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use sinks::{
    File, FileOptions, Framing, Kafka, KafkaOptions, Nats, NatsOptions, Null, NullOptions, Pipeline,
};

const EVENTS: u64 = 1_000_000;
const BATCH: u64 = 8192;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let source = format!("speed-{started}");
    let pipeline = Pipeline { source: source.clone(), memory_bytes: 32 << 20 };
    let batches = batches(&source);
    let bytes: usize = batches.iter().map(Batch::len_bytes).sum();
    println!("{EVENTS} events, {} bytes each", bytes as u64 / EVENTS);
    match arguments[..] {
        ["null"] => time(Null::open(NullOptions {}), batches).await,
        ["file", path] => {
            let options = FileOptions { path: path.into(), rotate_mb: None };
            time(File::open(&options, Framing::LengthDelimited)?, batches).await
        }
        ["kafka", broker] => {
            let options: KafkaOptions = toml::from_str(&format!("brokers = ['{broker}']\npartitions = 3"))?;
            time(Kafka::open(&options, &pipeline).await?, batches).await
        }
        ["bare-kafka", broker] => {
            // Its topic is made by opening and writing once.
            let options: KafkaOptions = toml::from_str(&format!("brokers = ['{broker}']\npartitions = 3"))?;
            let mut kafka = Kafka::open(&options, &pipeline).await?;
            kafka.write(maker(&source).inserts([1])).await?;
            kafka.durable().await?;
            drop(kafka);
            bare_kafka(broker, &format!("{source}.public.orders"), &batches)
        }
        ["nats", url] => {
            let options: NatsOptions = toml::from_str(&format!("servers = ['{url}']"))?;
            time(Nats::open(&options, &pipeline).await?, batches).await
        }
        _ => {
            eprintln!("usage: sink_speed null | file PATH | kafka BROKER | bare-kafka BROKER | nats URL");
            process::exit(2);
        }
    }
    Ok(())
}

fn maker(source: &str) -> Maker {
    Maker::for_source(source, Format::Protobuf, table("public", "orders", true), EPOCH)
}

fn batches(source: &str) -> Vec<Batch> {
    let maker = maker(source);
    let note = "x".repeat(70);
    let mut batches = Vec::new();
    for start in (1..=EVENTS).step_by(BATCH as usize) {
        let mut batch = maker.batch();
        (start..(start + BATCH).min(EVENTS + 1)).for_each(|number| maker.insert(&mut batch, number, &note));
        batches.push(batch);
    }
    batches
}

async fn time<S: Sink>(mut sink: S, batches: Vec<Batch>) {
    let meter = Meter::start();
    let count = batches.len() as u64;
    let mut durable = 0;
    for (number, batch) in (0..).zip(batches) {
        sink.write(batch).await.unwrap();
        // As a pipeline: 16 MB under way.
        while number + 1 - durable > 9 {
            durable = sink.durable().await.unwrap();
        }
    }
    while durable < count {
        durable = sink.durable().await.unwrap();
    }
    meter.stop();
}

fn bare_kafka(broker: &str, topic: &str, batches: &[Batch]) {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "10")
        .set("batch.size", "1000000")
        .set("batch.num.messages", "10000")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.kbytes", "65536")
        .set("queue.buffering.max.messages", "10000000")
        .create()
        .unwrap();
    let meter = Meter::start();
    for message in batches.iter().flat_map(Batch::messages) {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(message.payload.unwrap());
        while let Err((_, back)) = producer.send(record) {
            record = back;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    while producer.in_flight_count() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    meter.stop();
}

struct Meter {
    wall: Instant,
    cpu_s: f64,
}

impl Meter {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu_s: cpu_s() }
    }

    fn stop(self) {
        let (wall_s, cpu_s) = (self.wall.elapsed().as_secs_f64(), cpu_s() - self.cpu_s);
        println!("{wall_s:.2} s, {:.0} events/s, {cpu_s:.2} CPU-s", EVENTS as f64 / wall_s);
    }
}

/// User and system time of this process, all threads: fields 14 and 15 of /proc/self/stat, in hundredths.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

use std::error::Error;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::PATIENCE;

/// Topics of a broker whose names begin alike.
pub(crate) struct Kafka {
    address: String,
    prefix: String,
    watcher: BaseConsumer,
}

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

impl Kafka {
    pub(crate) fn new(address: String, prefix: String) -> Self {
        let watcher = consumer(&address);
        Self { address, prefix, watcher }
    }

    /// How many messages are stored.
    pub(crate) fn stored(&self) -> Result<u64, Box<dyn Error>> {
        let mut stored = 0;
        for (topic, partition) in self.partitions()? {
            let (low, high) = self.watcher.fetch_watermarks(&topic, partition, ANSWER_TIMEOUT)?;
            stored += u64::try_from(high - low)?;
        }
        Ok(stored)
    }

    fn partitions(&self) -> Result<Vec<(String, i32)>, Box<dyn Error>> {
        let metadata = self.watcher.fetch_metadata(None, ANSWER_TIMEOUT)?;
        Ok(metadata
            .topics()
            .iter()
            .filter(|topic| topic.name().starts_with(&self.prefix))
            .flat_map(|topic| {
                topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id()))
            })
            .collect())
    }

    pub(crate) fn read_all(&self, mut seen: impl FnMut(&[u8])) -> Result<(), Box<dyn Error>> {
        let mut left = self.stored()?;
        let consumer = self.tail()?;
        while left > 0 {
            let message = consumer.poll(PATIENCE).ok_or("Kafka has stopped handing out what it has")??;
            seen(message.payload().unwrap_or_default());
            left -= 1;
        }
        Ok(())
    }

    /// Reads the topics from their beginnings on; they must be there.
    pub(crate) fn tail(&self) -> Result<BaseConsumer, Box<dyn Error>> {
        let deadline = Instant::now() + PATIENCE;
        let mut partitions = self.partitions()?;
        while partitions.is_empty() {
            if Instant::now() > deadline {
                return Err(format!("no topic {}… has come", self.prefix).into());
            }
            std::thread::sleep(Duration::from_millis(100));
            partitions = self.partitions()?;
        }
        let mut assigned = TopicPartitionList::new();
        for (topic, partition) in partitions {
            assigned.add_partition_offset(&topic, partition, Offset::Beginning)?;
        }
        let consumer = consumer(&self.address);
        consumer.assign(&assigned)?;
        Ok(consumer)
    }

    /// Sends to a topic, each message at once.
    pub(crate) fn sender(
        &self,
    ) -> Result<impl Fn(&str) -> Result<(), Box<dyn Error>> + use<>, Box<dyn Error>> {
        let producer = producer(&self.address, "0")?;
        let topic = format!("{}.round.trip", self.prefix);
        Ok(move |payload: &str| {
            let record = BaseRecord::<[u8], str>::to(&topic).payload(payload);
            producer.send(record).map_err(|(error, _)| error.into())
        })
    }
}

/// As durable as every program here: acknowledged by all, in order, without repetition.
pub(crate) fn producer(
    address: &str,
    linger_ms: &str,
) -> Result<ThreadedProducer<DefaultProducerContext>, Box<dyn Error>> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", linger_ms)
        .set("batch.size", "1000000")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.kbytes", "65536")
        .set("queue.buffering.max.messages", "10000000")
        .create()?;
    producer.client().fetch_metadata(None, ANSWER_TIMEOUT)?;
    Ok(producer)
}

fn consumer(address: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        // A topic that is just being made is looked for again at once.
        .set("topic.metadata.refresh.fast.interval.ms", "20")
        .create()
        .unwrap_or_else(|error| panic!("librdkafka refuses its settings: {error}"))
}

//! Events to Kafka: idempotent, gapless, acknowledged by all in-sync replicas.
//!
//! librdkafka keeps the order of each partition through retries and broker failures. If it ever has to give a message
//! up, it gives up all that follow (`enable.gapless.guarantee`), the sink fails retryably, and both ends are opened
//! anew from the checkpoint: an event can be stored twice then, never left out, and the first copies of a partition
//! stay in order. A consumer drops repetitions by keeping one `table_seq` per table and partition.

mod config;
mod deliveries;
mod handover;
mod murmur2;
mod names;
mod security;
mod store;
mod token;
mod topics;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use event::{Batch, Route, Sink};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::producer::{Producer as _, ThreadedProducer};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub use self::config::Properties;
use self::deliveries::Deliveries;
use self::handover::{Handover, Producing};
use self::names::Names;
use self::security::Security;
pub use self::security::{KafkaSasl, KafkaTls};
pub(crate) use self::store::Store;
use self::topics::{Creation, Topics};
use crate::progress::{Progress, progress};
use crate::{Error, OwnNames, Pipeline};

/// `[sink.kafka]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct KafkaOptions {
    /// Where to ask for the cluster: `["127.0.0.1:9092"]`.
    pub brokers: Vec<String>,
    /// A table's topic, made of `{source}`, `{schema}`, `{table}` and what stands between them.
    #[serde(default = "default_topic")]
    pub topic: String,
    /// Whether topics that are missing are created.
    #[serde(default = "default_create_topics")]
    pub create_topics: bool,
    /// How many partitions a new table's topic gets; the brokers' default without it.
    #[serde(default)]
    pub partitions: Option<u16>,
    /// How many replicas a new topic gets; the brokers' default without it.
    #[serde(default)]
    pub replication_factor: Option<u16>,
    /// Further settings of librdkafka.
    #[serde(default)]
    pub properties: Properties,
    /// Topics that some tables have of their own.
    #[serde(skip)]
    pub own_names: OwnNames,
    /// `[sink.kafka.tls]`, read on its own.
    #[serde(skip)]
    pub tls: Option<KafkaTls>,
    /// `[sink.kafka.sasl]`, read on its own.
    #[serde(skip)]
    pub sasl: Option<KafkaSasl>,
}

impl KafkaOptions {
    /// Whether everything goes together. Reads no file and asks no broker.
    pub fn check(&self) -> Result<(), Error> {
        config::check(self, &self.security())
    }

    fn security(&self) -> Security {
        Security::new(self.tls.as_ref(), self.sasl.as_ref())
    }
}

fn default_topic() -> String {
    "{source}.{schema}.{table}".to_owned()
}

fn default_create_topics() -> bool {
    true
}

/// Batches that wait for their hand-over: what small transactions leave while it pauses.
const BATCHES_WAITING: usize = 4;

/// Events to Kafka.
pub struct Kafka {
    cluster_id: String,
    topics: Topics,
    batches: Option<mpsc::Sender<Handover>>,
    progress: Progress,
    producing: Option<JoinHandle<()>>,
}

impl Kafka {
    /// Connects, and makes sure of the topics that every pipeline has.
    pub async fn open(options: &KafkaOptions, pipeline: &Pipeline) -> Result<Self, Error> {
        let names = Names::new(&options.topic, &options.own_names, &pipeline.source)?;
        let security = options.security();
        let client_config = config::client_config(options, &security)?;
        let producer_config = config::producer_config(&client_config, pipeline.memory_bytes);
        let brokers = options.brokers.join(",");
        let (reporter, progress) = progress();
        let deliveries = Deliveries::new(brokers.clone(), security.clone(), reporter);
        let producer = ThreadedProducer::from_config_and_context(&producer_config, deliveries.clone())
            .map_err(|error| security.creation_error(config::PROPERTIES, &error))?;
        let cluster_id = reach(&producer, &deliveries).await?;
        let mut topics = Topics {
            // With OAUTHBEARER it would wait for a token that nobody gives it.
            admin_config: security.token_file().is_none().then_some(client_config),
            names,
            creation: creation(options)?,
            batch_bytes: config::batch_bytes(&producer_config),
            brokers,
            producer: producer.clone(),
            deliveries: deliveries.clone(),
            known: HashMap::new(),
        };
        topics.resolve(&[Arc::new(Route::Control), Arc::new(Route::Schemas)]).await?;
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let producing = Producing {
            producer,
            deliveries,
            batches: receiver,
            budget_bytes: pipeline.memory_bytes,
            sent: 0,
        };
        let runtime = Handle::current();
        let producing = thread::Builder::new()
            .name("kafka sink".to_owned())
            .spawn(move || producing.run(&runtime))
            .map_err(|source| Error::File { doing: "start a thread for", path: "kafka".into(), source })?;
        Ok(Self { cluster_id, topics, batches: Some(sender), progress, producing: Some(producing) })
    }
}

/// Waits until some broker has answered, or refused us while no other did; the cluster's ID.
async fn reach(producer: &ThreadedProducer<Deliveries>, deliveries: &Deliveries) -> Result<String, Error> {
    const PATIENCE: Duration = Duration::from_secs(10);
    const PATIENCE_AFTER_A_REFUSAL: Duration = Duration::from_secs(1);
    let (start, mut refused_at) = (Instant::now(), None);
    loop {
        let client = producer.clone();
        let ask = move || client.client().fetch_cluster_id(Duration::from_millis(250));
        if let Some(cluster_id) = tokio::task::spawn_blocking(ask).await.map_err(|_| Error::Stopped)? {
            deliveries.opened();
            return Ok(cluster_id);
        }
        if deliveries.was_refused() {
            refused_at.get_or_insert_with(Instant::now);
        }
        if start.elapsed() > PATIENCE || refused_at.is_some_and(|at| at.elapsed() > PATIENCE_AFTER_A_REFUSAL)
        {
            return Err(deliveries.unreachable("connecting", None).await);
        }
    }
}

fn creation(options: &KafkaOptions) -> Result<Option<Creation>, Error> {
    for (option, value) in [
        ("sink.kafka.partitions", options.partitions),
        ("sink.kafka.replication_factor", options.replication_factor),
    ] {
        if value == Some(0) {
            let reason = "must be 1 at least; leave it out for the brokers' default".to_owned();
            return Err(Error::Option { option, reason });
        }
    }
    Ok(options.create_topics.then_some(Creation {
        partitions: options.partitions.map_or(-1, i32::from),
        replication_factor: options.replication_factor.map_or(-1, i32::from),
    }))
}

impl Sink for Kafka {
    type Error = Error;

    fn destination(&self) -> String {
        format!("Kafka cluster {}", self.cluster_id)
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Error> {
        let destinations = self.topics.resolve(batch.routes()).await?;
        let Some(batches) = &self.batches else { return Err(Error::Stopped) };
        batches.send(Handover { batch, destinations }).await.map_err(|_| self.progress.failure())
    }

    async fn durable(&mut self) -> Result<u64, Error> {
        self.progress.durable().await
    }
}

/// Waits until nothing of it can arrive any more: a successor would send the same again.
impl Drop for Kafka {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(producing) = self.producing.take() {
            _ = producing.join();
        }
    }
}

//! A checkpoint in Kafka: the last record of a compacted topic.
//!
//! Every save is a transaction under one `transactional.id`, because that is how Kafka tells two writers apart: whoever
//! takes the checkpoint over (`init_transactions`) fences off the one before, whose next save is refused. Thus a process
//! that only seemed dead can't put an older checkpoint behind a newer one.

use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::config::{self, PROPERTIES};
use super::deliveries::Deliveries;
use super::names::Names;
use super::topics::{Topics, Wanted};
use super::{KafkaOptions, creation, reach};
use crate::Error;
use crate::progress::progress;

/// The topic of one pipeline's checkpoint.
#[derive(Debug)]
pub(crate) struct Store {
    options: KafkaOptions,
    source: String,
    topic: String,
    writer: Option<Writer>,
}

struct Writer {
    producer: ThreadedProducer<Deliveries>,
    deliveries: Deliveries,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// How long a broker may take, while the pipeline waits.
const PATIENCE: Duration = Duration::from_secs(20);

const CURRENT: &str = "checkpoint";

impl Store {
    pub(crate) fn new(options: &KafkaOptions, source: &str) -> Result<Self, Error> {
        let names = Names::new(&options.topic, &options.own_names, source)?;
        let topic = names.checkpoint().to_owned();
        Ok(Self { options: options.clone(), source: source.to_owned(), topic, writer: None })
    }

    pub(crate) fn place(&self) -> String {
        format!("Kafka topic {}", self.topic)
    }

    /// What was saved last, without taking it over.
    pub(crate) async fn peek(&self) -> Result<Option<Vec<u8>>, Error> {
        let security = self.options.security();
        let client = config::client_config(&self.options, &security)?;
        let deliveries = Deliveries::new(self.options.brokers.join(","), security, progress().0);
        self.read(&client, &deliveries).await
    }

    /// What was saved last. Whoever had it before can't save any more.
    pub(crate) async fn load(&mut self) -> Result<Option<Vec<u8>>, Error> {
        // The former one first: it would wait for the broker when it is dropped.
        self.writer = None;
        let security = self.options.security();
        let client = config::client_config(&self.options, &security)?;
        let deliveries = Deliveries::new(self.options.brokers.join(","), security.clone(), progress().0);
        let producer =
            ThreadedProducer::from_config_and_context(&self.producer_config(&client), deliveries.clone())
                .map_err(|error| security.creation_error(PROPERTIES, &error))?;
        reach(&producer, &deliveries).await?;
        let wanted = Wanted::compacted(self.topic.clone(), "the checkpoint");
        let topics = Topics {
            admin_config: security.token_file().is_none().then(|| client.clone()),
            names: Names::new(&self.options.topic, &self.options.own_names, &self.source)?,
            creation: creation(&self.options)?,
            batch_bytes: 0,
            brokers: self.options.brokers.join(","),
            producer: producer.clone(),
            deliveries: deliveries.clone(),
            known: std::collections::HashMap::new(),
        };
        topics.ready(&wanted).await?;
        let fencing = producer.clone();
        let fenced = blocking(move || fencing.init_transactions(PATIENCE)).await?;
        fenced.map_err(|error| self.refusal(&deliveries, error))?;
        let saved = self.read(&client, &deliveries).await?;
        self.writer = Some(Writer { producer, deliveries });
        Ok(saved)
    }

    /// Replaces what is saved; when this returns `Ok`, it is on all in-sync replicas. After an error only
    /// [`Store::load`] leads on: what a save that was given up has left behind is not known.
    pub(crate) async fn save(&mut self, content: &[u8]) -> Result<(), Error> {
        self.save_as(CURRENT, content).await
    }

    /// Keeps something under another name.
    pub(crate) async fn save_as(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let Some(writer) = self.writer.take() else { return Err(Error::Stopped) };
        let (producer, topic) = (writer.producer.clone(), self.topic.clone());
        let (name, content) = (name.to_owned(), content.to_vec());
        let saved = blocking(move || {
            producer.begin_transaction()?;
            let record = BaseRecord::with_opaque_to(&topic, 0).partition(0).key(&name).payload(&content);
            producer.send(record).map_err(|(error, _)| error)?;
            producer.commit_transaction(PATIENCE)
        });
        saved.await?.map_err(|error| self.refusal(&writer.deliveries, error))?;
        self.writer = Some(writer);
        Ok(())
    }

    fn transactional_id(&self) -> String {
        format!("cdc.{}.checkpoint", self.source)
    }

    fn producer_config(&self, client: &ClientConfig) -> ClientConfig {
        let mut config = client.clone();
        let patience_ms = PATIENCE.as_millis().to_string();
        config
            .set("transactional.id", self.transactional_id())
            .set("transaction.timeout.ms", &patience_ms)
            .set("message.timeout.ms", &patience_ms)
            .set("message.max.bytes", config::MESSAGE_LIMIT_BYTES.to_string())
            .set("compression.type", "lz4")
            .set("linger.ms", "0");
        config
    }

    /// The last record under our key. Reads the whole topic, which compaction keeps small.
    async fn read(&self, client: &ClientConfig, deliveries: &Deliveries) -> Result<Option<Vec<u8>>, Error> {
        let mut config = client.clone();
        config
            // Asked for by librdkafka; nothing is ever committed under it.
            .set("group.id", self.transactional_id())
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed");
        let (topic, context) = (self.topic.clone(), deliveries.clone());
        let last = blocking(move || last(&config, context, &topic)).await?;
        match last {
            Ok(last) => Ok(last),
            Err(error) if code(&error) == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                Err(deliveries.forbidden("Read", &self.topic))
            }
            Err(error) => Err(deliveries.unreachable("reading the checkpoint", Some(error)).await),
        }
    }

    fn refusal(&self, deliveries: &Deliveries, error: KafkaError) -> Error {
        match code(&error) {
            Some(
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Error::Superseded { place: self.place() },
            Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) => deliveries.unauthorized(format!(
                "it may not use the transactional ID {id}; allow it: kafka-acls.sh --bootstrap-server {} --add \
                 --allow-principal User:… --operation Write --operation Describe --transactional-id {id}",
                self.options.brokers.join(","),
                id = self.transactional_id()
            )),
            Some(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::MessageSizeTooLarge),
            ) => deliveries.refusal(&self.topic, code, 0),
            _ => Error::Undelivered { destination: self.place(), reason: error.to_string() },
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)
}

fn last(config: &ClientConfig, context: Deliveries, topic: &str) -> Result<Option<Vec<u8>>, KafkaError> {
    let consumer = BaseConsumer::from_config_and_context(config, context)?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&from)?;
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(record)) if record.key() == Some(CURRENT.as_bytes()) => {
                last = record.payload().map(<[u8]>::to_vec);
            }
            Some(Ok(_)) => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
            Some(Err(error)) => match code(&error) {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                    return Ok(None);
                }
                Some(RDKafkaErrorCode::TopicAuthorizationFailed) => return Err(error),
                // Of the group that we are not in, or what passes by itself.
                _ => tracing::debug!(%error, "reading the checkpoint"),
            },
        }
    }
    Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))
}

fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(error) => Some(error.code()),
        error => error.rdkafka_error_code(),
    }
}

impl ConsumerContext for Deliveries {}

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::Route;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, ThreadedProducer};

use super::config::PROPERTIES;
use super::deliveries::Deliveries;
use super::names::Names;
use crate::Error;

/// The topics that were looked up, and created where that is allowed.
pub(super) struct Topics {
    /// For a client that creates topics and reads their limits; none where there can't be one.
    pub(super) admin_config: Option<ClientConfig>,
    pub(super) names: Names,
    pub(super) creation: Option<Creation>,
    pub(super) batch_bytes: usize,
    pub(super) brokers: String,
    pub(super) producer: ThreadedProducer<Deliveries>,
    pub(super) deliveries: Deliveries,
    pub(super) known: HashMap<Arc<Route>, Arc<Destination>>,
}

/// How topics are made; -1 leaves it to the brokers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Creation {
    pub(super) partitions: i32,
    pub(super) replication_factor: i32,
}

/// One topic. Its partitions are counted once: were the count to change under way, keys would change partition.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) topic: String,
    pub(super) partitions: i32,
    /// Its `max.message.bytes`, if this client may read it.
    pub(super) limit_bytes: Option<usize>,
    /// Whose events, for messages.
    pub(super) events_of: String,
}

/// What a topic has to be.
pub(super) struct Wanted {
    topic: String,
    /// None for as many as the configuration says.
    partitions: Option<i32>,
    is_compacted: bool,
    events_of: String,
}

impl Wanted {
    fn of(names: &Names, route: &Route) -> Self {
        let topic = names.topic(route);
        match route {
            Route::Table(table) => {
                Self { topic, partitions: None, is_compacted: false, events_of: table.to_string() }
            }
            // What belongs to no row is little, and its order is worth more than its spread.
            Route::Control => {
                Self { topic, partitions: Some(1), is_compacted: false, events_of: "no table".to_owned() }
            }
            Route::Schemas => Self::compacted(topic, "all schemas"),
        }
    }

    /// One partition, of which the last record by key is wanted.
    pub(super) fn compacted(topic: String, events_of: &str) -> Self {
        Self { topic, partitions: Some(1), is_compacted: true, events_of: events_of.to_owned() }
    }
}

type Admin = AdminClient<DefaultClientContext>;

/// Only closed segments are compacted: small ones, so that the topic is read in a moment.
const COMPACTED: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("segment.bytes", "16777216")];

const PATIENCE: Duration = Duration::from_secs(30);

impl Topics {
    /// The topics of a batch's routes, in their order.
    pub(super) async fn resolve(&mut self, routes: &[Arc<Route>]) -> Result<Vec<Arc<Destination>>, Error> {
        let mut admin = None;
        let mut destinations = Vec::with_capacity(routes.len());
        for route in routes {
            let known = match self.known.get(route) {
                Some(known) => Arc::clone(known),
                None => {
                    if admin.is_none() {
                        admin = self.admin()?;
                    }
                    let wanted = Wanted::of(&self.names, route);
                    let found = Arc::new(self.look_up(admin.as_ref(), &wanted).await?);
                    self.deliveries.add(&found);
                    self.known.insert(Arc::clone(route), Arc::clone(&found));
                    found
                }
            };
            destinations.push(known);
        }
        Ok(destinations)
    }

    /// One topic alone.
    pub(super) async fn ready(&self, wanted: &Wanted) -> Result<(), Error> {
        self.look_up(self.admin()?.as_ref(), wanted).await.map(drop)
    }

    fn admin(&self) -> Result<Option<Admin>, Error> {
        let created = self.admin_config.as_ref().map(ClientConfig::create).transpose();
        created.map_err(|error| Error::Option { option: PROPERTIES, reason: error.to_string() })
    }

    async fn look_up(&self, admin: Option<&Admin>, wanted: &Wanted) -> Result<Destination, Error> {
        let topic = wanted.topic.clone();
        // First create, then look: a broker may create what is merely looked at, in its own way.
        let created = match (self.creation, admin) {
            (Some(creation), Some(admin)) => Some(self.create(admin, wanted, creation).await?),
            _ => None,
        };
        let Some(partitions) = self.partitions(&topic, created == Some(Created::Now)).await? else {
            let command = self.creation_command(wanted);
            return Err(match created {
                Some(Created::Refused(reason)) => Error::TopicNotCreated { topic, reason, command },
                _ => Error::TopicMissing { topic, command },
            });
        };
        let limit_bytes = match admin {
            Some(admin) => limit_bytes(admin, &topic).await,
            None => None,
        };
        if let Some(limit_bytes) = limit_bytes.filter(|limit| *limit < self.batch_bytes) {
            return Err(Error::TopicLimit { topic, limit_bytes, batch_bytes: self.batch_bytes });
        }
        tracing::info!(topic, partitions, created = created == Some(Created::Now), "topic is ready");
        Ok(Destination { topic, partitions, limit_bytes, events_of: wanted.events_of.clone() })
    }

    async fn create(&self, admin: &Admin, wanted: &Wanted, creation: Creation) -> Result<Created, Error> {
        let partitions = wanted.partitions.unwrap_or(creation.partitions);
        let replication = TopicReplication::Fixed(creation.replication_factor);
        let mut new = NewTopic::new(&wanted.topic, partitions, replication);
        if wanted.is_compacted {
            for (name, value) in COMPACTED {
                new = new.set(name, value);
            }
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        let results = admin.create_topics([&new], &options).await;
        match results.map(|results| results.into_iter().next()) {
            Ok(Some(Ok(_))) => Ok(Created::Now),
            Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) => Ok(Created::Earlier),
            Ok(Some(Err((_, code)))) => Ok(Created::Refused(code.to_string())),
            Ok(None) => Ok(Created::Refused("the broker did not say why".to_owned())),
            Err(error) => Err(self.deliveries.unreachable("creating a topic", Some(error)).await),
        }
    }

    /// How many partitions a topic has; none without the topic. Waits until a new one has its leaders.
    async fn partitions(&self, topic: &str, is_new: bool) -> Result<Option<i32>, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = match self.metadata(topic).await? {
                Found::Partitions(count) if is_new && !self.take_requests(topic, count).await? => {
                    Found::NotReady
                }
                found => found,
            };
            if let Found::Partitions(count) = found {
                return Ok(Some(count));
            }
            if Instant::now() > deadline || (matches!(found, Found::Nothing) && !is_new) {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn metadata(&self, topic: &str) -> Result<Found, Error> {
        let (producer, name) = (self.producer.clone(), topic.to_owned());
        let look = move || {
            let metadata = producer.client().fetch_metadata(Some(&name), PATIENCE)?;
            let Some(topic) = metadata.topics().first() else { return Ok(Found::Nothing) };
            let leaders = topic.partitions().iter().filter(|partition| partition.leader() >= 0).count();
            Ok(match topic.error().map(RDKafkaErrorCode::from) {
                None if leaders > 0 && leaders == topic.partitions().len() => {
                    Found::Partitions(leaders as i32)
                }
                None | Some(RDKafkaErrorCode::LeaderNotAvailable) => Found::NotReady,
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                    Found::Nothing
                }
                Some(code) => return Err(KafkaError::MetadataFetch(code)),
            })
        };
        match tokio::task::spawn_blocking(look).await.map_err(|_| Error::Stopped)? {
            Ok(found) => Ok(found),
            Err(KafkaError::MetadataFetch(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::InvalidTopic),
            )) => Err(self.deliveries.refusal(topic, code, 0)),
            Err(error) => Err(self.deliveries.unreachable("looking a topic up", Some(error)).await),
        }
    }

    /// Whether the leaders of a new topic know of it by now: metadata tells of them before they do. A first request that is
    /// refused would be tried again after the second one was taken, which such a partition takes in whatever order.
    async fn take_requests(&self, topic: &str, partitions: i32) -> Result<bool, Error> {
        let (producer, name) = (self.producer.clone(), topic.to_owned());
        let ask = move || {
            let refused = |error: KafkaError| {
                let code = error.rdkafka_error_code();
                // Whoever may not ask may still write.
                code.filter(|code| *code != RDKafkaErrorCode::TopicAuthorizationFailed)
            };
            let client = producer.client();
            (0..partitions).all(|partition| {
                client.fetch_watermarks(&name, partition, PATIENCE).err().and_then(refused).is_none()
            })
        };
        tokio::task::spawn_blocking(ask).await.map_err(|_| Error::Stopped)
    }

    fn creation_command(&self, wanted: &Wanted) -> String {
        let (brokers, topic) = (&self.brokers, &wanted.topic);
        let mut command = format!("kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic}");
        if let Some(partitions) = wanted.partitions {
            command.push_str(&format!(" --partitions {partitions}"));
        }
        if wanted.is_compacted {
            for (name, value) in COMPACTED {
                command.push_str(&format!(" --config {name}={value}"));
            }
        }
        command
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Created {
    Now,
    Earlier,
    /// It may be there all the same, made by somebody who is allowed to.
    Refused(String),
}

enum Found {
    Partitions(i32),
    NotReady,
    Nothing,
}

/// Asking for this may be forbidden, which is no reason not to write.
async fn limit_bytes(admin: &Admin, topic: &str) -> Option<usize> {
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let resources = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await.ok()?;
    let topic = resources.into_iter().next()?.ok()?;
    topic.get("max.message.bytes")?.value.as_ref()?.parse().ok()
}

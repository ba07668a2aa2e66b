use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer::pull::OrderedConfig};
use futures_util::StreamExt as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// A message as a consumer gets it.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Within which order holds.
    pub partition: String,
    /// The ID beside the payload, where the sink has a place for it.
    pub id: Option<String>,
    /// The message key, where the sink has a place for it; within, none for a message without one.
    pub key: Option<Option<Vec<u8>>>,
    /// The envelope.
    pub payload: Vec<u8>,
}

/// A consumer of a broker that was cut off may take minutes to find its way back.
const PATIENCE: Duration = Duration::from_secs(240);

impl Delivered {
    /// The messages of a file of length-delimited events.
    pub fn each_of_file(path: &Path, mut take: impl FnMut(Self)) {
        let file = File::open(path).unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
        let mut reader = BufReader::with_capacity(1 << 20, file);
        while let Some(length) = read_varint(&mut reader) {
            let mut payload = vec![0; length];
            reader.read_exact(&mut payload).expect("a whole event");
            take(Self { partition: "file".to_owned(), id: None, key: None, payload });
        }
    }

    /// The messages of a body of length-delimited events.
    pub fn each_of_body(mut body: &[u8], mut take: impl FnMut(Self)) {
        while let Some(length) = read_varint(&mut body) {
            let mut payload = vec![0; length];
            body.read_exact(&mut payload).expect("a whole event");
            take(Self { partition: "receiver".to_owned(), id: None, key: None, payload });
        }
    }

    /// The messages of a pipeline in Kafka, without the topics of all schemas and of the checkpoint.
    pub fn each_of_kafka(brokers: &str, pipeline: &str, mut take: impl FnMut(Self)) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "replay")
            .set("enable.auto.commit", "false")
            // On a busy machine an answer can be lost for this long, before it is asked for again.
            .set("socket.timeout.ms", "10000")
            .create()
            .expect("a consumer");
        let metadata = consumer.fetch_metadata(None, PATIENCE).expect("the list of topics");
        let prefix = format!("{pipeline}.");
        let topics = metadata.topics().iter().filter(|topic| topic.name().starts_with(&prefix));
        let (mut list, mut missing) = (TopicPartitionList::new(), 0);
        let others = ["schemas", "checkpoint"].map(|name| format!("{prefix}{name}"));
        for topic in topics.filter(|topic| !others.iter().any(|other| other == topic.name())) {
            for partition in topic.partitions() {
                let (topic, partition) = (topic.name(), partition.id());
                let (low, high) =
                    consumer.fetch_watermarks(topic, partition, PATIENCE).expect("the watermarks");
                list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
                missing += high - low;
            }
        }
        consumer.assign(&list).expect("the partitions");
        let mut deadline = Instant::now() + PATIENCE;
        while missing > 0 {
            // It may come back without a message before the time is over.
            let Some(message) = consumer.poll(Duration::from_secs(1)) else {
                assert!(Instant::now() < deadline, "{missing} more did not come: {:?}", consumer.position());
                continue;
            };
            let message = message.expect("a message");
            missing -= 1;
            deadline = Instant::now() + PATIENCE;
            let id =
                message.headers().and_then(|headers| headers.iter().find(|header| header.key == "cdc-id"));
            let id = id.and_then(|header| header.value).expect("an ID");
            take(Self {
                partition: format!("{}/{}", message.topic(), message.partition()),
                id: Some(String::from_utf8(id.to_vec()).expect("text")),
                key: Some(message.key().map(<[u8]>::to_vec)),
                payload: message.payload().expect("a payload").to_vec(),
            });
        }
    }

    /// The messages of a JetStream stream.
    pub fn each_of_nats(url: &str, stream: &str, mut take: impl FnMut(Self)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let context = jetstream::new(connected(url).await);
            let stream = context.get_stream(stream).await.expect("the stream");
            let mut missing = stream.cached_info().state.messages;
            let consumer = stream.create_consumer(OrderedConfig::default()).await.expect("a consumer");
            let mut messages = consumer.messages().await.expect("its messages");
            while missing > 0 {
                let next = tokio::time::timeout(PATIENCE, messages.next()).await.expect("a message in time");
                let message = next.expect("a message").expect("a message");
                let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
                take(Self {
                    partition: "stream".to_owned(),
                    id: Some(id.expect("an ID").to_string()),
                    key: None,
                    payload: message.payload.to_vec(),
                });
                missing -= 1;
            }
        });
    }
}

/// The client makes no use of a login within the URL.
async fn connected(url: &str) -> async_nats::Client {
    let place = url.trim_start_matches("nats://");
    let options = match place.split_once('@').and_then(|(login, _)| login.split_once(':')) {
        Some((user, password)) => {
            async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        None => async_nats::ConnectOptions::new(),
    };
    let place = place.rsplit('@').next().unwrap_or_default();
    options.connect(place).await.expect("connect to NATS")
}

fn read_varint(reader: &mut impl Read) -> Option<usize> {
    let mut value = 0;
    for position in 0.. {
        let mut byte = [0];
        if reader.read(&mut byte).expect("read the file") == 0 {
            assert_eq!(position, 0, "a torn length");
            return None;
        }
        value |= usize::from(byte[0] & 0x7F) << (7 * position);
        if byte[0] < 0x80 {
            break;
        }
    }
    Some(value)
}

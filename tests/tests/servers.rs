//! The servers that all other tests lean on do what their handles say: they start, are used, stop, and come back
//! on the same port with the data they had.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use end_to_end::servers::{Kafka, Mysql, Nats, Postgres, Proxy, Release, Stop, unique};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

#[tokio::test]
async fn postgres_14() {
    postgres_keeps_port_slot_and_rows(14).await;
}

#[tokio::test]
async fn postgres_15() {
    postgres_keeps_port_slot_and_rows(15).await;
}

#[tokio::test]
async fn postgres_16() {
    postgres_keeps_port_slot_and_rows(16).await;
}

#[tokio::test]
async fn postgres_17() {
    postgres_keeps_port_slot_and_rows(17).await;
}

#[tokio::test]
async fn postgres_18() {
    postgres_keeps_port_slot_and_rows(18).await;
}

async fn postgres_keeps_port_slot_and_rows(version: u32) {
    let mut postgres = Postgres::with_settings(version, &[("wal_sender_timeout", "7s")]);
    let port = postgres.port();
    let client = postgres.connect("postgres").await;
    assert!(text(&client, "SHOW server_version").await.starts_with(&version.to_string()));
    assert_eq!(text(&client, "SHOW wal_sender_timeout").await, "7s");
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
    client.batch_execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')").await.unwrap();
    for (row, stop) in [Stop::Fast, Stop::Immediate, Stop::Kill].into_iter().enumerate() {
        let client = postgres.connect("postgres").await;
        client.execute(&format!("INSERT INTO t VALUES ({row})"), &[]).await.unwrap();
        postgres.stop(stop);
        assert!(!reachable(port), "still there after {stop:?}");
        postgres.start_again();
        assert_eq!(postgres.port(), port);
    }
    let client = postgres.connect("postgres").await;
    assert_eq!(text(&client, "SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await, "0,1,2");
    assert_eq!(text(&client, "SELECT slot_name::text FROM pg_replication_slots").await, "s");
    drop(postgres);
    assert!(!reachable(port));
}

#[tokio::test]
async fn postgres_takes_authentication_rules_and_serves_a_unix_socket() {
    let postgres = Postgres::start(18);
    let rules = "local all all trust\nhost all clerk 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n";
    postgres.write_file("pg_hba.conf", rules);
    let client = postgres.connect("postgres").await;
    client.batch_execute("CREATE ROLE clerk LOGIN; SELECT pg_reload_conf()").await.unwrap();
    let over_tcp = format!("host=127.0.0.1 port={} user=clerk dbname=postgres", postgres.port());
    eventually("the rule holds", || {
        let output = Command::new("psql").args(["-Atc", "SELECT 1", &over_tcp]).output().expect("psql");
        String::from_utf8_lossy(&output.stderr).contains("rejects connection")
    });
    let socket = postgres.socket_folder().display();
    let over_socket = format!("host={socket} port={} user=clerk dbname=postgres", postgres.port());
    let output = Command::new("psql").args(["-Atc", "SELECT 1", &over_socket]).output().expect("psql");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
}

#[test]
fn mysql() {
    mysql_keeps_port_rows_and_log(Release::Mysql, "9.");
}

#[test]
fn mariadb_10_11() {
    mysql_keeps_port_rows_and_log(Release::Mariadb("10.11"), "10.11.");
}

#[test]
fn mariadb_11_4() {
    mysql_keeps_port_rows_and_log(Release::Mariadb("11.4"), "11.4.");
}

#[test]
fn mariadb_11_8() {
    mysql_keeps_port_rows_and_log(Release::Mariadb("11.8"), "11.8.");
}

fn mysql_keeps_port_rows_and_log(release: Release, version: &str) {
    let mut mysql = Mysql::with_settings(release, &[("binlog_row_image", "MINIMAL")]);
    let port = mysql.port();
    assert!(mysql.value("SELECT version()").starts_with(version));
    let settings = mysql.query("SELECT @@binlog_format, @@binlog_row_image, @@bind_address");
    assert_eq!(settings, [["ROW", "MINIMAL", "127.0.0.1"]]);
    mysql.query("CREATE DATABASE shop; CREATE TABLE shop.t (id int PRIMARY KEY, note text)");
    for (row, stop) in [Stop::Fast, Stop::Immediate, Stop::Kill].into_iter().enumerate() {
        mysql.query(&format!("INSERT INTO shop.t VALUES ({row}, 'naïve')"));
        mysql.stop(stop);
        assert!(!reachable(port), "still there after {stop:?}");
        mysql.start_again();
        assert_eq!(mysql.port(), port);
    }
    assert_eq!(mysql.value("SELECT group_concat(id ORDER BY id) FROM shop.t"), "0,1,2");
    assert_eq!(mysql.value("SELECT note FROM shop.t WHERE id = 2"), "naïve");
    // A start opens a new file.
    let files = mysql.binlog_files();
    assert!(files.len() >= 4, "{files:?}");
    let log: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("a binlog file")).collect();
    assert!(log.iter().all(|file| file.starts_with(b"\xFEbin")));
    drop(mysql);
    assert!(!reachable(port));
}

#[tokio::test]
async fn kafka_keeps_port_and_records() {
    let mut kafka = Kafka::start();
    let port = kafka.port();
    let topic = unique("orders");
    create_topic(&kafka.brokers(), &topic).await;
    for (record, stop) in [Stop::Fast, Stop::Kill].into_iter().enumerate() {
        produce(&kafka.brokers(), &topic, &record.to_string()).expect("stored");
        kafka.stop(stop);
        assert!(!reachable(port), "still there after {stop:?}");
        kafka.start_again();
        assert_eq!(kafka.port(), port);
    }
    assert_eq!(consume(&kafka.brokers(), &topic, 2), ["0", "1"]);
    kafka.freeze();
    produce(&kafka.brokers(), &topic, "2").expect_err("a frozen broker stores nothing");
    kafka.thaw();
    produce(&kafka.brokers(), &topic, "3").expect("a thawed one does");
}

#[tokio::test]
async fn kafka_behind_a_proxy_is_reached_through_it_alone() {
    let proxy = Proxy::refusing();
    let kafka = Kafka::behind(&proxy);
    let through_proxy = format!("127.0.0.1:{}", proxy.port());
    let topic = unique("orders");
    create_topic(&through_proxy, &topic).await;
    produce(&through_proxy, &topic, "0").expect("stored");
    proxy.stall();
    produce(&through_proxy, &topic, "1").expect_err("nothing comes through");
    produce(&kafka.brokers(), &topic, "2").expect("the direct way is open");
    proxy.pass();
    produce(&through_proxy, &topic, "3").expect("stored");
}

#[test]
fn kafka_is_shared_and_creates_no_topic_by_itself() {
    assert_eq!(Kafka::shared().port(), Kafka::shared().port());
    produce(&Kafka::shared().brokers(), &unique("absent"), "0").expect_err("no such topic");
}

#[tokio::test]
async fn nats_keeps_port_and_messages() {
    let mut nats = Nats::with_settings(&[("max_payload", "123456"), ("jetstream.sync_interval", "always")]);
    let port = nats.port();
    for (message, stop) in [Stop::Fast, Stop::Kill].into_iter().enumerate() {
        let client = async_nats::connect(nats.url()).await.unwrap();
        assert_eq!(client.server_info().max_payload, 123_456);
        let jetstream = async_nats::jetstream::new(client);
        let stream = jetstream.get_or_create_stream(stream("orders")).await.unwrap();
        assert_eq!(stream.cached_info().state.messages, message as u64);
        jetstream.publish("orders", "row".into()).await.unwrap().await.unwrap();
        nats.stop(stop);
        assert!(!reachable(port), "still there after {stop:?}");
        nats.start_again();
        assert_eq!(nats.port(), port);
    }
    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    assert_eq!(jetstream.get_stream("orders").await.unwrap().cached_info().state.messages, 2);
    nats.freeze();
    let frozen = tokio::time::timeout(Duration::from_millis(300), jetstream.get_stream("orders")).await;
    assert!(frozen.is_err(), "a frozen server answers nothing");
    nats.thaw();
    jetstream.get_stream("orders").await.unwrap();
}

#[test]
fn a_server_ends_with_the_process_that_owns_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique("owned"));
    let mut owner = Command::new("sleep").arg("600").spawn().expect("an owner");
    let owner_id = owner.id().to_string();
    let port = script(&["nats", "start", "--owner", &owner_id, "--discard", "--dir"], &folder);
    assert!(reachable(port));
    owner.kill().expect("kill the owner");
    owner.wait().expect("reap the owner");
    eventually("the server and its folder are gone", || !reachable(port) && !folder.exists());
}

#[test]
fn stop_all_ends_what_lies_below_and_no_more() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique("many"));
    let ports = ["a", "b/c"].map(|name| script(&["nats", "start", "--dir"], &root.join(name)));
    let other = Nats::start();
    let stopped = Command::new(dev_server()).arg("stop-all").arg(&root).status().expect("dev/server");
    assert!(stopped.success());
    assert_eq!(ports.map(reachable), [false, false]);
    assert!(reachable(other.port()));
    std::fs::remove_dir_all(&root).expect("remove the folder");
}

fn script(arguments: &[&str], folder: &Path) -> u16 {
    let output = Command::new(dev_server()).args(arguments).arg(folder).stderr(Stdio::inherit()).output();
    let output = String::from_utf8(output.expect("dev/server").stdout).expect("text");
    let port = output.lines().find_map(|line| line.strip_prefix("port=")).expect("a port");
    port.parse().expect("a number")
}

fn dev_server() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../dev/server"))
}

async fn text(client: &tokio_postgres::Client, query: &str) -> String {
    client.query_one(query, &[]).await.unwrap().get(0)
}

fn stream(name: &str) -> async_nats::jetstream::stream::Config {
    async_nats::jetstream::stream::Config {
        name: name.into(),
        subjects: vec![name.into()],
        ..Default::default()
    }
}

fn reachable(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

async fn create_topic(brokers: &str, topic: &str) {
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let created = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    created.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
}

fn produce(brokers: &str, topic: &str, payload: &str) -> Result<(), String> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("message.timeout.ms", "3000")
        .create()
        .map_err(|error| error.to_string())?;
    // Waits for the outcome: no topic, and no broker in time, are delivery failures.
    let known = producer.client().fetch_metadata(Some(topic), Duration::from_secs(10));
    let known = known.map_err(|error| error.to_string())?;
    if let Some(error) = known.topics().iter().find_map(|topic| topic.error()) {
        return Err(format!("{error:?}"));
    }
    let record = BaseRecord::<(), str>::to(topic).payload(payload);
    producer.send(record).map_err(|(error, _)| error.to_string())?;
    producer.flush(Duration::from_secs(10)).map_err(|error| error.to_string())?;
    if producer.in_flight_count() == 0 { Ok(()) } else { Err("not delivered".to_owned()) }
}

fn consume(brokers: &str, topic: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", topic)
        .create()
        .expect("a consumer");
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    consumer.assign(&from).expect("assigned");
    let mut records = Vec::new();
    while records.len() < count {
        let record = consumer.poll(Duration::from_secs(30)).expect("a record in time").expect("a record");
        records.push(String::from_utf8_lossy(record.payload().expect("a payload")).into_owned());
    }
    records
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not so after 60 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

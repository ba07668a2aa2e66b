//! Brokers, databases and networks that go and come back while an application writes: nothing is lost, nobody has to
//! do anything, memory stays bounded, and the log says what is going on in a line each.

use std::thread::sleep;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, is_torture, seed};
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Kafka, Nats, Postgres, Proxy, Stop, unique};
use end_to_end::session::Session;
use end_to_end::workload::{Amount, Workload, create_tables};

use crate::setup::{Setup, source, wait_until_caught_up};

/// What the program may take in all, with its default `buffer_mb` of 16. Unoptimised it takes 20 to 55 MiB.
const MEMORY_BYTES: u64 = 80 << 20;

#[test]
fn kafka_is_away() {
    let mut kafka = Kafka::start();
    let (broker, name) = (kafka.brokers(), unique("kafka-away"));
    let sink = format!("[sink.kafka]\nbrokers = [\"{broker}\"]\npartitions = 2");
    let endured = endure(&name, &sink, |_, _, _| {
        kafka.stop(Stop::Fast);
        sleep(broker_outage());
        kafka.start_again();
    });
    endured.judge(|take| Delivered::each_of_kafka(&broker, &name, take));
}

#[test]
fn nats_is_away() {
    let mut nats = Nats::start();
    let (url, name) = (nats.url(), unique("nats-away"));
    let endured = endure(&name, &format!("[sink.nats]\nservers = [\"{url}\"]"), |_, _, _| {
        nats.stop(Stop::Fast);
        sleep(broker_outage());
        nats.start_again();
    });
    endured.judge(|take| Delivered::each_of_nats(&url, &format!("CDC_{name}"), take));
}

#[test]
fn the_way_to_kafka_is_bad() {
    let proxy = Proxy::refusing();
    let kafka = Kafka::behind(&proxy);
    let (broker, name) = (kafka.brokers(), unique("kafka-far"));
    let sink = format!("[sink.kafka]\nbrokers = [\"127.0.0.1:{}\"]\npartitions = 2", proxy.port());
    let endured = endure(&name, &sink, |_, _, _| trouble(&proxy));
    endured.judge(|take| Delivered::each_of_kafka(&broker, &name, take));
}

#[test]
fn the_way_to_nats_is_bad() {
    let nats = Nats::start();
    let proxy = Proxy::to(nats.port());
    let (url, name) = (nats.url(), unique("nats-far"));
    let sink = format!("[sink.nats]\nservers = [\"nats://127.0.0.1:{}\"]", proxy.port());
    let endured = endure(&name, &sink, |_, _, _| trouble(&proxy));
    endured.judge(|take| Delivered::each_of_nats(&url, &format!("CDC_{name}"), take));
}

#[test]
fn the_source_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let sink = format!("[sink.file]\npath = \"{}\"", path.display());
    let endured = endure(&unique("source-restarted"), &sink, |postgres, _, cdc| {
        for mode in [Stop::Fast, Stop::Immediate, Stop::Kill] {
            let lines = cdc.log().len();
            postgres.stop(mode);
            sleep(Duration::from_secs(1));
            postgres.start_again();
            cdc.wait_for_log_after(lines, "streaming");
            sleep(Duration::from_secs(1));
        }
    });
    endured.judge(|take| Delivered::each_of_file(&path, take));
}

#[test]
fn the_way_to_the_source_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let sink = format!("[sink.file]\npath = \"{}\"", path.display());
    let endured = endure(&unique("source-far"), &sink, |_, proxy, _| trouble(proxy));
    endured.judge(|take| Delivered::each_of_file(&path, take));
}

/// A snapshot that is held keeps the server from cleaning up: a load does not hold one over an outage.
#[test]
fn a_load_lets_go_while_the_sink_takes_nothing() {
    let proxy = Proxy::refusing();
    let kafka = Kafka::behind(&proxy);
    let mut setup = Setup::new("load-stalled");
    setup.session.execute(
        "CREATE TABLE large AS SELECT g AS id, repeat('x', 200) AS filler FROM generate_series(1, 100000) g; \
         ALTER TABLE large ADD PRIMARY KEY (id)",
    );
    setup.cdc.configure(&format!(
        "buffer_mb = 1\n[source.postgres]\nurl = \"{}\"\n[sink.kafka]\nbrokers = [\"127.0.0.1:{}\"]\npartitions = 2",
        setup.url,
        proxy.port()
    ));
    let database = setup.session.value("SELECT current_database()").unwrap();
    // So slow that the load is still at it when the line below is seen.
    proxy.delay(Duration::from_millis(200));
    setup.cdc.start();
    // Not before it has somewhere to put the rows: what is made or looked up in vain is an error of its own.
    setup.cdc.wait_for_log(".public.large\"");
    proxy.stall();
    proxy.delay(Duration::ZERO);
    let snapshots = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()";
    let Setup { cdc, session, .. } = &mut setup;
    cdc.wait_until("the load holds a snapshot", || session.value(snapshots).as_deref() != Some("0"));
    cdc.wait_for_log("the sink takes nothing");
    cdc.wait_until("the snapshot is let go of", || session.value(snapshots).as_deref() == Some("0"));
    proxy.pass();
    cdc.wait_for_log("streaming");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_kafka(&kafka.brokers(), &database, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

fn broker_outage() -> Duration {
    Duration::from_secs(if is_torture() { 120 } else { 20 })
}

/// Cut, slow, unreachable, and silent for a while.
fn trouble(proxy: &Proxy) {
    proxy.cut();
    sleep(Duration::from_secs(2));
    proxy.delay(Duration::from_millis(200));
    sleep(Duration::from_secs(2));
    proxy.delay(Duration::ZERO);
    proxy.refuse();
    sleep(Duration::from_secs(4));
    proxy.pass();
    sleep(Duration::from_secs(3));
    proxy.stall();
    sleep(Duration::from_secs(if is_torture() { 90 } else { 12 }));
    proxy.pass();
    sleep(Duration::from_secs(1));
}

struct Endured {
    // Kept until the end: the source's rows are read from it.
    _postgres: Postgres,
    session: Session,
    about: String,
}

/// Runs a pipeline under load, breaks something meanwhile, and sees it catch up by itself.
fn endure(name: &str, sink: &str, disturb: impl FnOnce(&mut Postgres, &Proxy, &mut Connector)) -> Endured {
    let seed = seed(name);
    let mut postgres = Postgres::start(17);
    let proxy = Proxy::to(postgres.port());
    let session = Session::open(&postgres, "postgres");
    create_tables(&session, 100, seed);
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let mut cdc = Connector::new(name, &format!("{}{sink}", source(&session, &url)));
    cdc.start();
    cdc.wait_for_log("streaming");
    let amount = Amount { rows: u64::MAX, pause: Duration::from_millis(12) };
    let workload = Workload::start(postgres.url("postgres"), amount, Random::new(seed).number());
    sleep(Duration::from_secs(1));
    let (lines, before) = (cdc.log().len(), workload.changed());
    disturb(&mut postgres, &proxy, &mut cdc);
    let meanwhile = workload.changed() - before;
    let changed = workload.stop();
    // A new session: the server may be another process by now.
    let session = Session::open(&postgres, "postgres");
    wait_until_caught_up(&mut cdc, &session);
    let (log, memory) = (cdc.log()[lines..].to_vec(), cdc.peak_memory_bytes());
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());

    let about = format!("{name}: CDC_SEED={seed}, {changed} rows changed, {meanwhile} of them meanwhile");
    println!("{about}; {} MiB at most, {} log lines", memory >> 20, log.len());
    let log = log.join("\n");
    println!("{log}");
    assert!(memory < MEMORY_BYTES, "{about}: {memory} bytes\n{log}");
    assert!(log.contains("WARN"), "not a word about it\n{log}");
    assert!(log.lines().count() < 60, "a flood\n{log}");
    Endured { _postgres: postgres, session, about }
}

impl Endured {
    fn judge(&self, read: impl FnOnce(&mut dyn FnMut(Delivered))) {
        let mut replay = Replay::default();
        read(&mut |message| replay.take(&message));
        let summary = replay.assert_equals(&source_rows(&self.session), &self.about);
        println!("{}: {summary:?}", self.about);
    }
}

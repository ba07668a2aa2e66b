//! Told to end, it drains, saves and leaves, whatever it is doing.

use std::thread::sleep;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, seed};
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Kafka, Postgres, Stop, unique};
use end_to_end::session::Session;
use end_to_end::workload::{Amount, Workload, create_tables};
use rustix::process::Signal;

use crate::setup::{Setup, source, wait_until_caught_up};

#[test]
fn what_was_drained_is_not_sent_again() {
    let seed = seed("shutdown::what_was_drained_is_not_sent_again");
    let mut random = Random::new(seed);
    let postgres = Postgres::start(16);
    let session = Session::open(&postgres, "postgres");
    create_tables(&session, 100, seed);
    let mut cdc = Connector::new(&unique("drained"), "");
    let path = cdc.folder().join("events");
    cdc.configure(&format!(
        "{}[sink.file]\npath = \"{}\"",
        source(&session, &postgres.url("postgres")),
        path.display()
    ));
    let amount = Amount { rows: u64::MAX, pause: Duration::from_millis(1) };
    let workload = Workload::start(postgres.url("postgres"), amount, random.number());
    for _ in 0..5 {
        let lines = cdc.log().len();
        cdc.start();
        cdc.wait_for_log_after(lines, "streaming");
        sleep(Duration::from_millis(random.within(0..1500)));
        assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    }
    workload.stop();
    let lines = cdc.log().len();
    cdc.start();
    cdc.wait_for_log_after(lines, "streaming");
    wait_until_caught_up(&mut cdc, &session);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_file(&path, |message| replay.take(&message));
    let summary = replay.assert_equals(&source_rows(&session), &format!("CDC_SEED={seed}"));
    assert_eq!(summary.repeated, 0, "CDC_SEED={seed}: {summary:?}\n{}", cdc.log_text());
}

#[test]
fn in_a_load() {
    let mut setup = Setup::new("in-a-load");
    setup.session.execute(
        "CREATE TABLE large (id int PRIMARY KEY, body text); \
         INSERT INTO large SELECT g, repeat('x', 300) FROM generate_series(1, 150000) g",
    );
    for wait_ms in [0, 100, 200] {
        let lines = setup.cdc.log().len();
        setup.cdc.start();
        setup.cdc.wait_for_log_after(lines, "load");
        sleep(Duration::from_millis(wait_ms));
        assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    }
    setup.assert_works();
}

#[test]
fn while_an_open_transaction_holds_the_slot_up() {
    let mut setup = Setup::new("held-up");
    setup.session.execute("BEGIN; INSERT INTO orders VALUES (1001, 'open')");
    setup.cdc.start();
    setup.cdc.wait_for_log("wait");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.session.execute("COMMIT");
    setup.assert_works();
}

#[test]
fn while_the_broker_is_away() {
    let mut kafka = Kafka::start();
    let mut setup = Setup::new("broker-away");
    let (brokers, name) = (kafka.brokers(), setup.session.value("SELECT current_database()").unwrap());
    setup.configure("", &format!("[sink.kafka]\nbrokers = [\"{brokers}\"]"));
    setup.start_streaming();
    kafka.stop(Stop::Kill);
    (0..50).for_each(|_| setup.write_some());
    // More than it may hold.
    setup
        .session
        .execute("INSERT INTO orders SELECT g, repeat('x', 1000) FROM generate_series(10001, 60000) g");
    sleep(Duration::from_secs(4));
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    // And from the beginning: the broker is away already.
    let lines = setup.cdc.log().len();
    setup.cdc.start();
    setup.cdc.wait_for_log_after(lines, "CDC-SINK-003");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    kafka.start_again();
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_kafka(&brokers, &name, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut kafka = Kafka::start();
    let mut setup = Setup::new("impatient");
    setup.configure("", &format!("[sink.kafka]\nbrokers = [\"{}\"]", kafka.brokers()));
    setup.start_streaming();
    kafka.freeze();
    setup.write_some();
    sleep(Duration::from_secs(1));
    setup.cdc.signal(Signal::TERM);
    setup.cdc.wait_for_log("stopping");
    setup.cdc.signal(Signal::INT);
    assert_eq!(setup.cdc.wait(), Some(130), "{}", setup.cdc.log_text());
    kafka.thaw();
}

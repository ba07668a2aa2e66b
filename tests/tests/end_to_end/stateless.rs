//! Without a disk of its own: the checkpoint is kept beside the events.

use std::fs;

use end_to_end::connector::Connector;
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Kafka, Nats};

use crate::setup::{Setup, assert_done, assert_says};

#[test]
fn in_kafka() {
    let kafka = Kafka::start();
    let setup = Setup::new("stateless-kafka");
    let sink = format!("[sink.kafka]\nbrokers = [\"{}\"]\npartitions = 2\n", kafka.brokers());
    let (brokers, name) = (kafka.brokers(), setup.session.value("SELECT current_database()").unwrap());
    forgets_everything(setup, &sink, |replay| {
        Delivered::each_of_kafka(&brokers, &name, |message| replay.take(&message));
    });
}

#[test]
fn in_nats() {
    let nats = Nats::start();
    let setup = Setup::new("stateless-nats");
    let sink = format!("[sink.nats]\nservers = [\"{}\"]\n", nats.url());
    let stream = format!("CDC_{}", setup.session.value("SELECT current_database()").unwrap());
    forgets_everything(setup, &sink, |replay| {
        Delivered::each_of_nats(&nats.url(), &stream, |message| replay.take(&message));
    });
}

/// Killed, and started in a new place each time: what it delivered is known to its successor.
fn forgets_everything(mut setup: Setup, sink: &str, read: impl Fn(&mut Replay)) {
    setup.configure("", &format!("{sink}[checkpoint]\nstore = \"sink\"\n"));
    for _ in 0..3 {
        setup.start_streaming();
        setup.write_some();
        setup.catch_up();
        // What comes now is delivered, but perhaps not saved.
        setup.write_some();
        setup.cdc.kill();
        fs::remove_dir_all(setup.cdc.state_folder()).unwrap();
    }
    let told = setup.cdc.run(&["status"]);
    assert_says(
        &String::from_utf8_lossy(&told.stdout),
        &["not running", "checkpoint   0/", "tables       1"],
    );

    // Somebody starts it a second time elsewhere: one of the two goes on, and the other says why it does not.
    setup.start_streaming();
    let config = fs::read_to_string(setup.cdc.config_file()).unwrap();
    let mut second = Connector::new(&setup.cdc.state_folder().file_name().unwrap().to_string_lossy(), "");
    let section = config.split_once("[source.postgres]").unwrap().1;
    second.configure(&format!("[source.postgres]{section}"));
    second.start();
    second.wait_until("the former stops", || {
        setup.write_some();
        !setup.cdc.is_running()
    });
    assert_eq!(setup.cdc.wait(), Some(1), "{}", setup.cdc.log_text());
    let words = ["CDC-SINK-035", "another process has taken over the checkpoint", "stop one of the two"];
    assert_says(&setup.cdc.log_text(), &words);
    second.wait_for_log("streaming");
    second.kill();

    setup.start_streaming();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    read(&mut replay);
    let summary = replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
    assert_eq!(summary.loads, 1, "{summary:?}");

    // And all anew.
    assert_done(&setup.cdc.run(&["snapshot", "--new-epoch"]));
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    read(&mut replay);
    let summary = replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
    assert_eq!(summary.loads, 2, "{summary:?}");
}

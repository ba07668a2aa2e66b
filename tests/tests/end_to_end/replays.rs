//! Retained events for one more consumer: all that was delivered, once, in order, while the pipeline goes on.

use std::fs;
use std::path::Path;

use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Nats, Receiver, Reply};
use event::envelope::ChangeEvent;
use prost::Message as _;

use crate::setup::{Setup, assert_done, assert_says};

fn target(setup: &Setup, sink: &str) -> String {
    let file = setup.cdc.folder().join("consumer.toml");
    fs::write(&file, sink).unwrap();
    file.display().to_string()
}

fn judge_file(setup: &Setup, path: &Path) -> u64 {
    let mut replay = Replay::default();
    Delivered::each_of_file(path, |message| replay.take(&message));
    let summary = replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
    assert_eq!(summary.repeated, 0, "{summary:?}");
    summary.changes
}

#[test]
fn one_more_consumer_gets_all_that_was_delivered_while_the_pipeline_goes_on() {
    let receiver = Receiver::start(|_| Reply::Status(200));
    let mut setup = Setup::new("replay");
    let keys = format!("[sink.http]\nurl = \"{}\"\n[retain]\nhours = 1\nmax_mb = 100\n", receiver.url());
    setup.configure("", &keys);
    setup.start_streaming();
    for _ in 0..3 {
        setup.write_some();
        setup.cdc.kill();
        setup.start_streaming();
    }
    setup.write_some();
    setup.catch_up();

    let path = setup.cdc.folder().join("replayed");
    let file = target(&setup, &format!("[sink.file]\npath = {path:?}\n"));
    let told = setup.cdc.run(&["replay", "--from", "beginning", "--to", &file]);
    assert_done(&told);
    assert_says(&String::from_utf8_lossy(&told.stderr), &["messages are in the file", "up to"]);
    judge_file(&setup, &path);

    // What needs keys and IDs has them.
    let nats = Nats::shared();
    let stream = format!("REPLAY_{}", setup.cdc.slot());
    let subject = format!("replay.{}.{{source}}.{{schema}}.{{table}}", setup.cdc.slot());
    let to_nats = format!(
        "[sink.nats]\nservers = [\"{}\"]\nstream = \"{stream}\"\nsubject = \"{subject}\"\n",
        nats.url()
    );
    assert_done(&setup.cdc.run(&["replay", "--from", "1h", "--to", &target(&setup, &to_nats)]));
    let mut replay = Replay::default();
    Delivered::each_of_nats(&nats.url(), &stream, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());

    // From one event on, and never to the pipeline's own sink.
    let mut ids = Vec::new();
    for post in receiver.taken() {
        Delivered::each_of_body(&post.body, |message| {
            let event = ChangeEvent::decode(&message.payload[..]).unwrap();
            ids.extend(event.position.is_some().then_some((event.epoch, event.tx_seq)));
        });
    }
    assert!(!ids.is_empty());
    let own = target(&setup, &keys);
    let refused = setup.cdc.run(&["replay", "--from", "beginning", "--to", &own]);
    assert_eq!(refused.status.code(), Some(2));
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["CDC-CLI-015"]);
    let missing = setup.cdc.run(&["replay", "--from", "shop/1/no/1", "--to", &file]);
    assert_says(&String::from_utf8_lossy(&missing.stderr), &["CDC-SINK-041", "--from beginning"]);

    // It did not disturb.
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
}

#[test]
fn without_retention_there_is_nothing_to_replay() {
    let setup = Setup::new("replay-none");
    let file = target(&setup, "[sink.stdout]");
    let refused = setup.cdc.run(&["replay", "--from", "beginning", "--to", &file]);
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["CDC-CLI-014", "[retain]"]);
    let wrong = setup.cdc.run(&["replay", "--from", "yesterday", "--to", &file]);
    assert_eq!(wrong.status.code(), Some(2));
    let nothing = setup.cdc.run(&["replay", "--from", "1h", "--to", &target(&setup, "[sink.stdot]")]);
    assert_says(&String::from_utf8_lossy(&nothing.stderr), &["CDC-CONFIG", "stdout"]);
}

//! Every way to log in at a broker and to trust it, and every way in which that must fail, with the remedy: real servers
//! that ask for it.
#![allow(missing_docs)]

#[path = "../../../crates/sinks/tests/common/mod.rs"]
mod common;
mod kafka;
mod nats;

use std::sync::Once;

use common::{EPOCH, Maker, table};
use event::{Failure as _, Format, Sink};
use sinks::{Error, Pipeline};

fn pipeline(source: &str) -> Pipeline {
    Pipeline { source: source.to_owned(), memory_bytes: 16 << 20 }
}

fn maker(source: &str) -> Maker {
    Maker::for_source(source, Format::Protobuf, table("public", "orders", true), EPOCH)
}

/// Sends a few events after those that were sent before, and waits until they are stored.
async fn store<S: Sink>(sink: &mut S, source: &str, batches_before: u64) {
    let first = batches_before * 10 + 1;
    sink.write(maker(source).inserts(first..first + 10)).await.unwrap();
    while sink.durable().await.unwrap() <= batches_before {}
}

/// What a refusal must be: this code, not to be tried again, with these words and without any secret.
fn assert_refused(error: &Error, code: &str, words: &[&str]) {
    let text = error.to_string();
    assert_eq!((error.code(), error.is_retryable()), (code, false), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing: {text}");
    }
    assert!(!text.contains("swordfish"), "{text}");
}

fn start_log() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_test_writer()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .init();
    });
}

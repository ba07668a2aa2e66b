//! The NATS JetStream sink against a real server.
#![allow(missing_docs)]

#[path = "../../crates/sinks/tests/common/mod.rs"]
mod common;

use std::time::Duration;

use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use common::{EPOCH, Maker, id, number, table};
use end_to_end::servers::{Nats as Server, unique};
use event::{Batch, Failure, Format, Sink};
use futures_util::StreamExt as _;
use sinks::{Error, Nats, NatsOptions, Pipeline};

fn options(server: &Server, more: &str) -> NatsOptions {
    toml::from_str(&format!("servers = ['{}']\n{more}", server.url())).unwrap()
}

fn pipeline(source: &str) -> Pipeline {
    Pipeline { source: source.to_owned(), memory_bytes: 16 << 20 }
}

async fn try_open(server: &Server, source: &str, more: &str) -> Result<Nats, Error> {
    Nats::open(&options(server, more), &pipeline(source)).await
}

async fn open(server: &Server, source: &str) -> Nats {
    try_open(server, source, "").await.unwrap()
}

fn maker(source: &str) -> Maker {
    Maker::for_source(source, Format::Protobuf, table("public", "orders", true), EPOCH)
}

async fn store(nats: &mut Nats, batches: Vec<Batch>) {
    let count = batches.len() as u64;
    for batch in batches {
        nats.write(batch).await.unwrap();
    }
    while nats.durable().await.unwrap() < count {}
}

async fn failure(nats: &mut Nats) -> Error {
    loop {
        match nats.durable().await {
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

async fn context(server: &Server) -> Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

/// IDs and subjects of all that is stored, in order.
async fn read(server: &Server, stream: &str) -> Vec<(String, String)> {
    let stream = context(server).await.get_stream(stream).await.unwrap();
    let mut missing = stream.cached_info().state.messages;
    let mut found = Vec::new();
    if missing == 0 {
        return found;
    }
    let consumer = stream.create_consumer(OrderedConfig::default()).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    while missing > 0 {
        let message = messages.next().await.unwrap().unwrap();
        let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
        found.push((id.map_or_else(String::new, ToString::to_string), message.subject.to_string()));
        missing -= 1;
    }
    found
}

async fn ids(server: &Server, source: &str) -> Vec<String> {
    read(server, &format!("CDC_{source}")).await.into_iter().map(|(id, _)| id).collect()
}

async fn numbers(server: &Server, source: &str) -> Vec<u64> {
    ids(server, source).await.iter().map(|id| number(id)).collect()
}

#[tokio::test]
async fn events_arrive_in_order_on_their_subjects() {
    let server = Server::shared();
    let source = unique("subjects");
    let orders = maker(&source);
    let odd = Maker::for_source(&source, Format::Protobuf, table("a.b", "Größe", true), EPOCH);
    let mut batch = orders.batch();
    orders.schema(&mut batch, 1);
    (1..=5000).for_each(|number| orders.insert(&mut batch, number, "note"));
    let mut nats = open(server, &source).await;
    store(&mut nats, vec![batch, odd.inserts([5001]), orders.inserts([5002])]).await;
    let found = read(server, &format!("CDC_{source}")).await;
    assert_eq!(found[0], (format!("{source}/1/0000000000000010/1s"), format!("cdc.{source}.public.orders")));
    assert!(found[1..].iter().map(|(id, _)| number(id)).eq(1..=5002));
    assert_eq!(found[5001].1, format!("cdc.{source}.a=2Eb.Gr=C3=B6=C3=9Fe"));
    let bucket = context(server).await.get_key_value(format!("cdc_schemas_{source}")).await.unwrap();
    assert!(bucket.get(orders.table.fingerprint.to_string()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_new_stream_refuses_rather_than_forgets() {
    let server = Server::shared();
    let source = unique("created");
    drop(try_open(server, &source, "max_bytes = 1000000\nduplicate_window_s = 60").await.unwrap());
    let context = context(server).await;
    let config = context.get_stream(format!("CDC_{source}")).await.unwrap().cached_info().config.clone();
    assert_eq!((config.storage, config.discard), (StorageType::File, DiscardPolicy::New));
    assert_eq!((config.max_bytes, config.duplicate_window), (1_000_000, Duration::from_secs(60)));
    assert_eq!(config.subjects, [format!("cdc.{source}.>")]);
}

#[tokio::test]
async fn a_full_stream_holds_the_pipeline_up() {
    let server = Server::shared();
    let source = unique("full");
    let maker = maker(&source);
    let mut nats = try_open(server, &source, "max_bytes = 100000").await.unwrap();
    nats.write(maker.inserts(1..=2000)).await.unwrap();
    let error = failure(&mut nats).await;
    assert!(matches!(error, Error::StreamFull { .. }) && error.is_retryable(), "{error}");
    drop(nats);
    let stored = numbers(server, &source).await;
    assert!(stored.len() < 2000 && stored.iter().copied().eq(1..=stored.len() as u64));
    let context = context(server).await;
    let name = format!("CDC_{source}");
    let mut config = context.get_stream(&name).await.unwrap().cached_info().config.clone();
    config.max_bytes = 10_000_000;
    context.update_stream(&config).await.unwrap();
    store(&mut open(server, &source).await, vec![maker.inserts(1..=2000)]).await;
    assert!(numbers(server, &source).await.into_iter().eq(1..=2000));
}

#[tokio::test]
async fn a_stream_that_cannot_hold_the_events_is_refused() {
    let server = Server::shared();
    let source = unique("misfit");
    let config = Config { name: source.clone(), subjects: vec![format!("{source}.*")], ..Config::default() };
    context(server).await.create_stream(config).await.unwrap();
    let more = format!("stream = '{source}'");
    let error = try_open(server, &source, &more).await.err().unwrap();
    assert!(matches!(error, Error::Stream { .. }) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains(&format!("cdc.{source}.>")), "{error}");
    // And one whose subjects are another stream's already.
    let error = try_open(server, &source, &format!("subject = '{source}.{{table}}'")).await.err().unwrap();
    assert!(matches!(error, Error::Stream { .. }) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("overlap"), "{error}");
}

#[tokio::test]
async fn an_event_too_large_names_its_table_and_the_remedy() {
    let server = Server::shared();
    let source = unique("large");
    let maker = maker(&source);
    let mut batch = maker.inserts(1..=10);
    maker.insert(&mut batch, 11, &"x".repeat(2_000_000));
    let mut nats = open(server, &source).await;
    nats.write(batch).await.unwrap();
    let error = failure(&mut nats).await;
    let text = error.to_string();
    assert!(matches!(error, Error::TooLarge { .. }) && !error.is_retryable(), "{text}");
    for part in ["public.orders", "1048576", "max_payload"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn what_the_log_redelivers_is_stored_once() {
    let server = Server::shared();
    let source = unique("again");
    let maker = maker(&source);
    for last in [100, 150, 150, 400] {
        // Always from the beginning, as after a lost checkpoint.
        store(&mut open(server, &source).await, vec![maker.inserts(1..=last)]).await;
    }
    assert!(numbers(server, &source).await.into_iter().eq(1..=400));
}

/// The server's own deduplication knows the redelivered ones, but a load's event is the last in the stream: what is
/// acknowledged as a duplicate is not what the next message finds there.
#[tokio::test]
async fn a_load_at_the_end_does_not_hide_how_far_the_log_was() {
    let server = Server::shared();
    let source = unique("load");
    let maker = maker(&source);
    let load = |name| {
        let mut batch = maker.batch();
        (1..=50).for_each(|seq| maker.read(&mut batch, name, seq));
        batch
    };
    store(&mut open(server, &source).await, vec![load("0"), maker.inserts(1..=20), load("1")]).await;
    store(&mut open(server, &source).await, vec![maker.inserts(10..=20), load("2"), maker.inserts(21..=30)])
        .await;
    let found = ids(server, &source).await;
    let loads = |name: &str| found.iter().filter(|id| id.contains(&format!("/load/{name}/"))).count();
    assert_eq!([loads("0"), loads("1"), loads("2")], [50, 50, 50]);
    let rest = found.iter().filter(|id| !id.contains("/load/")).map(|id| number(id));
    assert!(rest.eq(1..=30));
}

#[tokio::test]
async fn tombstones_have_a_name_of_their_own() {
    let server = Server::shared();
    let source = unique("tombstones");
    let format = Format::DebeziumJson(Default::default());
    let maker = Maker::for_source(&source, format, table("public", "orders", true), EPOCH);
    let batch = || {
        let mut batch = maker.batch();
        maker.insert(&mut batch, 1, "one");
        maker.delete(&mut batch, 2, 1);
        batch
    };
    store(&mut open(server, &source).await, vec![batch()]).await;
    store(&mut open(server, &source).await, vec![batch(), maker.inserts([3])]).await;
    let delete = id(&source, 2);
    assert_eq!(
        ids(server, &source).await,
        [id(&source, 1), delete.clone(), format!("{delete}+t"), id(&source, 3)]
    );
}

#[tokio::test]
async fn a_new_epoch_begins_after_the_old_one_and_an_old_one_is_refused() {
    let server = Server::shared();
    let source = unique("epoch");
    let in_epoch =
        |epoch| Maker::for_source(&source, Format::Protobuf, table("public", "orders", true), epoch);
    store(&mut open(server, &source).await, vec![in_epoch(5).inserts(1..=10)]).await;
    store(&mut open(server, &source).await, vec![in_epoch(6).inserts(1..=10)]).await;
    assert_eq!(ids(server, &source).await.len(), 20);
    let mut nats = open(server, &source).await;
    nats.write(in_epoch(5).inserts(11..=20)).await.unwrap();
    let error = failure(&mut nats).await;
    assert!(
        matches!(error, Error::NewerEpoch { found: 6, epoch: 5, .. }) && !error.is_retryable(),
        "{error}"
    );
}

#[tokio::test]
async fn another_pipelines_stream_is_refused() {
    let server = Server::shared();
    let (one, other) = (unique("one"), unique("other"));
    let more = format!("stream = '{one}'\nsubject = '{one}.{{source}}.{{schema}}.{{table}}'");
    let config = Config { name: one.clone(), subjects: vec![format!("{one}.>")], ..Config::default() };
    context(server).await.create_stream(config).await.unwrap();
    store(&mut try_open(server, &one, &more).await.unwrap(), vec![maker(&one).inserts([1])]).await;
    let error = try_open(server, &other, &more).await.err().unwrap();
    assert!(matches!(error, Error::SharedStream { .. }) && !error.is_retryable(), "{error}");
}

#[tokio::test]
async fn foreign_messages_and_a_purge_are_got_over() {
    let server = Server::shared();
    let source = unique("foreign");
    let maker = maker(&source);
    store(&mut open(server, &source).await, vec![maker.inserts(1..=10)]).await;
    let context = context(server).await;
    for _ in 0..3 {
        context.publish(format!("cdc.{source}.by-hand"), "x".into()).await.unwrap().await.unwrap();
    }
    store(&mut open(server, &source).await, vec![maker.inserts(1..=20)]).await;
    let found: Vec<_> = ids(server, &source).await.into_iter().filter(|id| !id.is_empty()).collect();
    assert!(found.iter().map(|id| number(id)).eq(1..=20));
    context.get_stream(format!("CDC_{source}")).await.unwrap().purge().await.unwrap();
    store(&mut open(server, &source).await, vec![maker.inserts(21..=30)]).await;
    assert!(numbers(server, &source).await.into_iter().eq(21..=30));
}

/// Without the expectation, what follows the refused one would be stored, and the repetition of it out of order.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_in_the_middle_is_noticed_and_nothing_is_lost_or_doubled() {
    let server = Server::shared();
    let source = unique("second");
    let maker = maker(&source);
    let (mut safe, mut failures, mut intruders) = (0, 0, 0);
    let context = context(server).await;
    while safe < 40 {
        let mut nats = match try_open(server, &source, "").await {
            Ok(nats) => nats,
            Err(error) => panic!("{error}"),
        };
        let (start, mut next) = (safe, safe);
        while safe < 40 {
            let result = if next < 40 && next - safe < 4 {
                next += 1;
                nats.write(maker.inserts((next - 1) * 500 + 1..=next * 500)).await
            } else {
                nats.durable().await.map(|durable| safe = start + durable)
            };
            if let Err(error) = result {
                assert!(matches!(error, Error::OutOfTurn { .. }) && error.is_retryable(), "{error}");
                failures += 1;
                break;
            }
            if intruders < 10 && next % 4 == 3 {
                intruders += 1;
                context.publish(format!("cdc.{source}.by-hand"), "x".into()).await.unwrap().await.unwrap();
            }
        }
    }
    println!("{failures} failures");
    assert!(failures > 0 && intruders == 10);
    let found: Vec<_> = ids(server, &source).await.into_iter().filter(|id| !id.is_empty()).collect();
    assert!(found.iter().map(|id| number(id)).eq(1..=20_000));
}

/// Two sinks on one stream, each dropped with messages under way and opened again.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_in_the_middle_stores_each_event_once() {
    let server = Server::shared();
    let source = unique("rewind");
    let maker = maker(&source);
    let mut safe = 0;
    for _round in 0..20 {
        let mut nats = open(server, &source).await;
        for batch in safe..safe + 6 {
            if nats.write(maker.inserts(batch * 500 + 1..=(batch + 1) * 500)).await.is_err() {
                break;
            }
        }
        match nats.durable().await {
            Ok(durable) => safe += durable,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    loop {
        let mut nats = open(server, &source).await;
        nats.write(maker.inserts(safe * 500 + 1..=(safe + 10) * 500)).await.unwrap();
        match nats.durable().await {
            Ok(_) => break,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    assert!(numbers(server, &source).await.into_iter().eq(1..=(safe + 10) * 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_and_frozen_under_load_loses_and_doubles_nothing() {
    let mut server = Server::start();
    let options = options(&server, "");
    let source = unique("storm");
    let maker = maker(&source);
    // On a thread of its own, so that it hits whatever is under way.
    let storm = std::thread::spawn(move || {
        for step in 0..9 {
            std::thread::sleep(Duration::from_millis(200));
            if step % 3 == 0 {
                server.freeze();
                std::thread::sleep(Duration::from_millis(500));
                server.thaw();
            } else {
                server.kill();
                server.start_again();
            }
        }
        server
    });
    let (mut safe, mut failures) = (0, 0);
    'open: while !storm.is_finished() {
        let mut nats = match Nats::open(&options, &pipeline(&source)).await {
            Ok(nats) => nats,
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                continue;
            }
        };
        let (start, mut next) = (safe, safe);
        while !storm.is_finished() || safe < next {
            let result = if !storm.is_finished() && next - safe < 4 {
                next += 1;
                nats.write(maker.inserts((next - 1) * 400 + 1..=next * 400)).await
            } else {
                nats.durable().await.map(|durable| safe = start + durable)
            };
            if let Err(error) = result {
                assert!(error.is_retryable(), "{error}");
                failures += 1;
                continue 'open;
            }
        }
    }
    let server = storm.join().unwrap();
    store(&mut open(&server, &source).await, vec![maker.inserts(safe * 400 + 1..=(safe + 4) * 400)]).await;
    println!("{failures} failures, {safe} batches");
    assert!(failures > 0);
    assert!(numbers(&server, &source).await.into_iter().eq(1..=(safe + 4) * 400));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_worth_another_try() {
    let options: NatsOptions = toml::from_str("servers = ['nats://user:hush@127.0.0.1:9']").unwrap();
    let error = Nats::open(&options, &pipeline("nobody")).await.err().unwrap();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("127.0.0.1:9") && !error.to_string().contains("hush"), "{error}");
}

#[tokio::test]
async fn a_stream_that_vanishes_is_made_anew() {
    let server = Server::shared();
    let source = unique("vanished");
    let maker = maker(&source);
    let mut nats = open(server, &source).await;
    store(&mut nats, vec![maker.inserts(1..=10)]).await;
    context(server).await.delete_stream(format!("CDC_{source}")).await.unwrap();
    nats.write(maker.inserts(11..=20)).await.unwrap();
    let error = failure(&mut nats).await;
    assert!(error.is_retryable(), "{error}");
    drop(nats);
    store(&mut open(server, &source).await, vec![maker.inserts(11..=20)]).await;
    assert!(numbers(server, &source).await.into_iter().eq(11..=20));
}

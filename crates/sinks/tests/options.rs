//! What the sections `[sink.…]` take.
#![allow(missing_docs, clippy::unwrap_used)]

use serde::de::DeserializeOwned;
use sinks::{FileOptions, KafkaOptions, NatsOptions, NullOptions, StdoutOptions};

/// The least that must be said is enough, and an unknown key is refused by its name.
fn check<O: DeserializeOwned + std::fmt::Debug>(least: &str) {
    toml::from_str::<O>(least).unwrap();
    let error = toml::from_str::<O>(&format!("{least}\nbrokerz = 1")).unwrap_err();
    assert!(error.to_string().contains("brokerz"), "{error}");
    if !least.is_empty() {
        assert!(toml::from_str::<O>("").is_err());
    }
}

#[test]
fn each_section_takes_its_keys_and_no_others() {
    check::<KafkaOptions>("brokers = ['127.0.0.1:9092']");
    check::<NatsOptions>("servers = ['nats://127.0.0.1:4222']");
    check::<FileOptions>("path = '/tmp/events'");
    check::<StdoutOptions>("");
    check::<NullOptions>("");
}

#[test]
fn defaults_are_those_that_are_published() {
    let kafka: KafkaOptions = toml::from_str("brokers = ['b:1']").unwrap();
    assert_eq!((kafka.topic.as_str(), kafka.create_topics), ("{source}.{schema}.{table}", true));
    let nats: NatsOptions = toml::from_str("servers = ['nats://b']").unwrap();
    assert_eq!((nats.subject.as_str(), nats.stream), ("cdc.{source}.{schema}.{table}", None));
    assert_eq!((nats.duplicate_window_s, nats.replicas, nats.max_bytes), (120, 1, None));
}

#[test]
fn passwords_are_not_printed() {
    let nats: NatsOptions = toml::from_str("servers = ['nats://me:hush@b:4222', 'nats://c']").unwrap();
    let text = format!("{nats:?}");
    assert!(text.contains("b:4222,nats://c") && !text.contains("hush"), "{text}");
}

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemars::JsonSchema;
use serde::Deserialize;

use super::KafkaOptions;
use super::security::Security;
use crate::Error;

/// Further settings of librdkafka, by their own names. Values can be secrets: they are never printed.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Properties(BTreeMap<String, String>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Below the broker's usual `message.max.bytes` of 1,048,588, so that a batch of small messages is never too large.
const BATCH_BYTES: usize = 1_000_000;

/// The broker should be the one to decide which message is too large; but beyond its `socket.request.max.bytes`
/// (104,857,600) it closes the connection without a word, and librdkafka would try again for ever.
pub(super) const MESSAGE_LIMIT_BYTES: usize = 100_000_000;

/// What would break what this sink promises, or is another option's.
const REFUSED: [(&str, &str); 24] = [
    ("bootstrap.servers", "is sink.kafka.brokers"),
    ("metadata.broker.list", "is sink.kafka.brokers"),
    ("enable.idempotence", IN_ORDER),
    ("enable.gapless.guarantee", IN_ORDER),
    ("max.in.flight", IN_ORDER),
    ("max.in.flight.requests.per.connection", IN_ORDER),
    ("retries", IN_ORDER),
    ("message.send.max.retries", IN_ORDER),
    ("queuing.strategy", IN_ORDER),
    ("transactional.id", IN_ORDER),
    ("acks", DURABLE),
    ("request.required.acks", DURABLE),
    ("delivery.report.only.error", DURABLE),
    ("message.timeout.ms", DURABLE),
    ("delivery.timeout.ms", DURABLE),
    ("dr_cb", DURABLE),
    ("dr_msg_cb", DURABLE),
    ("partitioner", "is fixed, so that keys are on the partitions where Java's clients expect them"),
    ("partitioner_cb", "is fixed, so that keys are on the partitions where Java's clients expect them"),
    ("queue.buffering.max.messages", BOUNDED),
    ("queue.buffering.max.kbytes", BOUNDED),
    ("log.queue", "is used by this program"),
    ("enabled_events", "is used by this program"),
    ("test.mock.num.brokers", "would send to no real broker"),
];
const IN_ORDER: &str = "is fixed, so that nothing is stored twice, left out or out of order";
const DURABLE: &str = "is fixed, so that nothing counts as delivered that is not";
const BOUNDED: &str = "is set by the pipeline's memory budget";

/// What does not go together, before any file is read.
pub(super) fn check(options: &KafkaOptions, security: &Security) -> Result<(), Error> {
    let refuse = |option, reason: String| Err(Error::Option { option, reason });
    if options.brokers.is_empty() {
        let reason = "names no broker; it needs one at least, like [\"127.0.0.1:9092\"]";
        return refuse("sink.kafka.brokers", reason.to_owned());
    }
    for name in options.properties.0.keys() {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == name) {
            return refuse(PROPERTIES, format!("`{name}` {why}"));
        }
        if security.decides(name) {
            let why = "is decided by [sink.kafka.tls] and [sink.kafka.sasl]: leave it out, or leave out those sections";
            return refuse(PROPERTIES, format!("`{name}` {why}"));
        }
    }
    // The client that creates topics never asks for a token (rdkafka polls another queue of it than that of tokens).
    if security.token_file().is_some() && options.create_topics {
        let reason = "must be false with OAUTHBEARER, by which no topic can be created: create them yourself, what is \
                      missing is told with the command";
        return refuse("sink.kafka.create_topics", reason.to_owned());
    }
    Ok(())
}

/// What reaches the brokers: for a producer, and for creating topics. Files are read here.
pub(super) fn client_config(options: &KafkaOptions, security: &Security) -> Result<ClientConfig, Error> {
    check(options, security)?;
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    config.set("bootstrap.servers", options.brokers.join(","));
    for (name, value) in &options.properties.0 {
        config.set(name, value);
    }
    security.apply(&mut config)?;
    Ok(config)
}

pub(super) const PROPERTIES: &str = "sink.kafka.properties";

/// The same for a producer.
pub(super) fn producer_config(client: &ClientConfig, memory_bytes: usize) -> ClientConfig {
    // A clone: what `config_map` tells has the passwords replaced.
    let mut config = client.clone();
    let batch_bytes = BATCH_BYTES.to_string();
    let message_limit_bytes = MESSAGE_LIMIT_BYTES.to_string();
    for (name, value) in [
        ("linger.ms", "0"),
        ("batch.num.messages", "10000"),
        ("batch.size", batch_bytes.as_str()),
        ("message.max.bytes", message_limit_bytes.as_str()),
        ("compression.type", "lz4"),
        // librdkafka's own 10 s are long beside a broker's restart.
        ("reconnect.backoff.max.ms", "2000"),
    ] {
        if client.get(name).is_none() {
            config.set(name, value);
        }
    }
    config
        .set("enable.idempotence", "true")
        .set("enable.gapless.guarantee", "true")
        .set("acks", "all")
        // A message that times out would be a gap.
        .set("message.timeout.ms", "0")
        // The budget is kept by the sink itself, which lets a single larger message pass. This is the backstop.
        .set("queue.buffering.max.messages", "10000000")
        .set("queue.buffering.max.kbytes", ((memory_bytes + 2 * MESSAGE_LIMIT_BYTES) / 1024).to_string());
    config
}

/// How much is sent at once: a topic that takes less would refuse ordinary messages.
pub(super) fn batch_bytes(producer: &ClientConfig) -> usize {
    producer.get("batch.size").and_then(|bytes| bytes.parse().ok()).unwrap_or(BATCH_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> KafkaOptions {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_would_break_the_promise_is_refused_by_name() {
        for (name, _) in REFUSED {
            let options = options(&format!("brokers = ['b:1']\nproperties = {{ '{name}' = '1' }}"));
            let error = check(&options, &Security::default()).unwrap_err();
            assert!(error.to_string().contains(&format!("`{name}` ")), "{error}");
        }
        assert!(check(&options("brokers = []"), &Security::default()).is_err());
    }

    #[test]
    fn other_properties_win_over_ours() {
        let options = options(
            "brokers = ['b:1', 'b:2']\nproperties = { 'batch.size' = '5000', 'sasl.password' = 'x' }",
        );
        let config = producer_config(&client_config(&options, &Security::default()).unwrap(), 1 << 20);
        assert_eq!(batch_bytes(&config), 5000);
        assert_eq!(config.get("sasl.password"), Some("x"));
        assert_eq!(config.get("bootstrap.servers"), Some("b:1,b:2"));
        assert_eq!(config.get("acks"), Some("all"));
    }

    #[test]
    fn what_the_sections_decide_is_no_property() {
        let options =
            options("brokers = ['b:1']\ncreate_topics = true\nproperties = { 'sasl.username' = 'x' }");
        let sasl = toml::from_str("mechanism = 'OAUTHBEARER'\ntoken_file = 't'").unwrap();
        let security = Security::new(None, Some(&sasl));
        let error = check(&options, &security).unwrap_err().to_string();
        assert!(error.contains("`sasl.username`") && error.contains("[sink.kafka.sasl]"), "{error}");
        let options = KafkaOptions { properties: Properties::default(), ..options };
        let error = check(&options, &security).unwrap_err().to_string();
        assert!(error.contains("sink.kafka.create_topics"), "{error}");
        check(&KafkaOptions { create_topics: false, ..options }, &security).unwrap();
    }

    #[test]
    fn secrets_are_not_printed() {
        let options = options("brokers = ['b:1']\nproperties = { 'sasl.password' = 'hush' }");
        let text = format!("{options:?}");
        assert!(text.contains("sasl.password") && !text.contains("hush"), "{text}");
    }
}

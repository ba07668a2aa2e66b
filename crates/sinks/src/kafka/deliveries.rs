use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tokio::sync::Notify;

use super::topics::Destination;
use crate::acks::Acks;
use crate::progress::Reporter;
use crate::quiet::Quiet;
use crate::{Error, Limit};

/// What librdkafka reports: it calls this from the producer's own polling thread.
#[derive(Clone, Debug)]
pub(super) struct Deliveries(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    brokers: String,
    reporter: Reporter,
    acks: Mutex<Acks>,
    outstanding_bytes: AtomicUsize,
    failure: Mutex<Option<Error>>,
    failed: AtomicBool,
    on_failure: Notify,
    destinations: Mutex<HashMap<String, Arc<Destination>>>,
    last_error: Mutex<Option<(RDKafkaErrorCode, String)>>,
    down: AtomicBool,
    quiet: Quiet,
    quiet_log: Quiet,
}

/// What librdkafka itself needs to keep a message, as far as a budget must know.
const OVERHEAD_BYTES: usize = 512;

impl Deliveries {
    pub(super) fn new(brokers: String, reporter: Reporter) -> Self {
        Self(Arc::new(Shared {
            brokers,
            reporter,
            acks: Mutex::default(),
            outstanding_bytes: AtomicUsize::new(0),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
            on_failure: Notify::new(),
            destinations: Mutex::default(),
            last_error: Mutex::default(),
            down: AtomicBool::new(false),
            quiet: Quiet::default(),
            quiet_log: Quiet::default(),
        }))
    }

    /// Remembers a topic, to name its table and limit in errors.
    pub(super) fn add(&self, destination: &Arc<Destination>) {
        lock(&self.0.destinations).insert(destination.topic.clone(), Arc::clone(destination));
    }

    /// A message is about to be sent.
    pub(super) fn sending(&self, key: Option<&[u8]>, payload: Option<&[u8]>) {
        self.0.outstanding_bytes.fetch_add(weight(key, payload), Ordering::Relaxed);
    }

    /// Whether it has to wait until others have arrived.
    pub(super) fn must_wait(&self, key: Option<&[u8]>, payload: Option<&[u8]>, budget_bytes: usize) -> bool {
        let outstanding = self.0.outstanding_bytes.load(Ordering::Relaxed);
        outstanding > 0 && outstanding + weight(key, payload) > budget_bytes
    }

    /// All messages of a batch are on their way; the next message will have this number.
    pub(super) fn end_batch(&self, next: usize) {
        if let Some(durable) = lock(&self.0.acks).end_batch(next as u64) {
            self.0.reporter.durable(durable);
        }
    }

    /// Notes what went wrong first. It is told to the pipeline once nothing can arrive any more.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.0.failure).get_or_insert(error);
        self.0.failed.store(true, Ordering::Release);
        self.0.on_failure.notify_one();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    /// Waits for a failure. For one waiter.
    pub(super) async fn failed(&self) {
        self.0.on_failure.notified().await;
    }

    /// Tells the pipeline what went wrong.
    pub(super) fn report_failure(&self) {
        self.0.reporter.fail(lock(&self.0.failure).take().unwrap_or(Error::Stopped));
    }

    /// Why the brokers did not answer in time.
    pub(super) fn unreachable(&self, doing: &'static str, error: Option<KafkaError>) -> Error {
        let sink = format!("Kafka at {}", self.0.brokers);
        match lock(&self.0.last_error).clone() {
            Some((code, reason)) if is_refusal(code) => Error::Unauthorized { sink, reason },
            Some((_, reason)) => Error::Unreachable { doing, sink, reason },
            None => {
                let reason = error.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
                Error::Unreachable { doing, sink, reason }
            }
        }
    }

    /// What a message's refusal means.
    pub(super) fn refusal(&self, topic: &str, code: RDKafkaErrorCode, size_bytes: usize) -> Error {
        let destination = lock(&self.0.destinations).get(topic).cloned();
        let table = destination.as_ref().map_or_else(|| topic.to_owned(), |known| known.events_of.clone());
        let named = format!("Kafka topic {topic}");
        match code {
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize => Error::TooLarge {
                table,
                size_bytes,
                destination: named,
                limit: Limit(destination.and_then(|known| known.limit_bytes)),
                remedy: "raise the topic's max.message.bytes, or the brokers' message.max.bytes for all topics",
            },
            RDKafkaErrorCode::InvalidRecord => Error::Refused {
                table,
                destination: named,
                reason: "a compacted topic takes no event without a key (TRUNCATE, SCHEMA, tables without a key); \
                         set its cleanup.policy to delete, or use format.kind = \"debezium-json\""
                    .to_owned(),
            },
            RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                let reason = format!("it may not write to topic {topic}");
                Error::Unauthorized { sink: format!("Kafka at {}", self.0.brokers), reason }
            }
            code => Error::Undelivered { destination: named, reason: KafkaError::MessageProduction(code).to_string() },
        }
    }

    fn delivered(&self, number: usize) {
        if let Some(durable) = lock(&self.0.acks).acknowledge(number as u64) {
            self.0.reporter.durable(durable);
        }
        if self.0.down.load(Ordering::Relaxed) && self.0.down.swap(false, Ordering::Relaxed) {
            tracing::info!(brokers = self.0.brokers, "Kafka stores events again");
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let (Ok(message) | Err((_, message))) = result;
        self.0.outstanding_bytes.fetch_sub(weight(message.key(), message.payload()), Ordering::Relaxed);
        match result {
            Ok(_) => self.delivered(number),
            Err((error, message)) => {
                self.fail(self.refusal(message.topic(), code_of(error), size_of(message)))
            }
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let is_bad = (level as i32) <= RDKafkaLogLevel::Warning as i32;
        // Each broken connection is worth several such lines; what they mean is said once, by `error`.
        let is_connection = ["FAIL", "ERROR", "REQTMOUT", "TERMINATE"].contains(&facility);
        // A setting of ours, at every start: the consequence it warns of is what it is set for.
        let is_own_setting = facility == "CONFWARN" && message.contains("enable.gapless.guarantee");
        // A broker that is just starting; what does not pass by itself comes as an error.
        let is_passing = facility == "GETPID" && message.ends_with("retrying");
        if is_bad
            && !(is_connection || is_own_setting || is_passing)
            && let Some(held_back) = self.0.quiet_log.pass()
        {
            tracing::warn!(facility, held_back, "librdkafka: {message}");
        } else {
            tracing::debug!(facility, "librdkafka: {message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = code_of(&error);
        tracing::debug!(%error, "librdkafka: {reason}");
        if code == RDKafkaErrorCode::Fatal {
            let destination = format!("Kafka at {}", self.0.brokers);
            return self.fail(Error::Undelivered { destination, reason: reason.to_owned() });
        }
        // "All brokers are down" says less than what came before it.
        if code != RDKafkaErrorCode::AllBrokersDown {
            *lock(&self.0.last_error) = Some((code, reason.to_owned()));
        }
        if code == RDKafkaErrorCode::AllBrokersDown || is_refusal(code) {
            let reason = lock(&self.0.last_error)
                .as_ref()
                .map_or_else(|| "no broker answers".to_owned(), |(_, reason)| reason.clone());
            if !self.0.down.swap(true, Ordering::Relaxed)
                && let Some(held_back) = self.0.quiet.pass()
            {
                tracing::warn!(
                    brokers = self.0.brokers,
                    reason,
                    held_back,
                    "Kafka cannot be reached; deliveries wait"
                );
            }
        }
    }
}

fn weight(key: Option<&[u8]>, payload: Option<&[u8]>) -> usize {
    OVERHEAD_BYTES + key.map_or(0, <[u8]>::len) + payload.map_or(0, <[u8]>::len)
}

fn size_of(message: &BorrowedMessage<'_>) -> usize {
    message.key_len() + message.payload_len()
}

fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed | RDKafkaErrorCode::SSL
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

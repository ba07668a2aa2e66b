use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tokio::sync::Notify;

use super::security::Security;
use super::token;
use super::topics::Destination;
use crate::acks::Acks;
use crate::progress::Reporter;
use crate::quiet::Quiet;
use crate::{Error, Limit, tls};

/// What librdkafka reports: it calls this from the producer's own polling thread.
#[derive(Clone, Debug)]
pub(super) struct Deliveries(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    brokers: String,
    security: Security,
    reporter: Reporter,
    acks: Mutex<Acks>,
    outstanding_bytes: AtomicUsize,
    failure: Mutex<Option<Error>>,
    failed: AtomicBool,
    on_failure: Notify,
    destinations: Mutex<HashMap<String, Arc<Destination>>>,
    last_error: Mutex<Option<String>>,
    /// A broker's last word about who we are, or what is wrong with its own proof.
    last_refusal: Mutex<Option<Refusal>>,
    /// Whether any broker took us: from then on a refusal is worth beginning anew, with what the files hold by then.
    is_open: AtomicBool,
    down: AtomicBool,
    quiet: Quiet,
    quiet_log: Quiet,
}

#[derive(Clone, Debug)]
enum Refusal {
    Login(String),
    Tls(String),
}

/// What librdkafka itself needs to keep a message, as far as a budget must know.
const OVERHEAD_BYTES: usize = 512;

impl Deliveries {
    pub(super) fn new(brokers: String, security: Security, reporter: Reporter) -> Self {
        Self(Arc::new(Shared {
            brokers,
            security,
            reporter,
            acks: Mutex::default(),
            outstanding_bytes: AtomicUsize::new(0),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
            on_failure: Notify::new(),
            destinations: Mutex::default(),
            last_error: Mutex::default(),
            last_refusal: Mutex::default(),
            is_open: AtomicBool::new(false),
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

    /// A broker took us.
    pub(super) fn opened(&self) {
        *lock(&self.0.last_refusal) = None;
        self.0.is_open.store(true, Ordering::Release);
    }

    /// Whether a broker refused us, or we it.
    pub(super) fn was_refused(&self) -> bool {
        lock(&self.0.last_refusal).is_some()
    }

    /// Why the brokers did not answer in time.
    pub(super) async fn unreachable(&self, doing: &'static str, error: Option<KafkaError>) -> Error {
        let sink = self.sink();
        let refusal = lock(&self.0.last_refusal).clone();
        match refusal {
            Some(Refusal::Login(reason)) => self.unauthorized(reason),
            // librdkafka tells a wrong certificate from a right one, but not what is wrong with it.
            Some(Refusal::Tls(reason)) => {
                let ca_file = self.0.security.ca_file().map(PathBuf::as_path);
                let found = match address(&reason) {
                    Some(address) => tls::diagnose(address, ca_file).await,
                    None => None,
                };
                let reason = found.map_or(reason, |error| tls::explain(&error, "sink.kafka.tls"));
                Error::Tls { sink, reason }
            }
            None => {
                let reason = lock(&self.0.last_error).clone();
                let or_else = || error.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
                Error::Unreachable { doing, sink, reason: reason.unwrap_or_else(or_else) }
            }
        }
    }

    fn sink(&self) -> String {
        format!("Kafka at {}", self.0.brokers)
    }

    pub(super) fn unauthorized(&self, reason: String) -> Error {
        Error::Unauthorized { sink: self.sink(), login: self.0.security.to_string(), reason }
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
                self.forbidden("Write", topic)
            }
            code => Error::Undelivered { destination: named, reason: KafkaError::MessageProduction(code).to_string() },
        }
    }

    /// What a broker did not let us do with a topic, and what lets us.
    pub(super) fn forbidden(&self, operation: &str, topic: &str) -> Error {
        let brokers = &self.0.brokers;
        self.unauthorized(format!(
            "it is denied {operation} on topic {topic}; allow it: kafka-acls.sh --bootstrap-server {brokers} --add \
             --allow-principal User:… --operation {operation} --operation Describe --topic {topic}"
        ))
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
            return self.fail(Error::Undelivered { destination: self.sink(), reason: reason.to_owned() });
        }
        if let Some(refusal) = refusal(code, reason) {
            return self.refused(refusal, reason);
        }
        // "All brokers are down" says less than what came before it.
        if code != RDKafkaErrorCode::AllBrokersDown {
            *lock(&self.0.last_error) = Some(reason.to_owned());
            return;
        }
        // Until one has taken us, whoever waits for that says what is wrong.
        if !self.0.is_open.load(Ordering::Acquire) {
            return;
        }
        let reason = lock(&self.0.last_error).clone().unwrap_or_else(|| "no broker answers".to_owned());
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

    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let file = self.0.security.token_file().ok_or("there is no token_file")?;
        Ok(token::read(file)?)
    }
}

/// What librdkafka says of a token that could not be had, while the one before it may still hold.
const NO_NEW_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token";

impl Deliveries {
    fn refused(&self, refusal: Refusal, reason: &str) {
        *lock(&self.0.last_refusal) = Some(refusal.clone());
        if !self.0.is_open.load(Ordering::Acquire) {
            return;
        }
        if reason.starts_with(NO_NEW_TOKEN) {
            if let Some(held_back) = self.0.quiet_log.pass() {
                tracing::warn!(held_back, "{reason}; the old one is used while it holds");
            }
            return;
        }
        // This producer will never read the files again: only another one does.
        self.fail(match refusal {
            Refusal::Login(reason) => self.unauthorized(reason),
            Refusal::Tls(reason) => Error::Tls { sink: self.sink(), reason },
        });
    }
}

fn refusal(code: RDKafkaErrorCode, reason: &str) -> Option<Refusal> {
    match code {
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
            Some(Refusal::Login(reason.to_owned()))
        }
        RDKafkaErrorCode::SSL => Some(Refusal::Tls(reason.to_owned())),
        // In TLS 1.3 a broker looks at our certificate after the handshake, and its word looks like a broken connection.
        _ if CERTIFICATE_ALERTS.iter().any(|alert| reason.contains(alert)) => Some(Refusal::Tls(format!(
            "the broker wants a certificate of this client, or does not accept it: check \
             sink.kafka.tls.certificate_file and sink.kafka.tls.key_file ({reason})"
        ))),
        _ => None,
    }
}

/// As OpenSSL names them.
const CERTIFICATE_ALERTS: [&str; 6] = [
    "alert bad certificate",
    "alert certificate required",
    "alert certificate expired",
    "alert certificate unknown",
    "alert unsupported certificate",
    "alert unknown ca",
];

/// The broker that a reason is about: `sasl_ssl://host:port/bootstrap: SSL handshake failed`.
fn address(reason: &str) -> Option<&str> {
    reason.split_once("://")?.1.split_once('/').map(|(address, _)| address)
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

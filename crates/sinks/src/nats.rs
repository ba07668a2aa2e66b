//! Events to NATS JetStream, effectively once.
//!
//! Messages are published without waiting for each other, with an inbox of the sink's own for the acknowledgements.
//! So that one refused in the middle cannot be overtaken by those after it, each says which one it expects to be the
//! last before it (`Nats-Expected-Last-Msg-Id`), and one refusal fails the sink retryably. A sink that is opened
//! reads back what the stream holds last; what the log redelivers up to there is skipped, and the next message
//! expects to follow it. This also keeps a second writer of the same stream out.
//!
//! An acknowledgement means that the server has the event, which by default it has on disk only within two minutes
//! (`sync_interval`): a power failure of a single server can take events that were acknowledged and checkpointed.
//! `sync_interval: always` or three replicas prevent that.

mod connecting;
mod login;
mod publishing;
mod resume;
mod store;
mod stream;
mod subjects;
mod window;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_nats::{Subject, jetstream};
use event::{Batch, Route, Sink};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::connecting::NatsTls;
use self::login::Login;
use self::publishing::{Expected, Publication, Publishing};
use self::resume::Resume;
pub(crate) use self::store::Store;
use self::subjects::Subjects;
use self::window::Window;
use crate::acks::Acks;
use crate::progress::{Progress, progress};
use crate::secret::{Secret, SecretSource};
use crate::{Error, OwnNames, Pipeline};

const MESSAGE_ID: &str = "Nats-Msg-Id";
const EXPECTED_LAST_ID: &str = "Nats-Expected-Last-Msg-Id";
const EXPECTED_LAST_SEQUENCE: &str = "Nats-Expected-Last-Sequence";

/// `[sink.nats]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct NatsOptions {
    /// Servers of one cluster: `["nats://127.0.0.1:4222"]`.
    pub servers: Servers,
    /// Who we are, with a password.
    #[serde(default)]
    pub username: Option<String>,
    /// Holds the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The password itself.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Holds a token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// The token itself.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Holds the seed of a user's nkey.
    #[serde(default)]
    pub nkey_seed_file: Option<PathBuf>,
    /// A `.creds` file: a JWT with its seed.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// A table's subject, made of `{source}`, `{schema}`, `{table}` and what stands between them.
    #[serde(default = "default_subject")]
    pub subject: String,
    /// The stream's name; `CDC_` and the pipeline's name without it. It is created if it is not there, and never
    /// changed if it is.
    #[serde(default)]
    pub stream: Option<String>,
    /// How large a new stream may grow; without it, as large as its server allows. A full one refuses events, and the
    /// pipeline waits.
    #[serde(default)]
    pub max_bytes: Option<u64>,
    /// For how long a new stream remembers IDs by itself.
    #[serde(default = "default_duplicate_window_s")]
    pub duplicate_window_s: u64,
    /// How many servers of a cluster hold a new stream.
    #[serde(default = "default_replicas")]
    pub replicas: u8,
    /// Subjects that some tables have of their own.
    #[serde(skip)]
    pub own_names: OwnNames,
    /// `[sink.nats.tls]`, read on its own.
    #[serde(skip)]
    pub tls: Option<NatsTls>,
}

fn default_subject() -> String {
    "cdc.{source}.{schema}.{table}".to_owned()
}

fn default_duplicate_window_s() -> u64 {
    120
}

fn default_replicas() -> u8 {
    1
}

/// Addresses of servers. They can hold passwords, which are never printed.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Servers(Vec<String>);

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare =
            |server: &String| server.rsplit_once('@').map_or(server.as_str(), |(_, host)| host).to_owned();
        f.write_str(&self.0.iter().map(bare).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Servers {
    /// What the client is given: it writes addresses into its log lines.
    fn without_logins(&self) -> Vec<String> {
        let bare = |server: &String| match parts(server) {
            (scheme, Some(_), place) => format!("{scheme}{place}"),
            _ => server.clone(),
        };
        self.0.iter().map(bare).collect()
    }

    /// The first one's login: `user:password@` or `token@`, percent-encoded.
    fn login(&self) -> Option<Login> {
        let login = self.0.iter().find_map(|server| parts(server).1)?;
        Some(match login.split_once(':') {
            Some((username, password)) => Login::User {
                username: decoded(username),
                password: SecretSource::Given(decoded(password).into()),
            },
            None => Login::Token(SecretSource::Given(decoded(login).into())),
        })
    }
}

/// Scheme, login and place of an address.
fn parts(server: &str) -> (&str, Option<&str>, &str) {
    let begin = server.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = server.split_at_checked(begin).unwrap_or(("", server));
    match rest.rsplit_once('@') {
        Some((login, place)) => (scheme, Some(login), place),
        None => (scheme, None, rest),
    }
}

/// Undoes percent-encoding; a `%` that begins none stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let code = others.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = others.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl NatsOptions {
    /// Whether everything goes together. Reads no file and asks no server.
    pub fn check(&self) -> Result<(), Error> {
        Login::of(self).map(drop)
    }

    fn addresses(&self) -> String {
        format!("NATS at {}", self.servers)
    }
}

/// Events to NATS JetStream.
pub struct Nats {
    stream: String,
    subjects: Subjects,
    /// Of the routes that were met.
    known: HashMap<Arc<Route>, Subject>,
    batches: mpsc::Sender<Publication>,
    progress: Progress,
    publishing: JoinHandle<()>,
}

/// More than a server far away needs to be busy; also below what a subscription holds, so that no reply is dropped.
const WINDOW_MESSAGES: usize = 4096;

impl Nats {
    /// Connects, makes sure of stream and bucket, and reads where the stream ends.
    pub async fn open(options: &NatsOptions, pipeline: &Pipeline) -> Result<Self, Error> {
        let subjects = Subjects::new(&options.subject, &options.own_names, &pipeline.source)?;
        let name = options.stream.clone().unwrap_or_else(|| format!("CDC_{}", pipeline.source));
        check(options, &name)?;
        let (client, place) = connecting::connect(options, &pipeline.source).await?;
        let context = jetstream::new(client.clone());
        let stream = stream::stream(&context, &name, &subjects, options, &place).await?;
        stream::bucket(&context, subjects.bucket(), "Table schemas by fingerprint", options, &place).await?;
        let inbox = client.new_inbox();
        let replies =
            client.subscribe(format!("{inbox}.*")).await.map_err(|error| place.unanswered(error))?;
        let resume = Resume::read(&stream, &pipeline.source, &place).await?;
        tracing::info!(
            stream = name,
            last_sequence = resume.sequence,
            last_event = resume.last.as_ref().map(|last| last.id.as_str()),
            "stream is ready"
        );
        let (batches, receiver) = mpsc::channel(1);
        let (reporter, progress) = progress();
        let publishing = Publishing {
            client,
            stream: name.clone(),
            inbox,
            replies,
            batches: receiver,
            place,
            window: Window::new(WINDOW_MESSAGES, pipeline.memory_bytes),
            acks: Acks::default(),
            expected: Expected::Sequence(resume.sequence),
            last_in_log: resume.last.as_ref().map(|last| last.id.clone()),
            resume,
            reporter,
        };
        let publishing = tokio::spawn(publishing.run());
        Ok(Self { stream: name, subjects, known: HashMap::new(), batches, progress, publishing })
    }

    fn subject(&mut self, route: &Arc<Route>) -> Subject {
        if let Some(known) = self.known.get(route) {
            return known.clone();
        }
        let subject = Subject::from(self.subjects.subject(route));
        self.known.insert(Arc::clone(route), subject.clone());
        subject
    }
}

fn check(options: &NatsOptions, stream: &str) -> Result<(), Error> {
    if options.servers.0.is_empty() {
        let reason = "names no server; it needs one at least, like [\"nats://127.0.0.1:4222\"]".to_owned();
        return Err(Error::Option { option: "sink.nats.servers", reason });
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if stream.is_empty() || !stream.chars().all(is_legal) {
        let reason = format!("`{stream}` holds something else than letters, digits, `_` and `-`");
        return Err(Error::Option { option: "sink.nats.stream", reason });
    }
    if options.replicas == 0 {
        let reason = "must be 1 at least".to_owned();
        return Err(Error::Option { option: "sink.nats.replicas", reason });
    }
    Ok(())
}

impl Sink for Nats {
    type Error = Error;

    fn destination(&self) -> String {
        format!("NATS stream {}", self.stream)
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Error> {
        let subjects = batch.routes().iter().map(|route| self.subject(route)).collect();
        self.batches.send(Publication { batch, subjects }).await.map_err(|_| self.progress.failure())
    }

    async fn durable(&mut self) -> Result<u64, Error> {
        self.progress.durable().await
    }
}

/// Messages under way may still be stored: a successor finds them in the stream, or is told that it has them.
impl Drop for Nats {
    fn drop(&mut self) {
        self.publishing.abort();
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroI32, NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use serde::Deserialize;

use super::layout::SectionLayout;
use super::secret::{Secret, is_secret_key};
use super::section::known_keys;

/// The one sink of a pipeline.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// `[sink.kafka]`.
    Kafka(Kafka),
    /// `[sink.nats]`.
    Nats(Nats),
    /// `[sink.file]`.
    File(File),
    /// `[sink.stdout]`.
    Stdout,
    /// `[sink.null]`.
    Null,
}

/// The kinds of sinks: the names below `[sink.…]`, and of `--sink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SinkKind {
    /// A Kafka cluster.
    Kafka,
    /// A NATS server with JetStream.
    Nats,
    /// Files in a folder.
    File,
    /// Standard output.
    Stdout,
    /// Nowhere: what is read is counted and dropped.
    Null,
}

/// `[sink.kafka]`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Kafka {
    pub(crate) brokers: Vec<String>,
    #[serde(default = "default_topic")]
    pub(crate) topic: String,
    #[serde(default = "default_true")]
    pub(crate) create_topics: bool,
    pub(crate) partitions: Option<NonZeroI32>,
    pub(crate) replication_factor: Option<NonZeroU16>,
    #[serde(default)]
    pub(crate) compression: Compression,
    #[serde(default = "default_linger_ms")]
    pub(crate) linger_ms: u16,
    #[serde(default)]
    pub(crate) properties: Properties,
}

/// What Kafka's batches are packed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    None,
    #[default]
    Lz4,
    Zstd,
    Gzip,
}

/// librdkafka's own properties.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Properties(pub(crate) BTreeMap<String, String>);

/// `[sink.nats]`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Nats {
    pub(crate) servers: Vec<String>,
    pub(crate) credentials_file: Option<PathBuf>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) password_file: Option<PathBuf>,
    #[serde(default = "default_subject")]
    pub(crate) subject: String,
    pub(crate) stream: Option<String>,
    #[serde(default = "default_true")]
    pub(crate) create_stream: bool,
    pub(crate) max_bytes: Option<NonZeroU64>,
    #[serde(default = "default_duplicate_window_s")]
    pub(crate) duplicate_window_s: NonZeroU32,
}

/// `[sink.file]`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    #[serde(default = "default_rotate_mb")]
    pub(crate) rotate_mb: NonZeroU32,
}

/// `[sink.stdout]` and `[sink.null]`: nothing to choose.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct NoOptions {}

/// The sections below `[sink]`.
pub(super) fn sections() -> [SectionLayout; 5] {
    [
        SectionLayout { path: "sink.kafka", keys: known_keys::<Kafka>() },
        SectionLayout { path: "sink.nats", keys: known_keys::<Nats>() },
        SectionLayout { path: "sink.file", keys: known_keys::<File>() },
        SectionLayout { path: "sink.stdout", keys: known_keys::<NoOptions>() },
        SectionLayout { path: "sink.null", keys: known_keys::<NoOptions>() },
    ]
}

impl SinkKind {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Kafka, Self::Nats, Self::File, Self::Stdout, Self::Null];

    /// The kind's section.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Kafka => "sink.kafka",
            Self::Nats => "sink.nats",
            Self::File => "sink.file",
            Self::Stdout => "sink.stdout",
            Self::Null => "sink.null",
        }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .0
            .iter()
            .map(|(key, value)| (key, if is_secret_key(key) { super::secret::BLANK } else { value }));
        f.debug_map().entries(shown).finish()
    }
}

fn default_topic() -> String {
    "{source}.{schema}.{table}".to_owned()
}

fn default_subject() -> String {
    "cdc.{source}.{schema}.{table}".to_owned()
}

fn default_true() -> bool {
    true
}

fn default_linger_ms() -> u16 {
    10
}

fn default_duplicate_window_s() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(119)
}

fn default_rotate_mb() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(127)
}

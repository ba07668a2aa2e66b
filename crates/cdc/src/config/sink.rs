use std::fmt;

use sinks::{
    FileOptions, KafkaOptions, KafkaSasl, KafkaTls, NatsOptions, NatsTls, NullOptions, StdoutOptions,
};

use super::layout::SectionLayout;
use super::section::known_keys;

/// The one sink of a pipeline, with the options that it takes.
#[derive(Clone)]
pub(crate) enum Sink {
    /// `[sink.kafka]`.
    Kafka(KafkaOptions),
    /// `[sink.nats]`.
    Nats(NatsOptions),
    /// `[sink.file]`.
    File(FileOptions),
    /// `[sink.stdout]`.
    Stdout(StdoutOptions),
    /// `[sink.null]`.
    Null(NullOptions),
}

/// The kinds of sinks: the names below `[sink.…]`, and of `--sink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SinkKind {
    /// A Kafka cluster.
    Kafka,
    /// A NATS server with JetStream.
    Nats,
    /// A file, or several.
    File,
    /// Standard output.
    Stdout,
    /// Nowhere: what is read is counted and dropped.
    Null,
}

/// The sections below `[sink]`.
pub(super) fn sections() -> [SectionLayout; 8] {
    [
        SectionLayout { path: "sink.kafka", keys: known_keys::<KafkaOptions>() },
        SectionLayout { path: "sink.kafka.tls", keys: known_keys::<KafkaTls>() },
        SectionLayout { path: "sink.kafka.sasl", keys: known_keys::<KafkaSasl>() },
        SectionLayout { path: "sink.nats", keys: known_keys::<NatsOptions>() },
        SectionLayout { path: "sink.nats.tls", keys: known_keys::<NatsTls>() },
        SectionLayout { path: "sink.file", keys: known_keys::<FileOptions>() },
        SectionLayout { path: "sink.stdout", keys: known_keys::<StdoutOptions>() },
        SectionLayout { path: "sink.null", keys: known_keys::<NullOptions>() },
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

/// Addresses and properties can hold passwords: only the kind is shown.
impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kafka(_) => "Kafka",
            Self::Nats(_) => "Nats",
            Self::File(_) => "File",
            Self::Stdout(_) => "Stdout",
            Self::Null(_) => "Null",
        })
    }
}

use std::fmt;

use sinks::{
    FileOptions, HttpOptions, HttpTls, KafkaOptions, KafkaSasl, KafkaTls, NatsOptions, NatsTls, NullOptions,
    StdoutOptions,
};

use super::layout::SectionLayout;

/// The one sink of a pipeline, with the options that it takes.
#[derive(Clone)]
pub(crate) enum Sink {
    /// `[sink.kafka]`.
    Kafka(KafkaOptions),
    /// `[sink.nats]`.
    Nats(NatsOptions),
    /// `[sink.http]`.
    Http(HttpOptions),
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
    /// An HTTP receiver.
    Http,
    /// A file, or several.
    File,
    /// Standard output.
    Stdout,
    /// Nowhere: what is read is counted and dropped.
    Null,
}

/// The sections below `[sink]`.
pub(super) fn sections() -> [SectionLayout; 10] {
    [
        SectionLayout::of::<KafkaOptions>("sink.kafka"),
        SectionLayout::of::<KafkaTls>("sink.kafka.tls"),
        SectionLayout::of::<KafkaSasl>("sink.kafka.sasl"),
        SectionLayout::of::<NatsOptions>("sink.nats"),
        SectionLayout::of::<NatsTls>("sink.nats.tls"),
        SectionLayout::of::<HttpOptions>("sink.http"),
        SectionLayout::of::<HttpTls>("sink.http.tls"),
        SectionLayout::of::<FileOptions>("sink.file"),
        SectionLayout::of::<StdoutOptions>("sink.stdout"),
        SectionLayout::of::<NullOptions>("sink.null"),
    ]
}

impl SinkKind {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Kafka, Self::Nats, Self::Http, Self::File, Self::Stdout, Self::Null];

    /// The kind's section.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Kafka => "sink.kafka",
            Self::Nats => "sink.nats",
            Self::Http => "sink.http",
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
            Self::Http(_) => "Http",
            Self::File(_) => "File",
            Self::Stdout(_) => "Stdout",
            Self::Null(_) => "Null",
        })
    }
}

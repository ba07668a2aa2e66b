use std::io;
use std::path::PathBuf;

use event::Failure;

/// What can go wrong on the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// CDC-SINK-001
    #[error("{option}: {reason}")]
    Option {
        /// The option's full name, `sink.kafka.topic`.
        option: &'static str,
        /// What is wrong with its value, and what would be right.
        reason: String,
    },
    /// CDC-SINK-002
    #[error("the sink was given up earlier; it has to be opened anew")]
    Stopped,
    /// CDC-SINK-003
    #[error("{doing}: {sink} could not be reached: {reason}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// `Kafka` or `NATS`, and the addresses.
        sink: String,
        /// What the client said.
        reason: String,
    },
    /// CDC-SINK-004
    #[error("{sink} refused this client, which came {login}: {reason}")]
    Unauthorized {
        /// `Kafka` or `NATS`, and the addresses.
        sink: String,
        /// How it came: as whom, and where the proof was read.
        login: String,
        /// What the server said.
        reason: String,
    },
    /// CDC-SINK-005
    #[error(
        "an event of {table} is {size_bytes} bytes long, which is more than {destination} takes{limit}; {remedy}"
    )]
    TooLarge {
        /// The event's table.
        table: String,
        /// The size of key, headers and payload.
        size_bytes: usize,
        /// The topic or stream.
        destination: String,
        /// Its limit, where it is known.
        limit: Limit,
        /// Which settings mend it.
        remedy: &'static str,
    },
    /// CDC-SINK-006
    #[error("{destination} refused an event of {table}: {reason}")]
    Refused {
        /// The event's table.
        table: String,
        /// The topic or stream.
        destination: String,
        /// What the server said, and what mends it.
        reason: String,
    },
    /// CDC-SINK-007
    #[error(
        "{destination} did not store what was sent to it: {reason}; it is sent again from the checkpoint on"
    )]
    Undelivered {
        /// The topic or stream.
        destination: String,
        /// What the server or client said.
        reason: String,
    },
    /// CDC-SINK-008
    #[error("no TLS connection to {sink}: {reason}")]
    Tls {
        /// `Kafka` or `NATS`, and the addresses.
        sink: String,
        /// What is wrong, and what mends it.
        reason: String,
    },
    /// CDC-SINK-009
    #[error("could not read the {what} in {}: {reason}", path.display())]
    Credentials {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not. Never quotes the file.
        reason: String,
    },
    /// CDC-SINK-010
    #[error("could not {doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// CDC-SINK-011
    #[error(
        "no space left for {}: what was written in part is cut off again and nothing is lost; free space on its disk",
        path.display()
    )]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// CDC-SINK-012
    #[error("{} is being written by another process; give each pipeline its own file", path.display())]
    FileInUse {
        /// The locked file.
        path: PathBuf,
    },
    /// CDC-SINK-013
    #[error(
        "{} exists and holds something else than {expected}; move it away, or name another in sink.file.path",
        path.display()
    )]
    ForeignFile {
        /// The file that is left as it is.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// CDC-SINK-014
    #[error("{} was moved or removed while it was being written; it is started anew", path.display())]
    FileGone {
        /// Where the file was.
        path: PathBuf,
    },
    /// CDC-SINK-015
    #[error("whoever read the standard output closed it")]
    StdoutClosed,
    /// CDC-SINK-020
    #[error(
        "topic {topic} does not exist; create it with `{command}`, or set sink.kafka.create_topics = true"
    )]
    TopicMissing {
        /// Its name.
        topic: String,
        /// What creates it.
        command: String,
    },
    /// CDC-SINK-021
    #[error(
        "topic {topic} could not be created: {reason}; mend that, or create it yourself with `{command}`"
    )]
    TopicNotCreated {
        /// Its name.
        topic: String,
        /// What the broker said.
        reason: String,
        /// What creates it.
        command: String,
    },
    /// CDC-SINK-022
    #[error(
        "topic {topic} takes at most {limit_bytes} bytes at once, but {batch_bytes} are sent; raise its \
         max.message.bytes, or lower batch.size in [sink.kafka.properties]"
    )]
    TopicLimit {
        /// Its name.
        topic: String,
        /// Its `max.message.bytes`.
        limit_bytes: usize,
        /// The producer's `batch.size`.
        batch_bytes: usize,
    },
    /// CDC-SINK-030
    #[error("stream {stream} cannot be used: {reason}")]
    Stream {
        /// Its name.
        stream: String,
        /// What does not fit, and what would.
        reason: String,
    },
    /// CDC-SINK-031
    #[error(
        "stream {stream} holds events of {found}, written by another pipeline; give each its own name and stream"
    )]
    SharedStream {
        /// Its name.
        stream: String,
        /// The other pipeline's source.
        found: String,
    },
    /// CDC-SINK-032
    #[error(
        "stream {stream} holds events of epoch {found}, newer than {epoch}, which this pipeline is in: its saved state \
         is older than what it has delivered; restore the newest state, or remove it and load anew"
    )]
    NewerEpoch {
        /// Its name.
        stream: String,
        /// The last stored event's.
        found: u64,
        /// The pipeline's own.
        epoch: u64,
    },
    /// CDC-SINK-033
    #[error(
        "stream {stream} refused an event because its last one is not the one before it ({reason}): either another \
         writer came between, or an event was lost on the way; what it holds is read back"
    )]
    OutOfTurn {
        /// Its name.
        stream: String,
        /// What the server said.
        reason: String,
    },
    /// CDC-SINK-035
    #[error(
        "another process has taken over the checkpoint in {place}: stop one of the two, a pipeline runs once; two would \
         deliver everything twice"
    )]
    Superseded {
        /// Where it is kept.
        place: String,
    },
    /// CDC-SINK-040
    #[error("there is nobody at {receiver} who takes events: it answered {status}; {remedy}")]
    NoReceiver {
        /// The address.
        receiver: String,
        /// What it answered.
        status: String,
        /// What mends it.
        remedy: &'static str,
    },
    /// CDC-SINK-041
    #[error(
        "the event {id} is not among those that are kept in {}; `--from beginning` begins with the oldest that is",
        folder.display()
    )]
    NotRetained {
        /// The event's ID.
        id: String,
        /// Where events are kept.
        folder: PathBuf,
    },
    /// CDC-SINK-042
    #[error(
        "{} was removed before it was read: the pipeline keeps fewer events than it sends meanwhile; raise [retain] max_mb, \
         or begin later",
        path.display()
    )]
    Overtaken {
        /// The file.
        path: PathBuf,
    },
    /// CDC-SINK-043
    #[error(
        "the events are {before} up to {}, and {found} from there on: format.kind was changed; begin behind that",
        path.display()
    )]
    MixedRetention {
        /// The first file of the other kind.
        path: PathBuf,
        /// How events were written before.
        before: String,
        /// And from there on.
        found: String,
    },
    /// CDC-SINK-034
    #[error("stream {stream} is full ({reason}) and refuses events rather than lose older ones; {remedy}")]
    StreamFull {
        /// Its name.
        stream: String,
        /// What the server said.
        reason: String,
        /// What makes room.
        remedy: &'static str,
    },
}

/// A known or unknown limit in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<usize>);

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, " ({bytes} bytes)"),
            None => Ok(()),
        }
    }
}

impl Failure for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Stopped
            | Self::Unreachable { .. }
            | Self::Undelivered { .. }
            | Self::DiskFull { .. }
            | Self::FileGone { .. }
            | Self::OutOfTurn { .. }
            | Self::StreamFull { .. } => true,
            // A disk may come back; a path that is wrong stays wrong.
            Self::File { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::InvalidInput
            ),
            Self::Option { .. }
            | Self::Unauthorized { .. }
            | Self::Tls { .. }
            | Self::Credentials { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. }
            | Self::FileInUse { .. }
            | Self::ForeignFile { .. }
            | Self::Superseded { .. }
            | Self::StdoutClosed
            | Self::TopicMissing { .. }
            | Self::TopicNotCreated { .. }
            | Self::TopicLimit { .. }
            | Self::Stream { .. }
            | Self::SharedStream { .. }
            | Self::NewerEpoch { .. }
            | Self::NoReceiver { .. }
            | Self::NotRetained { .. }
            | Self::Overtaken { .. }
            | Self::MixedRetention { .. } => false,
        }
    }

    fn is_about_credentials(&self) -> bool {
        // A receiver that was there once is probably being replaced: a proxy answers 404 meanwhile.
        matches!(
            self,
            Self::Unauthorized { .. } | Self::Tls { .. } | Self::Credentials { .. } | Self::NoReceiver { .. }
        )
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Option { .. } => "CDC-SINK-001",
            Self::Stopped => "CDC-SINK-002",
            Self::Unreachable { .. } => "CDC-SINK-003",
            Self::Unauthorized { .. } => "CDC-SINK-004",
            Self::TooLarge { .. } => "CDC-SINK-005",
            Self::Refused { .. } => "CDC-SINK-006",
            Self::Undelivered { .. } => "CDC-SINK-007",
            Self::Tls { .. } => "CDC-SINK-008",
            Self::Credentials { .. } => "CDC-SINK-009",
            Self::File { .. } => "CDC-SINK-010",
            Self::DiskFull { .. } => "CDC-SINK-011",
            Self::FileInUse { .. } => "CDC-SINK-012",
            Self::ForeignFile { .. } => "CDC-SINK-013",
            Self::FileGone { .. } => "CDC-SINK-014",
            Self::StdoutClosed => "CDC-SINK-015",
            Self::TopicMissing { .. } => "CDC-SINK-020",
            Self::TopicNotCreated { .. } => "CDC-SINK-021",
            Self::TopicLimit { .. } => "CDC-SINK-022",
            Self::Stream { .. } => "CDC-SINK-030",
            Self::SharedStream { .. } => "CDC-SINK-031",
            Self::NewerEpoch { .. } => "CDC-SINK-032",
            Self::OutOfTurn { .. } => "CDC-SINK-033",
            Self::StreamFull { .. } => "CDC-SINK-034",
            Self::Superseded { .. } => "CDC-SINK-035",
            Self::NoReceiver { .. } => "CDC-SINK-040",
            Self::NotRetained { .. } => "CDC-SINK-041",
            Self::Overtaken { .. } => "CDC-SINK-042",
            Self::MixedRetention { .. } => "CDC-SINK-043",
        }
    }
}

use event::Failure;

/// Why a pipeline stopped, or begins anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] wal_reader::Error),
    /// MySQL or MariaDB.
    #[error(transparent)]
    Binlog(#[from] binlog_reader::Error),
    /// A database without a log.
    #[error(transparent)]
    Poll(#[from] poll_reader::Error),
    /// The sink.
    #[error(transparent)]
    Sink(#[from] sinks::Error),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    /// What was sent so far went elsewhere.
    #[error(
        "the checkpoint was made while sending to {before}; the configuration says {now} now, which lacks all that was \
         sent before. Go back to the former sink; or give this sink a pipeline of its own, with a name of its own; or \
         start over with `cdc snapshot --new-epoch`, which loads all tables again"
    )]
    AnotherSink {
        /// In the checkpoint.
        before: String,
        /// In the configuration.
        now: String,
    },
    /// What was remembered is of another kind of database.
    #[error(
        "the checkpoint in {state} is of another kind of database than the configuration names. Go back to that one; or \
         give this one a pipeline with a name of its own"
    )]
    AnotherKind {
        /// Where the checkpoint is.
        state: String,
    },
    /// A slot is to be adopted, and there is a history already.
    #[error(
        "there is a checkpoint in {state} already: adopting a slot would forget where this pipeline stands. Run it as it \
         is; or adopt under another name or state folder"
    )]
    AlreadyBegun {
        /// The folder.
        state: String,
    },
    /// A slot is to be adopted that is not there.
    #[error("there is no slot \"{slot}\" to adopt; this server has: {others}")]
    NoSuchSlot {
        /// The name that was given.
        slot: String,
        /// Those that there are.
        others: String,
    },
    /// A table that the configuration means is not sent, and all others are.
    #[error("table {table} is left out: {why}")]
    TableLeftOut {
        /// Which.
        table: event::TableName,
        /// What is in the way, and the remedy.
        why: String,
    },
    /// The sink takes nothing, so the database was let go of.
    #[error("the sink takes nothing; hung up on the database meanwhile, the slot keeps our place")]
    SinkStalls,
    /// The sink took nothing for a while, so the database was let go of.
    #[error("the sink takes events again")]
    SinkWasStalled,
}

impl Error {
    /// Whether it is the database's.
    pub(crate) fn is_source_s(&self) -> bool {
        matches!(self, Self::Postgres(_) | Self::Binlog(_) | Self::Poll(_))
    }
}

impl From<wal_reader::Refusal> for Error {
    fn from(refusal: wal_reader::Refusal) -> Self {
        Self::Postgres(refusal.into())
    }
}

impl Failure for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_retryable(),
            Self::Binlog(error) => error.is_retryable(),
            Self::Poll(error) => error.is_retryable(),
            Self::Sink(error) => error.is_retryable(),
            Self::Checkpoint(error) => error.is_retryable(),
            Self::SinkStalls | Self::SinkWasStalled => true,
            Self::AnotherSink { .. }
            | Self::AnotherKind { .. }
            | Self::AlreadyBegun { .. }
            | Self::NoSuchSlot { .. }
            | Self::TableLeftOut { .. } => false,
        }
    }

    fn is_about_credentials(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_about_credentials(),
            Self::Binlog(error) => error.is_about_credentials(),
            Self::Poll(error) => error.is_about_credentials(),
            Self::Sink(error) => error.is_about_credentials(),
            Self::Checkpoint(_)
            | Self::SinkStalls
            | Self::SinkWasStalled
            | Self::AnotherSink { .. }
            | Self::AnotherKind { .. }
            | Self::AlreadyBegun { .. }
            | Self::NoSuchSlot { .. }
            | Self::TableLeftOut { .. } => false,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Binlog(error) => error.code(),
            Self::Poll(error) => error.code(),
            Self::Sink(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::SinkWasStalled => "CDC-RUN-001",
            Self::SinkStalls => "CDC-RUN-002",
            Self::AnotherSink { .. } => "CDC-RUN-003",
            Self::AlreadyBegun { .. } => "CDC-RUN-004",
            Self::NoSuchSlot { .. } => "CDC-RUN-005",
            Self::TableLeftOut { .. } => "CDC-RUN-006",
            Self::AnotherKind { .. } => "CDC-RUN-007",
        }
    }
}

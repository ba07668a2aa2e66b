/// What is wrong with bytes that came from a database. Trying again brings the same bytes, so none is retryable.
///
/// No error holds a value of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message does not have the form that the protocol gives it.
    #[error("{message} message: expected {expected} at byte {offset}")]
    Malformed {
        /// Which kind of message.
        message: &'static str,
        /// Where, counted from its first byte, which names the kind.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A message starts with a byte that names no kind of message of the protocol versions 1 to 4.
    #[error(
        "unknown pgoutput message kind {kind:#04x}: the server speaks a protocol version that was not asked for"
    )]
    UnknownMessage {
        /// The first byte.
        kind: u8,
    },
    /// A row image has not as many columns as the table's shape.
    #[error("a row has {found} columns where the table's last known shape has {expected}")]
    ColumnCount {
        /// By the shape.
        expected: usize,
        /// In the row; for COPY, as far as it was read.
        found: usize,
    },
    /// A value came in the binary format, which was not asked for.
    #[error("a value of type {type_name} came in binary format: start the stream without `binary`")]
    BinaryColumn {
        /// Of the column.
        type_name: String,
    },
    /// A row refers to a table that no Relation message described before.
    #[error("a change refers to the relation with OID {oid}, which no Relation message has described")]
    UnknownRelation {
        /// In `pg_class`.
        oid: u32,
    },
    /// Nothing in the log says which row was updated or deleted: its key's columns are not published.
    #[error(
        "a row of {table} was updated or deleted, but the log does not say which: its replica identity is made of \
         generated columns. After `ALTER TABLE … REPLICA IDENTITY FULL`, start over with `cdc snapshot --new-epoch`"
    )]
    UnidentifiedRow {
        /// With its schema.
        table: String,
    },
    /// A line of COPY text is not what COPY writes.
    #[error("COPY line: expected {expected} at byte {offset}")]
    MalformedCopy {
        /// Where, counted from the beginning of the line.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
}

impl event::Failure for Error {
    fn is_retryable(&self) -> bool {
        false
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "CDC-DEC-001",
            Self::UnknownMessage { .. } => "CDC-DEC-002",
            Self::ColumnCount { .. } => "CDC-DEC-003",
            Self::BinaryColumn { .. } => "CDC-DEC-004",
            Self::UnknownRelation { .. } => "CDC-DEC-005",
            Self::MalformedCopy { .. } => "CDC-DEC-006",
            Self::UnidentifiedRow { .. } => "CDC-DEC-007",
        }
    }
}

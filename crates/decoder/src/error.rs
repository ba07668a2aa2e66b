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
    /// An event of a binary log does not have the form that servers give it.
    #[error("binlog: malformed {event} event: expected {expected} at byte {offset} of its body")]
    MalformedEvent {
        /// Which kind of event.
        event: &'static str,
        /// Where, counted from the beginning of its body.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// An event is of a kind that nobody here knows, and does not say that it may be passed over.
    #[error(
        "binlog: unknown event kind {kind} before position {next_position}: the server is newer than this program, or has \
         a feature on that it does not know"
    )]
    UnknownEvent {
        /// As the server numbers kinds.
        kind: u8,
        /// Where the next event begins.
        next_position: u32,
    },
    /// An event's checksum is not that of its bytes.
    #[error(
        "binlog: the checksum of the event (kind {kind}) before position {next_position} is wrong: its bytes were damaged"
    )]
    Checksum {
        /// As the server numbers kinds.
        kind: u8,
        /// Where the next event begins.
        next_position: u32,
    },
    /// A column's type can't be read.
    #[error("binlog: column {column} of a table, counted from 0, has type {kind}: {detail}")]
    UnsupportedColumn {
        /// Its place in the table.
        column: usize,
        /// As the server numbers types.
        kind: u8,
        /// Why, and what to do.
        detail: &'static str,
    },
    /// A column's type is none that is known.
    #[error("column \"{column}\" has type {type_name}, which is not known: the server is too new")]
    UnknownType {
        /// Its name.
        column: String,
        /// As `information_schema` calls it.
        type_name: String,
    },
    /// Of a column it is not known what its stored values mean.
    #[error("binlog: of column {position} of {table}, counted from 0, it is not known {detail}")]
    UndefinedColumn {
        /// With its database.
        table: String,
        /// Its place in the table.
        position: usize,
        /// What is not known, and what to do.
        detail: &'static str,
    },
    /// A SELECT gave a value that its column's type can't have.
    #[error("a SELECT gave a value for column \"{column}\" that its type {type_name} does not have")]
    SelectedValue {
        /// Its name.
        column: String,
        /// As `information_schema` calls it.
        type_name: String,
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
            Self::MalformedEvent { .. } => "CDC-DEC-008",
            Self::UnknownEvent { .. } => "CDC-DEC-009",
            Self::Checksum { .. } => "CDC-DEC-010",
            Self::UnsupportedColumn { .. } | Self::UnknownType { .. } => "CDC-DEC-011",
            Self::UndefinedColumn { .. } => "CDC-DEC-012",
            Self::SelectedValue { .. } => "CDC-DEC-013",
        }
    }
}

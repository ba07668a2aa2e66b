use std::path::PathBuf;

use event::{Failure, TableName};

/// What went wrong with a database that is polled, or with what is remembered of it.
///
/// | code | what failed | retried |
/// |---|---|---|
/// | `CDC-OD-001` | there is no ODBC driver manager | no |
/// | `CDC-OD-002` | no connection | by its SQLSTATE |
/// | `CDC-OD-003` | the database refused a statement | by its SQLSTATE |
/// | `CDC-OD-004` | a table, or a column of it, is not there | no |
/// | `CDC-OD-005` | rows can't be told apart: there is no key, or it has a NULL, or two rows have the same | no |
/// | `CDC-OD-006` | a scan would delete more than it may | no |
/// | `CDC-OD-007` | the state can't be read or written | by what SQLite says |
/// | `CDC-OD-008` | the state is not this pipeline's, or of another version | no |
/// | `CDC-OD-009` | another reader has taken over the state | yes |
/// | `CDC-OD-010` | a value is not what its column's type says, or too long | no |
/// | `CDC-OD-011` | a scan took longer than it may | yes |
/// | `CDC-OD-012` | the column named by `since` can't tell what is new | no |
/// | `CDC-OD-013` | a file with a secret can't be read | no |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// unixODBC is not installed.
    #[error(
        "there is no ODBC driver manager on this machine (libodbc.so.2). Install unixODBC and the database's driver \
         (Debian: apt-get install unixodbc odbc-postgresql, odbc-mariadb, libsqliteodbc …)"
    )]
    NoDriverManager,
    /// No session.
    #[error("no connection by ODBC: {0}")]
    Connect(Refused),
    /// A statement.
    #[error("{what}: {refused}")]
    Statement {
        /// What it was for.
        what: String,
        /// What the driver says.
        refused: Refused,
    },
    /// A statement, because the connection is gone: drivers have no one word for that.
    #[error("{what}: the connection is lost: {refused}")]
    Lost {
        /// What it was for.
        what: String,
        /// What the driver says.
        refused: Refused,
    },
    /// It is not there, or may not be seen.
    #[error("{table} has no columns: there is no such table, or the user may not see it")]
    NoTable {
        /// Which.
        table: String,
    },
    /// A name in the configuration.
    #[error("{resource}: {problem}")]
    Columns {
        /// Of which resource.
        resource: TableName,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing tells its rows apart.
    #[error("{resource} has no primary key: name the columns that tell its rows apart by `key`")]
    NoKey {
        /// Which.
        resource: TableName,
    },
    /// The key is none.
    #[error(
        "{resource}: two rows of one scan have the same key ({columns}). Name more columns by `key`, or correct the query: \
         a row of a join may come more than once"
    )]
    SameKey {
        /// Which.
        resource: TableName,
        /// Its key.
        columns: String,
    },
    /// NULL tells nothing apart.
    #[error("{resource}: a row has a NULL in its key ({columns}): name columns that are never NULL by `key`")]
    NullKey {
        /// Which.
        resource: TableName,
        /// Its key.
        columns: String,
    },
    /// The table may have been emptied by mistake, or be read as another user.
    #[error(
        "{resource}: {gone} of {known} known rows are not there any more, more than max_delete_fraction = {limit} lets pass: the \
         table may have been emptied by mistake, or the user sees fewer rows. Its deletes are held back until the rows are \
         there again, or, if they are gone indeed: cdc resync --table {resource} --confirm-deletes"
    )]
    TooManyDeletes {
        /// Which.
        resource: TableName,
        /// How many rows.
        gone: u64,
        /// Of how many.
        known: u64,
        /// As configured.
        limit: f64,
    },
    /// SQLite.
    #[error("the state {}: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// What is in it makes no sense.
    #[error("the state {}: {problem}", path.display())]
    ForeignState {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// Two at once.
    #[error("another reader has taken over the state; this one stops without a trace")]
    Superseded,
    /// The driver gave something else.
    #[error("{resource}: the driver gave a value of column \"{column}\" that is {problem}")]
    Value {
        /// Of which resource.
        resource: TableName,
        /// Which column.
        column: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It hangs, or there is more than was thought.
    #[error("{resource}: the scan took longer than statement_timeout_s = {limit_s} s; it is begun anew")]
    TooSlow {
        /// Which.
        resource: TableName,
        /// As configured.
        limit_s: u64,
    },
    /// It does not grow.
    #[error(
        "{resource}: column \"{column}\", named by `since`, has values that are neither times nor whole numbers: leave `since` \
         out, or name another"
    )]
    Since {
        /// Which resource.
        resource: TableName,
        /// As configured.
        column: String,
    },
    /// A secret.
    #[error("{}: {source}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// What a driver or its manager says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", if state.is_empty() { String::new() } else { format!(" (SQLSTATE {state})") })]
pub struct Refused {
    /// SQLSTATE; empty where nothing was said.
    pub state: String,
    /// In the driver's words.
    pub message: String,
}

impl Error {
    pub(crate) fn statement(what: impl Into<String>) -> impl FnOnce(odbc_api::Error) -> Self {
        |error| Self::Statement { what: what.into(), refused: error.into() }
    }
}

impl Refused {
    /// psqlodbc has one SQLSTATE for whatever keeps it from connecting.
    fn is_about_credentials(&self) -> bool {
        self.state.starts_with("28") || self.message.contains("authentication failed")
    }

    /// Connection lost, rolled back by the server, timed out, or the server is not up.
    fn is_passing(&self) -> bool {
        let classes = ["08", "40", "53", "57", "HYT", "S1T"];
        // libsqliteodbc and psqlodbc say HY000 of nearly everything.
        let words = [
            "database is locked",
            "connection",
            "server closed",
            "could not connect",
            "gone away",
            "communication",
            "definition has changed",
        ];
        let message = self.message.to_lowercase();
        classes.iter().any(|class| self.state.starts_with(class))
            || (self.state == "HY000" && words.iter().any(|word| message.contains(word)))
    }
}

impl From<odbc_api::Error> for Refused {
    fn from(error: odbc_api::Error) -> Self {
        match error {
            odbc_api::Error::Diagnostics { record, .. } => Self {
                state: record.state.as_str().trim_end_matches('\0').to_owned(),
                message: record.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" "),
            },
            other => Self { state: String::new(), message: other.to_string() },
        }
    }
}

impl Failure for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(refused) => refused.is_passing() && !refused.is_about_credentials(),
            Self::Statement { refused, .. } => refused.is_passing(),
            Self::State { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
            ),
            Self::Lost { .. } | Self::Superseded | Self::TooSlow { .. } => true,
            _ => false,
        }
    }

    fn is_about_credentials(&self) -> bool {
        matches!(self, Self::Connect(refused) if refused.is_about_credentials())
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoDriverManager => "CDC-OD-001",
            Self::Connect(_) => "CDC-OD-002",
            Self::Statement { .. } | Self::Lost { .. } => "CDC-OD-003",
            Self::NoTable { .. } | Self::Columns { .. } => "CDC-OD-004",
            Self::NoKey { .. } | Self::SameKey { .. } | Self::NullKey { .. } => "CDC-OD-005",
            Self::TooManyDeletes { .. } => "CDC-OD-006",
            Self::State { .. } => "CDC-OD-007",
            Self::ForeignState { .. } => "CDC-OD-008",
            Self::Superseded => "CDC-OD-009",
            Self::Value { .. } => "CDC-OD-010",
            Self::TooSlow { .. } => "CDC-OD-011",
            Self::Since { .. } => "CDC-OD-012",
            Self::Secret { .. } => "CDC-OD-013",
        }
    }
}

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::refusal::Refusal;

/// What went wrong with a Postgres server, while doing what, and with which server.
///
/// Every failure has a short stable code:
///
/// | code | what failed | retried |
/// |---|---|---|
/// | `CDC-PG-001` | the connection URL is not understood, or asks for what does not go together | no |
/// | `CDC-PG-002` | a file that the URL or the configuration names cannot be read or holds no such thing | no |
/// | `CDC-PG-003` | no connection to any host: name resolution, refused, unreachable, timeout | yes |
/// | `CDC-PG-004` | TLS: not offered, wrong authority, wrong host name, handshake broken off | no |
/// | `CDC-PG-005` | the login is refused: password, role, database, `pg_hba.conf`, method, channel binding | no |
/// | `CDC-PG-006` | no host is in the state that `target_session_attrs` asks for | yes |
/// | `CDC-PG-007` | the server refused a statement | by SQLSTATE |
/// | `CDC-PG-008` | an open connection broke | yes |
/// | `CDC-PG-009` | the answer is not what the protocol or the query promises | no |
/// | `CDC-PG-010` | the server takes no connections just now: starting, stopping, full | yes |
/// | `CDC-PG-011` | the server ended the stream: it is stopping | yes |
/// | `CDC-PG-012` | a load's reading broke off | yes |
/// | `CDC-PG-013` | a running transaction can't be kept on disk | yes |
/// | `CDC-PG-014` | a streamed transaction must be read in one piece | yes |
/// | `CDC-PG-020` and up | a [`Refusal`] | no, but a slot that is being read |
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be used. The text never quotes what could be a part of the password.
    #[error("the Postgres URL cannot be used: {problem}")]
    Url {
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// A file named by the URL or the configuration cannot be used.
    #[error("cannot read the {what} from {path}: {source}")]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// No connection could be opened.
    #[error("cannot reach {server}: {source}")]
    Unreachable {
        /// The server tried.
        server: Endpoint,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// None of several hosts took the connection.
    #[error("none of the hosts took the connection: {}", Attempts(attempts))]
    NoHost {
        /// One error a host (and address), in the order they were tried.
        attempts: Vec<Self>,
    },
    /// The TLS handshake failed, or could not be begun.
    #[error("no TLS connection to {server}: {problem}")]
    Tls {
        /// The server.
        server: Endpoint,
        /// Why not, and the remedy.
        problem: String,
    },
    /// The login failed on this side: a missing password, an unknown method, a broken proof.
    #[error("cannot log in to {server}: {problem}")]
    Authentication {
        /// The server.
        server: Endpoint,
        /// Why not, and the remedy.
        problem: String,
    },
    /// The server is not in the wanted state.
    #[error("{server} is {found}, and target_session_attrs asks for {wanted}")]
    TargetSession {
        /// The server.
        server: Endpoint,
        /// What was asked for.
        wanted: &'static str,
        /// What the server is.
        found: &'static str,
    },
    /// The server answered with an error.
    #[error("{server}, {doing}: {error}")]
    Server {
        /// The server.
        server: Endpoint,
        /// What was being done.
        doing: Doing,
        /// What it said.
        error: Box<ServerError>,
    },
    /// The connection broke.
    #[error("lost the connection to {server}, {doing}: {source}")]
    Lost {
        /// The server.
        server: Endpoint,
        /// What was being done.
        doing: Doing,
        /// How it broke.
        source: Arc<io::Error>,
    },
    /// A person must decide or mend something.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The server ended the stream in good order: it is stopping.
    #[error("the server ended the stream of slot \"{slot}\": it is stopping")]
    StreamEnded {
        /// The slot.
        slot: String,
    },
    /// A part of this program that reads a table ended before its work did.
    #[error("a load's reading broke off")]
    LoadBrokeOff,
    /// A transaction that is still running can't be kept on disk.
    #[error("cannot keep a running transaction in {path}: {source}")]
    Spool {
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// A streamed transaction has messages, and parts that were rolled back: which of those belong to these is not told.
    #[error(
        "transaction {xid} has logical messages and savepoints: streamed, it is not told for sure which messages were \
         rolled back, or in which order they came, so it is read again in one piece"
    )]
    MessagesInDoubt {
        /// The transaction.
        xid: u32,
    },
    /// The stream is not what the protocol promises.
    #[error("the replication stream holds {what}")]
    Stream {
        /// What does not belong there.
        what: String,
    },
    /// The answer was not understood.
    #[error("{server} answered in a way that was not expected, {doing}: {problem}")]
    Protocol {
        /// The server.
        server: Endpoint,
        /// What was being done.
        doing: Doing,
        /// What was not understood.
        problem: String,
    },
}

/// What was being done when an error came up.
pub(crate) type Doing = Cow<'static, str>;

impl Error {
    /// The stable code, explained in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "CDC-PG-001",
            Self::File { .. } => "CDC-PG-002",
            Self::Unreachable { .. } => "CDC-PG-003",
            Self::NoHost { attempts } => attempts.last().map_or("CDC-PG-003", Self::code),
            Self::Tls { .. } => "CDC-PG-004",
            Self::Authentication { .. } => "CDC-PG-005",
            Self::TargetSession { .. } => "CDC-PG-006",
            Self::Server { error, .. } => match error.kind() {
                Kind::Login => "CDC-PG-005",
                Kind::NotNow => "CDC-PG-010",
                Kind::Passing | Kind::Lasting => "CDC-PG-007",
            },
            Self::Lost { .. } => "CDC-PG-008",
            Self::StreamEnded { .. } => "CDC-PG-011",
            Self::LoadBrokeOff => "CDC-PG-012",
            Self::Spool { .. } => "CDC-PG-013",
            Self::MessagesInDoubt { .. } => "CDC-PG-014",
            Self::Refused(refusal) => refusal.code(),
            Self::Stream { .. } => "CDC-PG-009",
            Self::Protocol { .. } => "CDC-PG-009",
        }
    }

    /// Whether the same thing may go well later without anybody's help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TargetSession { .. }
            | Self::Lost { .. }
            | Self::StreamEnded { .. }
            | Self::LoadBrokeOff
            | Self::Spool { .. }
            | Self::MessagesInDoubt { .. } => true,
            Self::NoHost { attempts } => attempts.iter().any(Self::is_retryable),
            Self::Server { error, .. } => matches!(error.kind(), Kind::NotNow | Kind::Passing),
            Self::Refused(refusal) => refusal.is_retryable(),
            Self::Url { .. }
            | Self::File { .. }
            | Self::Tls { .. }
            | Self::Authentication { .. }
            | Self::Stream { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// The server's SQLSTATE, if the server said no.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server_error().map(|error| error.sqlstate.as_str())
    }

    /// What the server said, if the server said no.
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            Self::Server { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl event::Failure for Error {
    fn is_retryable(&self) -> bool {
        Self::is_retryable(self)
    }

    fn is_about_credentials(&self) -> bool {
        match self {
            Self::File { .. } | Self::Tls { .. } | Self::Authentication { .. } => true,
            // Role, password, pg_hba.conf, certificate.
            Self::Server { error, .. } => error.sqlstate.starts_with("28"),
            Self::NoHost { attempts } => attempts.last().is_some_and(Self::is_about_credentials),
            _ => false,
        }
    }

    fn code(&self) -> &'static str {
        Self::code(self)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// `user@host:port/database`, or `user@/socket/folder:port/database`: how a server is named in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Arc<str>);

impl Endpoint {
    pub(crate) fn new(user: &str, host: impl fmt::Display, port: u16, database: &str) -> Self {
        Self(format!("{user}@{host}:{port}/{database}").into())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An ErrorResponse of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, untranslated.
    pub severity: String,
    /// The five-character SQLSTATE.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server advises.
    pub hint: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (SQLSTATE {})", self.severity, self.message, self.sqlstate)?;
        if let Some(detail) = &self.detail {
            write!(f, "; {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

impl ServerError {
    fn kind(&self) -> Kind {
        let state = self.sqlstate.as_str();
        match (state.get(..2).unwrap_or_default(), state) {
            // Role, password, pg_hba.conf; and a database that is not there.
            ("28", _) | (_, "3D000") => Kind::Login,
            // Stopping, crashed elsewhere, starting; out of connections, memory or disk.
            (_, "57P01" | "57P02" | "57P03" | "53300") => Kind::NotNow,
            // Connection trouble, resources, a conflict with another transaction, a cancelled statement, an
            // idle timeout, an object in use (a slot whose former reader the server has not given up yet).
            ("08" | "53" | "40", _) | (_, "57014" | "57P05" | "25P03" | "55P03" | "55006") => Kind::Passing,
            _ => Kind::Lasting,
        }
    }
}

/// What can be done about a server's error.
enum Kind {
    Login,
    NotNow,
    Passing,
    Lasting,
}

struct Attempts<'a>(&'a [Error]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{attempt}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(sqlstate: &str) -> Error {
        Error::Server {
            server: Endpoint::new("u", "h", 5432, "d"),
            doing: "SELECT".into(),
            error: Box::new(ServerError { sqlstate: sqlstate.to_owned(), ..ServerError::default() }),
        }
    }

    #[test]
    fn sqlstates_decide_what_is_retried() {
        for (sqlstate, code, retried) in [
            ("28P01", "CDC-PG-005", false),
            ("28000", "CDC-PG-005", false),
            ("3D000", "CDC-PG-005", false),
            ("57P01", "CDC-PG-010", true),
            ("57P03", "CDC-PG-010", true),
            ("53300", "CDC-PG-010", true),
            ("53200", "CDC-PG-007", true),
            ("40001", "CDC-PG-007", true),
            ("55006", "CDC-PG-007", true),
            ("42P01", "CDC-PG-007", false),
            ("55000", "CDC-PG-007", false),
            ("", "CDC-PG-007", false),
        ] {
            let error = server(sqlstate);
            assert_eq!((error.code(), error.is_retryable()), (code, retried), "{sqlstate}");
        }
    }

    #[test]
    fn one_host_worth_retrying_makes_the_attempt_worth_retrying() {
        let attempts = vec![server("57P03"), server("28P01")];
        assert!(Error::NoHost { attempts }.is_retryable());
    }
}

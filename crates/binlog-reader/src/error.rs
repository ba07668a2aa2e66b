use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::refusal::Refusal;

/// What went wrong with a MySQL or MariaDB server, while doing what, and with which server.
///
/// Every failure has a short stable code:
///
/// | code | what failed | retried |
/// |---|---|---|
/// | `CDC-MY-001` | the connection URL is not understood, or asks for what does not go together | no |
/// | `CDC-MY-002` | a file that the URL or the configuration names cannot be read or holds no such thing | no |
/// | `CDC-MY-003` | no connection: name resolution, refused, unreachable, timeout | yes |
/// | `CDC-MY-004` | TLS: not offered, wrong authority, wrong host name, handshake broken off | no |
/// | `CDC-MY-005` | the login is refused: user, password, host, plugin | no |
/// | `CDC-MY-006` | the server refused a statement | by its number |
/// | `CDC-MY-007` | an open connection broke | yes |
/// | `CDC-MY-008` | the answer, or the log, is not what the server's manual promises | no |
/// | `CDC-MY-009` | the server takes no connections just now: starting, stopping, full | yes |
/// | `CDC-MY-010` | the server ended the stream | yes |
/// | `CDC-MY-011` | the stream was silent for longer than the heartbeats allow | yes |
/// | `CDC-MY-012` | a load's reading broke off | yes |
/// | `CDC-MY-020` and up | a [`Refusal`] | no |
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be used. The text never quotes what could be a part of the password.
    #[error("the MySQL URL cannot be used: {problem}")]
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
    /// The TLS handshake failed, or could not be begun.
    #[error("no TLS connection to {server}: {problem}")]
    Tls {
        /// The server.
        server: Endpoint,
        /// Why not, and the remedy.
        problem: String,
    },
    /// The login failed on this side: an unknown method, a broken proof.
    #[error("cannot log in to {server}: {problem}")]
    Authentication {
        /// The server.
        server: Endpoint,
        /// Why not, and the remedy.
        problem: String,
    },
    /// The server answered with an error.
    #[error("{server}, {doing}: {error}")]
    Server {
        /// The server.
        server: Endpoint,
        /// What was being done.
        doing: Doing,
        /// What it said.
        error: ServerError,
    },
    /// The connection broke.
    #[error("lost the connection to {server}, {doing}: {problem}")]
    Lost {
        /// The server.
        server: Endpoint,
        /// What was being done.
        doing: Doing,
        /// How it broke.
        problem: String,
    },
    /// The server ended the stream: it is stopping, or the session was ended.
    #[error("{server} ended the stream of its log: it is stopping, or the session was killed")]
    StreamEnded {
        /// The server.
        server: Endpoint,
    },
    /// Not even a heartbeat came.
    #[error(
        "{server} sent neither an event nor a heartbeat for {seconds} s: the connection is taken for dead"
    )]
    Silent {
        /// The server.
        server: Endpoint,
        /// For how long.
        seconds: u64,
    },
    /// A part of this program that reads a table ended before its work did.
    #[error("a load's reading broke off")]
    LoadBrokeOff,
    /// The log is not what the manual promises.
    #[error("the binary log at {place} holds {what}")]
    Stream {
        /// Where.
        place: String,
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
    /// A person must decide or mend something.
    #[error(transparent)]
    Refused(Box<Refusal>),
}

/// `ER_LOCK_WAIT_TIMEOUT`.
pub(crate) const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// `ER_MASTER_FATAL_ERROR_READING_BINLOG`: most of what a server has against sending its log.
pub(crate) const FATAL_READING_BINLOG: u16 = 1236;

/// What was being done when an error came up.
pub(crate) type Doing = Cow<'static, str>;

impl Error {
    /// The server's number of what it said, if it said no.
    pub fn number(&self) -> Option<u16> {
        match self {
            Self::Server { error, .. } => Some(error.number),
            _ => None,
        }
    }
}

impl event::Failure for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::StreamEnded { .. }
            | Self::Silent { .. }
            | Self::LoadBrokeOff => true,
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

    fn is_about_credentials(&self) -> bool {
        match self {
            Self::File { .. } | Self::Tls { .. } | Self::Authentication { .. } => true,
            Self::Server { error, .. } => matches!(error.kind(), Kind::Login),
            _ => false,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "CDC-MY-001",
            Self::File { .. } => "CDC-MY-002",
            Self::Unreachable { .. } => "CDC-MY-003",
            Self::Tls { .. } => "CDC-MY-004",
            Self::Authentication { .. } => "CDC-MY-005",
            Self::Server { error, .. } => match error.kind() {
                Kind::Login => "CDC-MY-005",
                Kind::NotNow => "CDC-MY-009",
                Kind::Passing | Kind::Lasting => "CDC-MY-006",
            },
            Self::Lost { .. } => "CDC-MY-007",
            Self::Stream { .. } | Self::Protocol { .. } => "CDC-MY-008",
            Self::StreamEnded { .. } => "CDC-MY-010",
            Self::Silent { .. } => "CDC-MY-011",
            Self::LoadBrokeOff => "CDC-MY-012",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// `user@host:port`, or `user@/path/of/the.sock`: how a server is named in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Arc<str>);

impl Endpoint {
    pub(crate) fn new(name: fmt::Arguments<'_>) -> Self {
        Self(name.to_string().into())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a server said no with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// MySQL's or MariaDB's number of it.
    pub number: u16,
    /// The five-character SQLSTATE.
    pub sqlstate: String,
    /// The message, in the server's language.
    pub message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {} ({}): {}", self.number, self.sqlstate, self.message)
    }
}

impl ServerError {
    /// By the numbers in MySQL's `messages_to_clients.txt` and MariaDB's `errmsg-utf8.txt`.
    fn kind(&self) -> Kind {
        match self.number {
            // Database, user and password, host, method, account locked or expired, TLS asked for.
            1044 | 1045 | 1049 | 1130 | 1251 | 1275 | 1524 | 1698 | 1820 | 1862 | 3118 | 3159 | 4151 => {
                Kind::Login
            }
            // Connections, of all and of this user; starting or stopping.
            1040 | 1203 | 1226 | 1053 | 3032 | 1129 => Kind::NotNow,
            // A lock, a deadlock, a table that was altered, a statement or session that was ended, disk, memory.
            1205
            | 1213
            | 1412
            | 1317
            | 1927
            | 3024
            | 3169
            | 1021
            | 1037
            | 1038
            | 1041
            | 1158..=1161
            | 1969
            | 4031 => Kind::Passing,
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

#[cfg(test)]
mod tests {
    use event::Failure as _;

    use super::*;

    #[test]
    fn the_server_s_numbers_decide_what_is_retried() {
        for (number, code, retried, credentials) in [
            (1045, "CDC-MY-005", false, true),
            (1040, "CDC-MY-009", true, false),
            (1053, "CDC-MY-009", true, false),
            (1205, "CDC-MY-006", true, false),
            (1146, "CDC-MY-006", false, false),
        ] {
            let error = Error::Server {
                server: Endpoint::new(format_args!("u@h:3306")),
                doing: "SELECT 1".into(),
                error: ServerError { number, sqlstate: String::new(), message: String::new() },
            };
            let told = (error.code(), error.is_retryable(), error.is_about_credentials());
            assert_eq!(told, (code, retried, credentials), "{number}");
        }
    }
}

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Endpoint, Error};
use crate::url;

/// Where a server is and how to log in, read from a URL.
///
/// `mysql://user:password@host:port/database?parameter=value&…`, percent-encoded; an IPv6 address stands in brackets.
/// The parameters are the options of MySQL's own clients: `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`,
/// `compression-algorithms`, `connect-timeout`. Neither environment variables nor option files are looked at.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// A Unix socket, in place of host and port.
    pub(crate) socket: Option<String>,
    pub(crate) user: String,
    pub(crate) password: Password,
    pub(crate) database: Option<String>,
    pub(crate) tls: TlsConfig,
    pub(crate) compresses: bool,
    pub(crate) connect_timeout: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    pub(crate) mode: SslMode,
    /// The file of the authority to trust; none: those that browsers trust.
    pub(crate) authority: Option<PathBuf>,
    /// Certificate chain and private key of this client, PEM.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// In MySQL's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// Where the password comes from. Its `Debug` never shows it.
#[derive(Clone)]
pub(crate) enum Password {
    None,
    Given(String),
    /// The whole file.
    File(PathBuf),
}

impl Config {
    /// Reads a URL. Unknown parameters are refused.
    ///
    /// # Errors
    /// `CDC-MY-001`, which never quotes the password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        url::parse(url)
    }

    /// Takes the password from this file, which is read again at every connect, so that it can be rotated.
    /// A line end at the end does not belong to the password.
    #[must_use]
    pub fn with_password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.password = Password::File(path.into());
        self
    }

    /// Takes this password, whatever the URL says.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Password::Given(password.into());
        self
    }

    /// Who logs in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The default database, if the URL names one.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match &self.socket {
            Some(socket) => Endpoint::new(format_args!("{}@{socket}", self.user)),
            None if self.host.contains(':') => {
                Endpoint::new(format_args!("{}@[{}]:{}", self.user, self.host, self.port))
            }
            None => Endpoint::new(format_args!("{}@{}:{}", self.user, self.host, self.port)),
        }
    }
}

impl Password {
    /// As it stands now.
    pub(crate) async fn look_up(&self) -> Result<Option<String>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Given(password) => Ok(Some(password.clone())),
            Self::File(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| unreadable(path, error))?;
                Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
            }
        }
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::File { what: "password", path: path.to_owned(), source: Arc::new(error) }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

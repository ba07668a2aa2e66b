use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use transport::Liveness;

use super::password::Password;
use super::url;
use crate::error::{Endpoint, Error};

/// Where a server is and how to log in, read from a libpq URL.
///
/// `postgres://user:password@host1:port1,host2:port2/database?parameter=value&…`, percent-encoded. An IPv6 address
/// stands in brackets; a host that begins with `/` (written `%2F` before the database, or plainly as the `host`
/// parameter) is the folder of a Unix socket. Differences from libpq: neither `PG…` environment variables nor files
/// in the home folder are looked at, a user must be named, no host means `localhost`, and without `sslrootcert`
/// `verify-full` trusts the system's certificate authorities.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: Password,
    pub(super) tls: TlsConfig,
    pub(super) channel_binding: ChannelBinding,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) target_session: TargetSession,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
    pub(super) liveness: Liveness,
}

impl Config {
    /// Reads a URL. Unknown parameters are refused.
    pub fn parse(url: &str) -> Result<Self, Error> {
        url::parse(url)
    }

    /// Takes the password from this file, which is read again at every connect, so that it can be rotated.
    /// A line end at the end does not belong to the password.
    pub fn with_password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.password = Password::File(path.into());
        self
    }

    /// Takes this password, whatever the URL says.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Password::Given(password.into());
        self
    }

    /// The role to log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database to connect to.
    pub fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn endpoint(&self, host: &Host) -> Endpoint {
        Endpoint::new(&self.user, &host.place, host.port, &self.database)
    }
}

/// One host of the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) place: Place,
    pub(super) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A name or an address, without brackets.
    Tcp(String),
    /// The folder of the socket.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name) if name.contains(':') => write!(f, "[{name}]"),
            Self::Tcp(name) => f.write_str(name),
            Self::Unix(folder) => write!(f, "{}", folder.display()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsConfig {
    pub(super) mode: SslMode,
    pub(super) root: Option<RootCertificates>,
    /// Certificate chain and private key of this client, PEM.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RootCertificates {
    System,
    File(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetSession {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

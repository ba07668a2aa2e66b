//! Opens connections, and tells what stands in their way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::{
    ClientIdentity, Compression, Conn, DriverError, IoError, Opts, OptsBuilder, SslOpts, UrlError,
};

use crate::config::{Config, SslMode, TlsConfig};
use crate::error::{Doing, Endpoint, Error, ServerError};

/// A peer that is gone is given up within a minute or two; the systems' own default is over two hours.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// What a packet may be long: the most that servers can be set to. An event of the log may be larger than their
/// `max_allowed_packet`, and how much a connection takes is asked of the server otherwise.
const MAX_PACKET_BYTES: usize = 1 << 30;
/// Before this a session that is not used is ended by the server: long loads wait for the stream.
const WAIT_TIMEOUT_S: usize = 28_800;

/// Logs in.
pub(crate) async fn connect(config: &Config) -> Result<Conn, Error> {
    let password = config.password.look_up().await?;
    let open = async {
        // As in the clients, nobody listens in on a Unix socket.
        let mode = if config.socket.is_some() { SslMode::Disabled } else { config.tls.mode };
        match mode {
            SslMode::Disabled => attempt(config, password, None).await,
            SslMode::Preferred => {
                // Only where the server offers none: whatever else keeps TLS from working is said.
                match attempt(config, password.clone(), Some(tls(&config.tls))).await {
                    Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer)) => {
                        attempt(config, password, None).await
                    }
                    connected => connected,
                }
            }
            _ => attempt(config, password, Some(tls(&config.tls))).await,
        }
    };
    let connected = match config.connect_timeout {
        Some(timeout) => tokio::time::timeout(timeout, open).await.map_err(|_| Error::Unreachable {
            server: config.endpoint(),
            source: Arc::new(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
        })?,
        None => open.await,
    };
    connected.map_err(|error| not_connected(error, config))
}

async fn attempt(
    config: &Config,
    password: Option<String>,
    tls: Option<SslOpts>,
) -> Result<Conn, mysql_async::Error> {
    let opts = OptsBuilder::default()
        .ip_or_hostname(config.host.clone())
        .tcp_port(config.port)
        .socket(config.socket.clone())
        // Else a connection to a loopback address moves over to the socket.
        .prefer_socket(false)
        .user(Some(config.user.clone()))
        .pass(password)
        .db_name(config.database.clone())
        .ssl_opts(tls)
        .compression(config.compresses.then(Compression::fast))
        .tcp_keepalive(Some(TCP_KEEPALIVE))
        .max_allowed_packet(Some(MAX_PACKET_BYTES))
        .wait_timeout(Some(WAIT_TIMEOUT_S))
        .connect_attribute("program_name", "cdc");
    Conn::new(Opts::from(opts)).await
}

fn tls(config: &TlsConfig) -> SslOpts {
    /// The driver tells a certificate for another host from one that is no good by this word in what rustls says, which is
    /// not there any more. But rustls says which host was asked for, in that one error and after all else was seen to be
    /// right: so this is the host that is asked for. Were the text to change, connections would be refused.
    const ANY_HOST: &str = "NotValidForName";
    let is_any_host = config.mode == SslMode::VerifyCa;
    let mut opts = SslOpts::default()
        .with_danger_accept_invalid_certs(matches!(config.mode, SslMode::Preferred | SslMode::Required))
        .with_danger_skip_domain_validation(is_any_host)
        .with_danger_tls_hostname_override(is_any_host.then_some(ANY_HOST));
    if let Some(authority) = &config.authority {
        opts = opts.with_root_certs(vec![authority.clone().into()]).with_disable_built_in_roots(true);
    }
    let identity = |(certificate, key): &(std::path::PathBuf, std::path::PathBuf)| {
        ClientIdentity::new(certificate.clone().into(), key.clone().into())
    };
    opts.with_client_identity(config.client.as_ref().map(identity))
}

fn not_connected(error: mysql_async::Error, config: &Config) -> Error {
    let server = config.endpoint();
    match error {
        mysql_async::Error::Io(IoError::Io(source)) => match tls_problem(&source) {
            Some(problem) => Error::Tls { server, problem },
            None => Error::Unreachable { server, source: Arc::new(source) },
        },
        mysql_async::Error::Io(IoError::Tls(error)) => Error::Tls { server, problem: error.to_string() },
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => Error::Tls {
            server,
            problem: "the server offers no TLS: give it a certificate, or take another ssl-mode".to_owned(),
        },
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => unknown_plugin(server, &name),
        mysql_async::Error::Driver(
            error @ (DriverError::MysqlOldPasswordDisabled | DriverError::CleartextPluginDisabled),
        ) => Error::Authentication { server, problem: error.to_string() },
        error => broken(error, &server, "connecting".into()),
    }
}

pub(crate) fn unknown_plugin(server: Endpoint, name: &str) -> Error {
    let problem = format!(
        "the user's authentication plugin is {name:?}, and this program knows caching_sha2_password, \
         mysql_native_password and ed25519"
    );
    Error::Authentication { server, problem }
}

/// What TLS itself says; other errors of the socket are none of its.
pub(crate) fn tls_problem(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(inner.to_string())
}

/// An error of an open connection.
pub(crate) fn broken(error: mysql_async::Error, server: &Endpoint, doing: Doing) -> Error {
    let server = server.clone();
    match error {
        mysql_async::Error::Server(error) => Error::Server {
            server,
            doing,
            error: ServerError { number: error.code, sqlstate: error.state, message: error.message },
        },
        mysql_async::Error::Io(error) => Error::Lost { server, doing, problem: error.to_string() },
        mysql_async::Error::Driver(DriverError::ConnectionClosed) => {
            Error::Lost { server, doing, problem: "the connection is closed".to_owned() }
        }
        // Texts of the driver's that could hold values are not quoted.
        mysql_async::Error::Driver(
            DriverError::FromValue { .. }
            | DriverError::FromRow { .. }
            | DriverError::UnexpectedPacket { .. },
        ) => Error::Protocol { server, doing, problem: "an answer of another form".to_owned() },
        mysql_async::Error::Driver(error) => Error::Protocol { server, doing, problem: error.to_string() },
        mysql_async::Error::Other(error) => Error::Protocol { server, doing, problem: error.to_string() },
        mysql_async::Error::Url(UrlError::Invalid) => {
            Error::Protocol { server, doing, problem: "an invalid URL".to_owned() }
        }
        mysql_async::Error::Url(error) => Error::Protocol { server, doing, problem: error.to_string() },
    }
}

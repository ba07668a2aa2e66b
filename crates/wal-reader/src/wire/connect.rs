use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use transport::{Socket, Stream};

use super::authenticate::authenticate;
use super::config::{Config, Host, Place, SslMode, TargetSession};
use super::connection::Connection;
use super::startup::{self, Mode};
use super::tls;
use crate::error::{Endpoint, Error};
use crate::refusal::Refusal;

/// Opens a session with the first host of the URL that takes it and is in the wanted state. Every address of every
/// host is tried in its order, each within `connect_timeout`. An error that another host would repeat, such as a wrong
/// password, ends the search.
pub async fn connect(config: &Config, mode: Mode) -> Result<Connection, Error> {
    let wishes: &[TargetSession] = match &config.target_session {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
        one => std::slice::from_ref(one),
    };
    let mut attempts = Vec::new();
    for wanted in wishes {
        for host in &config.hosts {
            match (Attempt { config, mode, host, wanted: *wanted }).connect().await {
                Ok(connection) => return Ok(connection),
                Err(mut failed) => attempts.append(&mut failed),
            }
            if attempts.last().is_some_and(|error| !error.is_retryable()) {
                return Err(summary(attempts));
            }
        }
    }
    Err(summary(attempts))
}

fn summary(mut attempts: Vec<Error>) -> Error {
    match attempts.pop() {
        Some(only) if attempts.is_empty() => only,
        last => Error::NoHost { attempts: attempts.into_iter().chain(last).collect() },
    }
}

/// One host, with what is wanted of it.
struct Attempt<'a> {
    config: &'a Config,
    mode: Mode,
    host: &'a Host,
    wanted: TargetSession,
}

/// Where exactly.
enum Address<'a> {
    Tcp(SocketAddr),
    Unix(&'a Path),
}

/// How a connection is to be encrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Without,
    IfOffered,
    Required,
}

impl Attempt<'_> {
    async fn connect(&self) -> Result<Connection, Vec<Error>> {
        let addresses = match &self.host.place {
            Place::Unix(folder) => vec![Address::Unix(folder)],
            Place::Tcp(name) => self.resolve(name).await.map_err(|error| vec![error])?,
        };
        let mut attempts = Vec::new();
        for address in &addresses {
            match self.within_time(self.session(address)).await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    let is_final = !error.is_retryable();
                    attempts.push(error);
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(attempts)
    }

    async fn resolve(&self, name: &str) -> Result<Vec<Address<'_>>, Error> {
        let found = self
            .within_time(async {
                lookup_host((name, self.host.port)).await.map_err(|error| self.unreachable(error))
            })
            .await?;
        let addresses: Vec<_> = found.map(Address::Tcp).collect();
        if addresses.is_empty() {
            return Err(self.unreachable(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        Ok(addresses)
    }

    async fn within_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(timeout) = self.config.connect_timeout else { return work.await };
        tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
            let text = format!("no session within {} s (connect_timeout)", timeout.as_secs());
            Err(self.unreachable(io::Error::new(io::ErrorKind::TimedOut, text)))
        })
    }

    /// A session as wanted, with the encryption that `sslmode` prefers, or else with the other that it allows.
    async fn session(&self, address: &Address<'_>) -> Result<Connection, Error> {
        let (first, second) = match (address, self.config.tls.mode) {
            // As in libpq, there is no TLS over a Unix socket, whatever sslmode says.
            (Address::Unix(_), _) | (_, SslMode::Disable) => (Encryption::Without, None),
            (_, SslMode::Allow) => (Encryption::Without, Some(Encryption::Required)),
            (_, SslMode::Prefer) => (Encryption::IfOffered, Some(Encryption::Without)),
            (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Encryption::Required, None),
        };
        match (self.log_in(address, first).await, second) {
            (Err(error), Some(second)) if depends_on_encryption(&error) => {
                tracing::debug!(%error, "trying again with the other kind of encryption");
                self.log_in(address, second).await
            }
            (result, _) => result,
        }
    }

    async fn log_in(&self, address: &Address<'_>, encryption: Encryption) -> Result<Connection, Error> {
        let endpoint = self.endpoint();
        let socket = self.open(address).await.map_err(|error| self.unreachable(error))?;
        let stream = self.encrypt(socket, encryption, &endpoint).await?;
        let mut connection = Connection::new(stream, endpoint);
        self.introduce(&mut connection).await.map_err(tls::told_late)?;
        check_target(&mut connection, self.wanted).await?;
        tracing::debug!(
            server = %connection.endpoint,
            version = connection.server_version_num,
            backend_pid = connection.backend_pid,
            encrypted = connection.stream.is_encrypted(),
            "connected"
        );
        Ok(connection)
    }

    async fn introduce(&self, connection: &mut Connection) -> Result<(), Error> {
        startup::write_packet(connection, self.config, self.mode)?;
        connection.send(&startup::DOING).await?;
        authenticate(connection, self.config, self.host).await.map_err(|error| self.explain_proxy(error))?;
        startup::finish(connection).await.map_err(|error| self.explain(error))
    }

    async fn open(&self, address: &Address<'_>) -> io::Result<Socket> {
        match address {
            Address::Tcp(address) => Socket::tcp(TcpStream::connect(address).await?, &self.config.liveness),
            Address::Unix(folder) => {
                let path = folder.join(format!(".s.PGSQL.{}", self.host.port));
                Socket::unix(UnixStream::connect(path).await?)
            }
        }
    }

    async fn encrypt(
        &self,
        mut socket: Socket,
        encryption: Encryption,
        endpoint: &Endpoint,
    ) -> Result<Stream, Error> {
        let Place::Tcp(host) = &self.host.place else { return Ok(Stream::plain(socket)) };
        if encryption == Encryption::Without {
            return Ok(Stream::plain(socket));
        }
        if tls::is_offered(&mut socket, endpoint).await? {
            return tls::secure(socket, &self.config.tls, host, endpoint).await;
        }
        match encryption {
            Encryption::Required => Err(Error::Tls {
                server: endpoint.clone(),
                problem: "the server has no TLS (ssl = off), and sslmode asks for it".to_owned(),
            }),
            Encryption::IfOffered | Encryption::Without => Ok(Stream::plain(socket)),
        }
    }

    /// The password was right, and yet no session: in replication mode the role's attribute is asked for first of all
    /// (`InitPostgres` in postinit.c).
    fn explain(&self, error: Error) -> Error {
        match error.server_error() {
            Some(server) if self.mode == Mode::Replication && server.sqlstate == "42501" => {
                let (role, said) = (self.config.user.clone(), server.message.clone());
                Refusal::NoReplicationRight { role, said }.into()
            }
            _ => error,
        }
    }

    /// A pooler refuses what it does not know before it asks for a password (`decide_startup_pool` in PgBouncer's
    /// client.c); no server of PostgreSQL's own says this.
    fn explain_proxy(&self, error: Error) -> Error {
        match error.server_error() {
            Some(server) if server.message.to_lowercase().contains("unsupported startup parameter") => {
                Refusal::Proxy { server: self.endpoint().to_string(), said: server.message.clone() }.into()
            }
            _ => error,
        }
    }

    fn endpoint(&self) -> Endpoint {
        self.config.endpoint(self.host)
    }

    fn unreachable(&self, error: io::Error) -> Error {
        Error::Unreachable { server: self.endpoint(), source: Arc::new(error) }
    }
}

/// TLS itself failed, or `pg_hba.conf` has no line for this role with this kind of encryption.
fn depends_on_encryption(error: &Error) -> bool {
    matches!(error, Error::Tls { .. }) || error.sqlstate() == Some("28000")
}

async fn check_target(connection: &mut Connection, wanted: TargetSession) -> Result<(), Error> {
    if wanted == TargetSession::Any {
        return Ok(());
    }
    let (is_standby, is_read_only) = state(connection).await?;
    let found = match (is_standby, is_read_only) {
        (true, _) => "a standby",
        (false, true) => "a read-only primary",
        (false, false) => "a primary that can be written to",
    };
    let (fits, wanted) = match wanted {
        TargetSession::Any | TargetSession::PreferStandby => (true, "any"),
        TargetSession::ReadWrite => (!is_standby && !is_read_only, "read-write"),
        TargetSession::ReadOnly => (is_standby || is_read_only, "read-only"),
        TargetSession::Primary => (!is_standby, "primary"),
        TargetSession::Standby => (is_standby, "standby"),
    };
    if fits {
        Ok(())
    } else {
        Err(Error::TargetSession { server: connection.endpoint.clone(), wanted, found })
    }
}

/// Whether the server is a standby, and whether transactions are read-only by default. Servers report both since 14;
/// a pooler in between may not.
async fn state(connection: &mut Connection) -> Result<(bool, bool), Error> {
    let reported = |name| connection.parameter(name).map(|value| value == "on");
    if let (Some(is_standby), Some(is_read_only)) =
        (reported("in_hot_standby"), reported("default_transaction_read_only"))
    {
        return Ok((is_standby, is_read_only));
    }
    let rows = connection
        .query(
            "SELECT pg_catalog.pg_is_in_recovery() AS standby, \
             pg_catalog.current_setting('default_transaction_read_only') = 'on' AS read_only",
        )
        .await?;
    let row = rows.single()?;
    Ok((row.bool("standby")?, row.bool("read_only")?))
}

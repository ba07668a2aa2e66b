use std::io;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use transport::{Liveness, Socket, Stream};

use super::Wire;
use super::login::{self, Greeting};
use super::tls;
use crate::config::{Config, SslMode};
use crate::error::Error;

impl Wire {
    /// Logs in.
    pub(crate) async fn connect(config: &Config) -> Result<Self, Error> {
        let password = config.password.look_up().await?.unwrap_or_default();
        let open = attempt(config, &password);
        match config.connect_timeout {
            Some(timeout) => tokio::time::timeout(timeout, open).await.unwrap_or_else(|_| {
                Err(unreachable(config, io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
            }),
            None => open.await,
        }
    }
}

async fn attempt(config: &Config, password: &str) -> Result<Wire, Error> {
    let socket = socket(config).await.map_err(|error| unreachable(config, error))?;
    let mut wire = Wire::new(Stream::plain(socket), config.endpoint());
    let greeting = Greeting::receive(&mut wire).await?;
    let mode = config.tls.mode;
    // As in the clients, nobody listens in on a Unix socket.
    if mode != SslMode::Disabled && config.socket.is_none() {
        if greeting.offers_tls() {
            login::ask_for_tls(&mut wire, &greeting, config).await?;
            wire = wire.secured(config).await?;
        } else if mode != SslMode::Preferred {
            return Err(Error::Tls {
                server: config.endpoint(),
                problem: "the server offers no TLS: give it a certificate, or take another ssl-mode"
                    .to_owned(),
            });
        }
    }
    login::log_in(&mut wire, greeting, config, password).await?;
    Ok(wire)
}

impl Wire {
    /// Nothing may have come by then that TLS did not protect.
    async fn secured(self, config: &Config) -> Result<Self, Error> {
        let Self { stream, mut frames, server, doing } = self;
        frames.consume();
        if !frames.is_empty() {
            let problem = "the server spoke before TLS was set up".to_owned();
            return Err(Error::Tls { server, problem });
        }
        Ok(Self { stream: tls::secured(stream, config).await?, frames, server, doing })
    }
}

async fn socket(config: &Config) -> io::Result<Socket> {
    match &config.socket {
        Some(path) => Socket::unix(UnixStream::connect(path).await?),
        None => {
            let stream = TcpStream::connect((config.host.as_str(), config.port)).await?;
            Socket::tcp(stream, &Liveness::default())
        }
    }
}

fn unreachable(config: &Config, error: io::Error) -> Error {
    Error::Unreachable { server: config.endpoint(), source: Arc::new(error) }
}

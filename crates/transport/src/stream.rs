use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::socket::Socket;

/// A socket, with or without TLS over it.
#[derive(Debug)]
pub struct Stream {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Without TLS.
    pub fn plain(socket: Socket) -> Self {
        Self { transport: Transport::Plain(socket) }
    }

    /// Shakes hands over the socket, unless that was done.
    pub async fn secured(self, config: ClientConfig, name: ServerName<'static>) -> io::Result<Self> {
        let transport = match self.transport {
            Transport::Plain(socket) => {
                let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
                Transport::Tls(Box::new(stream))
            }
            secured @ Transport::Tls(_) => secured,
        };
        Ok(Self { transport })
    }

    /// Whether there is TLS over the socket.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    /// What the server showed of itself: its certificate.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => stream.get_ref().1.peer_certificates()?.first(),
        }
    }

    /// From here on reads are paced ([`Socket::set_paced`]).
    pub fn set_paced(&mut self) -> io::Result<()> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.set_paced(),
            Transport::Tls(stream) => stream.get_mut().0.set_paced(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(socket) => Pin::new(socket).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Uri;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Sends requests to one collector, each on a connection of its own: there is one every few seconds.
#[derive(Clone)]
pub(super) struct Client(Arc<Inner>);

struct Inner {
    host: String,
    port: u16,
    runtime: Handle,
    patience: Duration,
    /// The last one was not taken: said once, not every few seconds.
    is_failing: AtomicBool,
}

/// Why a collector can't be one.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnfitEndpoint {
    #[error("it is no URL")]
    NoUrl(#[from] axum::http::uri::InvalidUri),
    #[error("only plain HTTP is spoken; a collector beside this program forwards to others")]
    Scheme,
    #[error("it names no host")]
    NoHost,
}

/// OTLP's port for HTTP.
const PORT: u16 = 4318;
/// More than any answer of a collector.
const ANSWER_BYTES: usize = 1 << 20;

impl Client {
    pub(super) fn to(endpoint: &str, runtime: Handle, patience: Duration) -> Result<Self, UnfitEndpoint> {
        let uri: Uri = endpoint.parse()?;
        if uri.scheme_str() != Some("http") {
            return Err(UnfitEndpoint::Scheme);
        }
        let host = uri.host().ok_or(UnfitEndpoint::NoHost)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(PORT);
        Ok(Self(Arc::new(Inner { host, port, runtime, patience, is_failing: AtomicBool::new(false) })))
    }
}

#[async_trait]
impl HttpClient for Client {
    /// Called on a thread of the exporter's own, which knows no runtime.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let inner = Arc::clone(&self.0);
        self.0.runtime.spawn(async move { inner.send(request).await }).await?
    }
}

impl Inner {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = match timeout(self.patience, self.exchange(request)).await {
            Ok(Ok(response)) if !response.status().is_success() => Err(response.status().to_string().into()),
            Ok(sent) => sent,
            Err(_) => Err(HttpError::from(format!("no answer for {} s", self.patience.as_secs()))),
        };
        match &sent {
            Ok(_) => self.is_failing.store(false, Ordering::Relaxed),
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(host = self.host, port = self.port, %error, "the collector takes no spans; they are dropped");
            }
            Err(_) => {}
        }
        sent
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; what breaks it is the answer's failure.
        tokio::spawn(async move { _ = connection.await });
        let host = format!("{}:{}", self.host, self.port).parse()?;
        request.headers_mut().insert("host", host);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse()?;
        *request.uri_mut() = path;
        let response = sender.send_request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

/// Without the runtime.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}:{})", self.0.host, self.0.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_plain_http_is_spoken() {
        let client = |endpoint| Client::to(endpoint, Handle::current(), Duration::from_secs(1));
        for (endpoint, told) in [
            ("http://127.0.0.1:4319", "Client(127.0.0.1:4319)"),
            ("http://collector/", "Client(collector:4318)"),
            ("http://[::1]:1/", "Client(::1:1)"),
        ] {
            assert_eq!(format!("{:?}", client(endpoint).unwrap()), told);
        }
        for endpoint in ["https://collector", "collector:4318", "grpc://collector", "", "http://"] {
            assert!(client(endpoint).is_err(), "{endpoint}");
        }
    }
}

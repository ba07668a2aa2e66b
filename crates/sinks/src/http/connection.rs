use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::receiver::Receiver;
use crate::{Error, tls};

/// `[sink.http.tls]`: for an address with `https`. The server's certificate and its host name are checked in any case.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "TlsKeys")]
#[schemars(with = "TlsKeys")]
pub struct HttpTls {
    ca_file: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TlsKeys {
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    certificate_file: Option<PathBuf>,
    #[serde(default)]
    key_file: Option<PathBuf>,
}

impl TryFrom<TlsKeys> for HttpTls {
    type Error = &'static str;

    fn try_from(keys: TlsKeys) -> Result<Self, Self::Error> {
        let client = match (keys.certificate_file, keys.key_file) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("`certificate_file` and `key_file` go together"),
        };
        Ok(Self { ca_file: keys.ca_file, client })
    }
}

/// A connection to the receiver, which takes one request after the other.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

/// Why nothing came of a request.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be well the next time.
    Passing(String),
    /// Somebody has to do something.
    Lasting(Error),
}

/// An answer's body says nothing that we act upon: so much of it is read for the connection's sake, no more.
const ANSWER_BYTES: usize = 64 << 10;

impl Connection {
    /// Looks the name up, connects, and reads certificates, each anew.
    pub(super) async fn open(receiver: &Receiver) -> Result<Self, Trouble> {
        let place = (receiver.host.as_str(), receiver.port);
        let stream = TcpStream::connect(place).await.map_err(|error| Trouble::Passing(error.to_string()))?;
        // Requests are written in one piece: nothing is gained by waiting for more.
        stream.set_nodelay(true).map_err(|error| Trouble::Passing(error.to_string()))?;
        if !receiver.is_tls {
            return Self::over(stream).await;
        }
        let config = tls_config(receiver.options.tls.as_ref()).map_err(Trouble::Lasting)?;
        let name = ServerName::try_from(receiver.host.clone()).map_err(|error| {
            let reason = format!("its host can't be in a certificate: {error}");
            Trouble::Lasting(Error::Option { option: "sink.http.url", reason })
        })?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.map_err(|error| explain(receiver, &error))?;
        Self::over(stream).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self, Trouble> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Trouble::Passing(error.to_string()))?;
        // What breaks it is the request's failure.
        let task = tokio::spawn(async move { _ = connection.await }).abort_handle();
        Ok(Self { sender, task })
    }

    /// Whether it takes another request, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request, and reads its answer to the end.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        receiver: &Receiver,
    ) -> Result<Response<()>, Trouble> {
        let trouble = |error: hyper::Error| explain(receiver, &error);
        self.sender.ready().await.map_err(trouble)?;
        let response: Response<Incoming> = self.sender.send_request(request).await.map_err(trouble)?;
        let (head, body) = response.into_parts();
        // The status has told everything; a body that breaks off or goes on and on only costs the connection.
        if Limited::new(body, ANSWER_BYTES).collect().await.is_err() {
            self.task.abort();
        }
        Ok(Response::from_parts(head, ()))
    }
}

/// A request that nobody waits for any more must not go on.
impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A network's failure passes; what TLS says does not.
fn explain(receiver: &Receiver, error: &(dyn std::error::Error + 'static)) -> Trouble {
    if let Some(error) = tls::cause(error) {
        let reason = tls::explain(error, "sink.http.tls");
        return Trouble::Lasting(Error::Tls { sink: receiver.to_string(), reason });
    }
    let causes = std::iter::successors(Some(error), |error| error.source());
    Trouble::Passing(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

fn tls_config(options: Option<&HttpTls>) -> Result<ClientConfig, Error> {
    let ca_file = options.and_then(|options| options.ca_file.as_deref());
    let config = tls::trusting(ca_file, "sink.http.tls")?;
    let Some((certificate, key)) = options.and_then(|options| options.client.as_ref()) else {
        return Ok(config.with_no_client_auth());
    };
    let unusable = |reason: String| Error::Credentials { what: "private key", path: key.clone(), reason };
    let chain = tls::certificates("client certificate", certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(tls::pem_problem(&error)))?;
    config.with_client_auth_cert(chain, private).map_err(|error| unusable(error.to_string()))
}

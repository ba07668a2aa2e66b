use std::convert::Infallible;
use std::future::pending;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::random::Random;

/// A web server of the tests' own that takes batches, or does not, as a test wants it.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    /// Ends the server with all that goes on in it.
    _runtime: Runtime,
}

struct Shared {
    answer: Mutex<Box<Answer>>,
    asked: AtomicUsize,
    taken: Mutex<Vec<Post>>,
}

type Answer = dyn FnMut(&Post) -> Reply + Send;

/// A request.
#[derive(Clone, Debug)]
pub struct Post {
    /// Path and query.
    pub path: String,
    /// In small letters.
    pub headers: Vec<(String, String)>,
    /// What was posted.
    pub body: Vec<u8>,
}

/// What becomes of one.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// This status; what is answered with 2xx is taken.
    Status(u16),
    /// This status, and this header.
    With(u16, &'static str, &'static str),
    /// It is taken, after a while.
    Slow(Duration),
    /// No answer ever comes.
    Hang,
    /// The connection breaks.
    Cut,
    /// It is taken, and then the connection breaks.
    TakenAndCut,
}

impl Receiver {
    /// Answers each request as this says. Requests are judged one after another, also those that come at once.
    pub fn start(answer: impl FnMut(&Post) -> Reply + Send + 'static) -> Self {
        Self::serve(answer, None)
    }

    /// Fails half the time, in all the ways there are.
    pub fn moody(mut random: Random) -> Self {
        Self::start(move |_| {
            if random.once_in(2) {
                return *random.pick(&[
                    Reply::Status(200),
                    Reply::Status(204),
                    Reply::Slow(Duration::from_millis(5)),
                ]);
            }
            *random.pick(&[
                Reply::Status(500),
                Reply::Status(502),
                Reply::Status(408),
                Reply::Status(409),
                Reply::With(429, "retry-after", "0"),
                Reply::With(503, "retry-after", "Tue, 15 Nov 1994 08:12:31 GMT"),
                Reply::Hang,
                Reply::Cut,
                Reply::TakenAndCut,
            ])
        })
    }

    /// Answers as this says, by TLS with this certificate and key in PEM.
    pub fn with_tls(
        certificate: &Path,
        key: &Path,
        answer: impl FnMut(&Post) -> Reply + Send + 'static,
    ) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate).expect("a certificate");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate with its key");
        Self::serve(answer, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn serve(answer: impl FnMut(&Post) -> Reply + Send + 'static, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a listener without blocking");
        let shared = Arc::new(Shared {
            answer: Mutex::new(Box::new(answer)),
            asked: AtomicUsize::new(0),
            taken: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, shared) = (tls.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, shared).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, shared, _runtime: runtime }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where events are posted to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/changes", self.port)
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answer: impl FnMut(&Post) -> Reply + Send + 'static) {
        *self.shared.answer.lock().expect("the answer") = Box::new(answer);
    }

    /// How many requests came.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// What was taken and holds events, in that order, without what came twice in a row under one key.
    pub fn taken(&self) -> Vec<Post> {
        let mut taken: Vec<Post> = self.shared.taken.lock().expect("what was taken").clone();
        taken.retain(|post| post.header("cdc-events") != Some("0"));
        taken.dedup_by(|post, before| post.header("idempotency-key") == before.header("idempotency-key"));
        taken
    }
}

impl Post {
    /// What a header says.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    /// The events, if it is JSON.
    pub fn json(&self) -> Vec<serde_json::Value> {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).expect("a JSON array")
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| take(request, Arc::clone(&shared)));
    // Broken off by either side.
    _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken off, as the test wants it")
    }
}

impl std::error::Error for Broken {}

async fn take(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let path = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let headers = headers.collect();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes().to_vec();
    let post = Post { path, headers, body };
    let reply = {
        let mut answer = shared.answer.lock().expect("the answer");
        shared.asked.fetch_add(1, Ordering::Relaxed);
        let reply = answer(&post);
        if matches!(reply, Reply::Status(200..=299) | Reply::Slow(_) | Reply::TakenAndCut) {
            shared.taken.lock().expect("what was taken").push(post);
        }
        reply
    };
    let response = Response::builder();
    let response = match reply {
        Reply::Status(status) => response.status(status),
        Reply::With(status, name, value) => response.status(status).header(name, value),
        Reply::Slow(pause) => {
            tokio::time::sleep(pause).await;
            response
        }
        Reply::Hang => match pending::<Infallible>().await {},
        Reply::Cut | Reply::TakenAndCut => return Err(Broken),
    };
    Ok(response.body(Full::new(Bytes::from_static(b"{\"said\": \"so\"}"))).expect("an answer"))
}

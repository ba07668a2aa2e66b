//! Connections: taken, encrypted if so wanted, bounded in number, and ended when the pages do.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::AdminError;
use crate::config::AdminTls;

/// More at once than people, probes and scrapers have a use for; beyond it, connections wait.
const CONNECTIONS: usize = 256;
/// Whoever opens a connection and says nothing for so long is cut off.
const SILENCE: Duration = Duration::from_secs(10);

/// Serves until it is to end, and then until the readers have heard of it.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    pages: Router,
    mut ends: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            _ = ends.wait_for(|is_end| *is_end) => break,
            Some(_) = connections.join_next() => continue,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        let (place, stream) = match accepted {
            (Ok(place), Ok((stream, _))) => (place, stream),
            (_, Err(error)) => {
                // Out of file descriptors, most likely: whatever it is, not a reason to stop the pipeline.
                tracing::warn!(%error, "the admin pages take nobody just now");
                sleep(Duration::from_secs(1)).await;
                continue;
            }
            (Err(_), _) => break,
        };
        let (tls, pages, ends) = (tls.clone(), pages.clone(), ends.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, pages, ends).await,
                // One that breaks off, or speaks no TLS, is a matter of the other side.
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(SILENCE, tls.accept(stream)).await {
                        converse(stream, pages, ends).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// What TLS needs, from its files.
pub(super) fn acceptor(config: &AdminTls) -> Result<TlsAcceptor, AdminError> {
    let (cert, key) = (&config.cert_file, &config.key_file);
    let cert_failed = |problem: String| failed("[admin.tls] cert_file", cert, problem);
    let key_failed = |problem: String| failed("[admin.tls] key_file", key, problem);
    let file = File::open(cert).map_err(|error| cert_failed(error.to_string()))?;
    let certificates = CertificateDer::pem_reader_iter(BufReader::new(file))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| cert_failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(cert_failed("holds no certificate in PEM".to_owned()));
    }
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| key_failed(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, private_key))
        .map_err(|error| key_failed(format!("does not go with the certificate: {error}")))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    pages: Router,
    mut ends: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    let conversation = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    let mut conversation = std::pin::pin!(conversation);
    let end = async { drop(ends.wait_for(|is_end| *is_end).await) };
    let ended = tokio::select! {
        ended = conversation.as_mut() => Some(ended),
        () = end => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a conversation with the admin pages broke off");
    }
}

fn failed(key: &'static str, path: &Path, problem: String) -> AdminError {
    AdminError::File { key, path: path.to_owned(), problem }
}

//! The pages for probes and metrics: read-only, and nowhere unless `[admin] listen` says where.
//!
//! | page | |
//! |---|---|
//! | `/health` | 200 while the pipeline's loop is alive, else 503: whoever supervises may restart it |
//! | `/ready` | 200 while changes arrive in the sink, else 503 |
//! | `/metrics` | for Prometheus |
//! | `/status` | the report as JSON |

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use event::Failure;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::metrics;
use crate::status::Status;

/// The pages, served until this is dropped.
#[derive(Debug)]
pub(crate) struct AdminPages(JoinHandle<()>);

/// The address can't be served on.
#[derive(Debug, thiserror::Error)]
#[error("serving the admin pages on {address}; another [admin] listen, or CDC__ADMIN__LISTEN, moves them")]
pub(crate) struct AdminError {
    address: SocketAddr,
    source: std::io::Error,
}

impl AdminPages {
    /// Serves the pages about one pipeline.
    pub(crate) async fn serve(address: SocketAddr, status: Arc<Status>) -> Result<Self, AdminError> {
        let failed = |source| AdminError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        // With port 0 the system has chosen one: nobody would find it otherwise.
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the admin pages are open to other machines, and ask for no password");
        }
        tracing::info!(%address, "admin pages");
        Ok(Self::on(listener, status))
    }

    fn on(listener: TcpListener, status: Arc<Status>) -> Self {
        let pages = Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/status", get(report))
            .with_state(status);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, pages).into_future().await {
                tracing::error!(%error, "the admin pages are no longer served");
            }
        });
        Self(serving)
    }
}

impl Drop for AdminPages {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Failure for AdminError {
    fn is_retryable(&self) -> bool {
        false
    }

    fn code(&self) -> &'static str {
        "CDC-ADMIN-001"
    }
}

async fn health(State(status): State<Arc<Status>>) -> impl IntoResponse {
    answer(status.is_alive(), "alive", "no sign of life")
}

async fn ready(State(status): State<Arc<Status>>) -> impl IntoResponse {
    answer(status.is_ready(), "ready", "not ready")
}

async fn metrics(State(status): State<Arc<Status>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&status.report()))
}

async fn report(State(status): State<Arc<Status>>) -> impl IntoResponse {
    axum::Json(status.report())
}

fn answer(is_well: bool, yes: &'static str, no: &'static str) -> (StatusCode, &'static str) {
    if is_well { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::status::{Report, tests::broken};

    async fn fetch(address: SocketAddr, method: &str, page: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {page} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let code = text.split(' ').nth(1).unwrap().parse().unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
        (code, body)
    }

    #[tokio::test]
    async fn probes_metrics_and_the_report_are_served() {
        let status = Status::new(&"shop".to_owned().try_into().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _pages = AdminPages::on(listener, Arc::clone(&status));
        assert_eq!(fetch(address, "GET", "/health").await.0, 200);
        assert_eq!(fetch(address, "GET", "/ready").await.0, 503);
        status.streaming();
        assert_eq!(fetch(address, "GET", "/ready").await.0, 200);
        let (code, text) = fetch(address, "GET", "/metrics").await;
        assert!(code == 200 && text.contains("cdc_ready{pipeline=\"shop\"} 1"), "{text}");
        let (_, json) = fetch(address, "GET", "/status").await;
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap().pipeline, "shop");
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(fetch(address, method, "/status").await.0, 405);
        }
        status.failed(&broken());
        assert_eq!(fetch(address, "GET", "/health").await.0, 503);

        let error = AdminPages::serve(address, status).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}

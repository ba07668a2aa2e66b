//! The pages for people, probes and metrics: read-only, and nowhere unless `[admin] listen` says where.
//!
//! | page | for whom | |
//! |---|---|---|
//! | `/health` | anybody | 200 while the pipeline's loop is alive, else 503: whoever supervises may restart it |
//! | `/ready` | anybody | 200 while changes arrive in the sink, else 503, and why not |
//! | `/metrics` | with the token | for Prometheus |
//! | `/status` | with the token | the report as JSON |
//! | `/`, `/events` | with the token | the live page, and what keeps it so |
//!
//! The one idea: **whatever readers do, the pipeline does not notice.** They are served by tasks of their own, a bounded
//! number at once; one that reads slowly misses updates and gets the whole picture later.

mod access;
mod feed;
mod page;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use event::Failure;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::access::Access;
use self::feed::Feed;
use self::page::Page;
use crate::config::Admin;
use crate::metrics;
use crate::status::Status;

/// The pages, served until this is closed or dropped.
#[derive(Debug)]
pub(crate) struct AdminPages {
    serving: JoinHandle<()>,
    ending: watch::Sender<bool>,
}

/// Why the pages can't be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// The address can't be had.
    #[error(
        "serving the admin pages on {address}{}; another [admin] listen, or CDC__ADMIN__LISTEN, moves them",
        taken(source)
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    /// A file that guards them is no good.
    #[error("{key} {}: {problem}", path.display())]
    File { key: &'static str, path: PathBuf, problem: String },
}

/// How long readers have to hear of the end.
const GRACE: Duration = Duration::from_secs(1);

impl AdminPages {
    /// Serves the pages about one pipeline, if they are wanted.
    pub(crate) async fn serve(
        config: &Admin,
        shown: &str,
        status: Arc<Status>,
    ) -> Result<Option<Self>, AdminError> {
        let Some(address) = config.listen.map(|listen| listen.0) else { return Ok(None) };
        let failed = |source| AdminError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        // With port 0 the system has chosen one: nobody would find it otherwise.
        let address = listener.local_addr().map_err(failed)?;
        let access = Access::new(config, address)?;
        let tls = config.tls.as_ref().map(server::acceptor).transpose()?;
        if let Some((what, mend)) = config.exposure() {
            tracing::warn!(code = EXPOSED, "{what}. To mend it: {mend}");
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!(%address, "admin pages: {scheme}://{address}/");
        let (ending, ends) = watch::channel(false);
        let pages = pages(access, Feed::start(Arc::clone(&status), shown, ends.clone()), status);
        let serving = tokio::spawn(server::serve(listener, tls, pages, ends));
        Ok(Some(Self { serving, ending }))
    }

    /// Tells all readers how it ended, and stops.
    pub(crate) async fn close(mut self) {
        self.ending.send_replace(true);
        // Whoever does not read it by then is cut off.
        _ = timeout(GRACE, &mut self.serving).await;
    }
}

/// Whether the files that guard the pages are as they should be: for `cdc check`.
pub(crate) fn check_files(config: &Admin) -> Result<(), AdminError> {
    access::token(config)?;
    config.tls.as_ref().map(server::acceptor).transpose().map(|_| ())
}

/// The code of the warning about pages that others can reach.
pub(crate) const EXPOSED: &str = "CDC-ADMIN-002";

impl Drop for AdminPages {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Failure for AdminError {
    fn is_retryable(&self) -> bool {
        false
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "CDC-ADMIN-001",
            Self::File { .. } => "CDC-ADMIN-003",
        }
    }
}

fn taken(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => ": another process listens there already",
        _ => "",
    }
}

fn pages(access: Access, feed: Arc<Feed>, status: Arc<Status>) -> Router {
    let page = Arc::new(Page::new());
    let live = Router::new()
        .route("/", get(async move || page.response()))
        .route("/events", get(async move || Feed::response(&feed)));
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/status", get(report))
        .with_state(Arc::clone(&status))
        .merge(live)
        .route_layer(middleware::from_fn_with_state(Arc::new(access), access::guard));
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(status)
        .merge(guarded)
        .layer(middleware::map_response(harden))
}

async fn health(State(status): State<Arc<Status>>) -> impl IntoResponse {
    if status.is_alive() {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no sign of life\n")
    }
}

async fn ready(State(status): State<Arc<Status>>) -> impl IntoResponse {
    match status.not_ready_because() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics(State(status): State<Arc<Status>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&status.report()))
}

async fn report(State(status): State<Arc<Status>>) -> impl IntoResponse {
    axum::Json(status.report())
}

/// Nothing of this is to be kept, framed, guessed at or told to others.
async fn harden(mut response: Response) -> Response {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().entry(HeaderName::from_static(name)).or_insert(value);
    }
    response
}

#[cfg(test)]
mod tests;

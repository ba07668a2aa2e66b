//! What keeps an open page up to date: server-sent events. Once a second, while anybody looks, what changed is written
//! once and given to all; a page that comes, or that fell behind, is given the whole picture.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::status::{Moment, Report, Status};

/// The updates of one pipeline.
pub(super) struct Feed {
    status: Arc<Status>,
    config: String,
    updates: broadcast::Sender<Update>,
    places: Arc<Semaphore>,
}

/// An event as it is sent.
#[derive(Clone, Debug)]
struct Update {
    text: Bytes,
    is_last: bool,
}

/// The whole picture, for whoever knows nothing yet.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    report: Report,
    history: Vec<Moment>,
    config: &'a str,
}

const EVERY: Duration = Duration::from_secs(1);
/// Updates that a page may be behind before it starts over.
const BEHIND: usize = 4;
/// Pages that are open at once.
const PAGES: usize = 64;

impl Feed {
    /// Of a pipeline with this configuration, as it may be shown.
    pub(super) fn start(status: Arc<Status>, shown: &str, ends: watch::Receiver<bool>) -> Arc<Self> {
        let (updates, _) = broadcast::channel(BEHIND);
        let places = Arc::new(Semaphore::new(PAGES));
        let feed = Arc::new(Self { status, config: shown.to_owned(), updates, places });
        tokio::spawn(Arc::clone(&feed).run(ends));
        feed
    }

    /// The answer to a page: all there is, then what changes.
    pub(super) fn response(feed: &Arc<Self>) -> Response {
        let Ok(place) = Arc::clone(&feed.places).try_acquire_owned() else {
            let what = format!("{PAGES} pages are open already: close one\n");
            return (StatusCode::SERVICE_UNAVAILABLE, what).into_response();
        };
        // First the subscription: what changes after the picture is taken is not missed.
        let updates = feed.updates.subscribe();
        let reader = Reader { feed: Arc::clone(feed), updates, next: Next::Whole, _place: place };
        let body = Body::from_stream(unfold(reader, Reader::next));
        (
            [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::HeaderName::from_static("x-accel-buffering"), "no"),
            ],
            body,
        )
            .into_response()
    }

    async fn run(self: Arc<Self>, mut ends: watch::Receiver<bool>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut version = self.status.version();
        loop {
            let is_last = tokio::select! {
                // Ended or dropped: all the same.
                _ = ends.wait_for(|is_end| *is_end) => true,
                _ = ticks.tick() => false,
            };
            if self.updates.receiver_count() == 0 {
                version = self.status.version();
            } else {
                let (report, now) = self.status.changes(version);
                version = now;
                let text = event(if is_last { "end" } else { "update" }, &report);
                // Nobody is there any more: nobody misses it.
                _ = self.updates.send(Update { text, is_last });
            }
            if is_last {
                return;
            }
        }
    }

    fn whole(&self) -> Bytes {
        let report = self.status.report();
        event("whole", &Whole { report, history: self.status.history(), config: &self.config })
    }
}

struct Reader {
    feed: Arc<Feed>,
    updates: broadcast::Receiver<Update>,
    next: Next,
    _place: OwnedSemaphorePermit,
}

enum Next {
    Whole,
    Update,
    Nothing,
}

impl Reader {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let text = match self.next {
            Next::Nothing => return None,
            Next::Whole => {
                self.next = Next::Update;
                self.feed.whole()
            }
            Next::Update => match self.updates.recv().await {
                Ok(Update { text, is_last }) => {
                    if is_last {
                        self.next = Next::Nothing;
                    }
                    text
                }
                Err(RecvError::Lagged(_)) => self.feed.whole(),
                Err(RecvError::Closed) => return None,
            },
        };
        Some((Ok(text), self))
    }
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    // A report has nothing that JSON can't hold, and JSON in one line has no line ends.
    let json = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("retry: 2000\nevent: {name}\ndata: {json}\n\n"))
}

use std::time::{Duration, Instant};

use async_nats::client::PublishErrorKind;
use async_nats::{Client, HeaderMap, HeaderValue, Message as Reply, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use event::{Batch, LogOrder, Message, Route};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::connecting::Place;
use super::resume::{AFTER, Resume, TOMBSTONE_SUFFIX};
use super::window::Window;
use super::{EXPECTED_LAST_ID, EXPECTED_LAST_SEQUENCE, MESSAGE_ID};
use crate::acks::Acks;
use crate::progress::Reporter;
use crate::{Error, Limit};

/// The task that publishes batches and counts what comes back. It owns all there is to own, so that nothing is
/// locked, and takes replies between messages, so that neither holds the other up.
pub(super) struct Publishing {
    pub(super) client: Client,
    pub(super) stream: String,
    pub(super) inbox: String,
    pub(super) replies: Subscriber,
    pub(super) batches: mpsc::Receiver<Publication>,
    pub(super) place: Place,
    pub(super) window: Window,
    pub(super) acks: Acks,
    pub(super) resume: Resume,
    pub(super) expected: Expected,
    /// The last published event that has a place in the log.
    pub(super) last_in_log: Option<String>,
    pub(super) reporter: Reporter,
}

/// A batch and its routes' subjects.
pub(super) struct Publication {
    pub(super) batch: Batch,
    pub(super) subjects: Vec<Subject>,
}

/// What the server must find at the end of the stream, or refuse.
#[derive(Debug)]
pub(super) enum Expected {
    /// The first time: this holds whatever the last message was, and in an empty stream.
    Sequence(u64),
    /// From then on: the message before.
    Id(HeaderValue),
}

/// The batch that is being published.
struct Current {
    publication: Publication,
    next: usize,
}

/// How long a message may be on its way; the server usually needs less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many messages are published before replies are looked at.
const STRIDE: usize = 32;

impl Publishing {
    pub(super) async fn run(mut self) {
        if let Err(error) = self.publish_all().await {
            self.reporter.fail(error);
        }
    }

    async fn publish_all(&mut self) -> Result<(), Error> {
        let mut current: Option<Current> = None;
        let mut check = tokio::time::interval(Duration::from_secs(1));
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let room = current.as_ref().is_some_and(|current| self.has_room(current));
            tokio::select! {
                biased;
                reply = self.replies.next() => self.take(reply)?,
                _ = check.tick() => self.check_age()?,
                Ok(()) = self.place.trouble.changed() => self.check_connection()?,
                () = std::future::ready(()), if room => {
                    if let Some(batch) = current.take() {
                        current = self.publish_some(batch).await?;
                    }
                }
                publication = self.batches.recv(), if current.is_none() => match publication {
                    Some(publication) => current = Some(Current { publication, next: 0 }),
                    None => return Ok(()),
                }
            }
        }
    }

    /// An empty batch needs no room.
    fn has_room(&self, current: &Current) -> bool {
        let message = current.publication.batch.message(current.next);
        message.is_none_or(|message| self.window.has_room(size_of(&message)))
    }

    /// Publishes as far as the window allows, for a while; returns what is left of the batch.
    async fn publish_some(&mut self, mut current: Current) -> Result<Option<Current>, Error> {
        for _ in 0..STRIDE {
            let Some(message) = current.publication.batch.message(current.next) else {
                if let Some(durable) = self.acks.end_batch(self.window.next()) {
                    self.reporter.durable(durable);
                }
                return Ok(None);
            };
            if !self.window.has_room(size_of(&message)) {
                break;
            }
            let subject = current.publication.subjects.get(message.route_number).ok_or(Error::Stopped)?;
            self.publish(&message, subject).await?;
            current.next += 1;
        }
        Ok(Some(current))
    }

    async fn publish(&mut self, message: &Message<'_>, subject: &Subject) -> Result<(), Error> {
        // Schemas live in a stream of their own, where the newest of a fingerprint replaces the one before.
        if **message.route == Route::Schemas {
            let fingerprint = String::from_utf8_lossy(message.key.unwrap_or_default());
            let subject = Subject::from(format!("{subject}{fingerprint}"));
            return self.send(message, subject, HeaderMap::new()).await;
        }
        let id = str::from_utf8(message.id).map_err(|_| Error::Stopped)?;
        let is_tombstone = message.payload.is_none();
        if let Some((found, epoch)) = self.resume.newer_epoch(id) {
            return Err(Error::NewerEpoch { stream: self.stream.clone(), found, epoch });
        }
        if self.resume.holds(id, is_tombstone) {
            return Ok(());
        }
        let sent_id = if is_tombstone { format!("{id}{TOMBSTONE_SUFFIX}") } else { id.to_owned() };
        let header = HeaderValue::from(sent_id.as_str());
        let mut headers = HeaderMap::new();
        headers.insert(MESSAGE_ID, header.clone());
        match std::mem::replace(&mut self.expected, Expected::Id(header)) {
            Expected::Sequence(sequence) => headers.insert(EXPECTED_LAST_SEQUENCE, sequence.to_string()),
            Expected::Id(id) => headers.insert(EXPECTED_LAST_ID, id),
        }
        if LogOrder::of_id(message.id).is_some() {
            self.last_in_log = Some(sent_id);
        } else if let Some(last) = &self.last_in_log {
            headers.insert(AFTER, last.as_str());
        }
        self.send(message, subject.clone(), headers).await
    }

    async fn send(
        &mut self,
        message: &Message<'_>,
        subject: Subject,
        headers: HeaderMap,
    ) -> Result<(), Error> {
        let number = self.window.push(size_of(message), Instant::now());
        let reply = Subject::from(format!("{}.{number}", self.inbox));
        let payload = Bytes::copy_from_slice(message.payload.unwrap_or_default());
        let sent = self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await;
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => self.too_large(message, Some(self.client.max_payload())),
            _ => self.undelivered(error.to_string()),
        })
    }

    fn take(&mut self, reply: Option<Reply>) -> Result<(), Error> {
        let reply = reply.ok_or_else(|| self.undelivered("the connection was closed".to_owned()))?;
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(self.undelivered("no stream listens to its subjects any more".to_owned()));
        }
        let answer: Answer<'_> = serde_json::from_slice(&reply.payload)
            .map_err(|error| self.undelivered(format!("an odd reply: {error}")))?;
        if let Some(refusal) = answer.error {
            return Err(self.refused(&refusal));
        }
        // `duplicate` is as good as stored: the server has it.
        if let Some(number) = reply.subject.rsplit('.').next().and_then(|number| number.parse().ok()) {
            let durable = self.acks.acknowledge(number);
            self.window.release_before(self.acks.low());
            if let Some(durable) = durable {
                self.reporter.durable(durable);
            }
        }
        Ok(())
    }

    fn refused(&self, refusal: &Refusal<'_>) -> Error {
        let stream = self.stream.clone();
        let reason = format!("{} ({})", refusal.description, refusal.err_code);
        match refusal.err_code {
            WRONG_LAST_ID | WRONG_LAST_SEQUENCE | WRONG_LAST_SEQUENCE_CONSTANT => {
                Error::OutOfTurn { stream, reason }
            }
            STORE_FAILED => {
                Error::StreamFull { stream, reason, remedy: "raise its limits, or remove what is read" }
            }
            INSUFFICIENT_RESOURCES | STORAGE_EXCEEDED => {
                let remedy = "give JetStream more storage (max_file_store, or the account's limit)";
                Error::StreamFull { stream, reason, remedy }
            }
            MESSAGE_TOO_LARGE => {
                Error::Stream { stream, reason: format!("{reason}; raise its max_msg_size") }
            }
            _ => self.undelivered(reason),
        }
    }

    fn check_age(&self) -> Result<(), Error> {
        let age = self.window.oldest_age(Instant::now());
        if age < PATIENCE {
            return Ok(());
        }
        Err(self.undelivered(format!("no answer for {} s", age.as_secs())))
    }

    /// What was under way on a lost connection may have been stored or not, and its acknowledgement is lost.
    fn check_connection(&self) -> Result<(), Error> {
        if let Some(refusal) = &self.place.trouble.borrow().refusal {
            return Err(self.place.refused(refusal));
        }
        if self.window.is_empty() {
            return Ok(());
        }
        Err(self.undelivered("the connection was lost".to_owned()))
    }

    fn undelivered(&self, reason: String) -> Error {
        Error::Undelivered { destination: format!("NATS stream {}", self.stream), reason }
    }

    fn too_large(&self, message: &Message<'_>, limit: Option<usize>) -> Error {
        let table = match &**message.route {
            Route::Table(table) => table.to_string(),
            Route::Control | Route::Schemas => "no table".to_owned(),
        };
        Error::TooLarge {
            table,
            size_bytes: size_of(message),
            destination: format!("NATS stream {}", self.stream),
            limit: Limit(limit),
            remedy: "raise max_payload in the server's configuration (64 MB at most), and the stream's max_msg_size \
                     if it has one",
        }
    }
}

/// As far as memory is concerned.
fn size_of(message: &Message<'_>) -> usize {
    message.id.len() + message.payload.map_or(0, <[u8]>::len)
}

// https://github.com/nats-io/nats-server/blob/main/server/errors.json
const WRONG_LAST_ID: u64 = 10070;
const WRONG_LAST_SEQUENCE: u64 = 10071;
const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10164;
const STORE_FAILED: u64 = 10077;
const INSUFFICIENT_RESOURCES: u64 = 10023;
const STORAGE_EXCEEDED: u64 = 10047;
const MESSAGE_TOO_LARGE: u64 = 10054;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(default)]
    err_code: u64,
    #[serde(default, borrow)]
    description: std::borrow::Cow<'a, str>,
}

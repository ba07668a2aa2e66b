//! A checkpoint in NATS: a key of a bucket.
//!
//! Every save names the revision that it replaces, so a process that only seemed dead can't put an older checkpoint
//! behind a newer one: the server refuses it.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::kv::UpdateErrorKind;
use tokio::time::timeout;

use super::connecting::{self, Place};
use super::stream;
use super::{NatsOptions, check};
use crate::Error;

/// The bucket of one pipeline's checkpoint.
#[derive(Debug)]
pub(crate) struct Store {
    options: NatsOptions,
    source: String,
    bucket: String,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    client: Client,
    place: Place,
    bucket: jetstream::kv::Store,
    /// What the next save replaces; 0 for nothing.
    revision: u64,
}

/// How long the server may take, while the pipeline waits.
const PATIENCE: Duration = Duration::from_secs(20);

const CURRENT: &str = "checkpoint";

impl Store {
    pub(crate) fn new(options: &NatsOptions, source: &str) -> Self {
        let bucket = format!("cdc_checkpoint_{source}");
        Self { options: options.clone(), source: source.to_owned(), bucket, writer: None }
    }

    pub(crate) fn place(&self) -> String {
        format!("NATS bucket {}", self.bucket)
    }

    /// What was saved last, without making anything.
    pub(crate) async fn peek(&self) -> Result<Option<Vec<u8>>, Error> {
        let (client, place) = connecting::connect(&self.options, &self.source).await?;
        let Some(bucket) = stream::existing_bucket(&jetstream::new(client), &self.bucket, &place).await?
        else {
            return Ok(None);
        };
        let entry = bucket.entry(CURRENT).await.map_err(|error| place.unanswered(error))?;
        Ok(entry.map(|entry| entry.value.to_vec()))
    }

    /// What was saved last.
    pub(crate) async fn load(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.writer = None;
        check(&self.options, &self.bucket)?;
        let (client, place) = connecting::connect(&self.options, &self.source).await?;
        let context = jetstream::new(client.clone());
        let bucket =
            stream::bucket(&context, &self.bucket, "The pipeline's checkpoint", &self.options, &place)
                .await?;
        let entry = bucket.entry(CURRENT).await.map_err(|error| place.unanswered(error))?;
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        self.writer = Some(Writer { client, place, bucket, revision });
        Ok(entry.map(|entry| entry.value.to_vec()))
    }

    /// Replaces what is saved. After an error only [`Store::load`] leads on: what a save that was given up has left
    /// behind is not known.
    pub(crate) async fn save(&mut self, content: &[u8]) -> Result<(), Error> {
        let Some(mut writer) = self.writer.take() else { return Err(Error::Stopped) };
        self.fits(&writer, content)?;
        let saving = writer.bucket.update(CURRENT, content.to_vec().into(), writer.revision);
        writer.revision = match timeout(PATIENCE, saving).await {
            Ok(Ok(revision)) => revision,
            Ok(Err(error)) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                return Err(Error::Superseded { place: self.place() });
            }
            Ok(Err(error)) => return Err(self.undelivered(&writer.place, error)),
            Err(error) => return Err(self.undelivered(&writer.place, error)),
        };
        self.writer = Some(writer);
        Ok(())
    }

    /// Keeps something under another name.
    pub(crate) async fn save_as(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let Some(writer) = &self.writer else { return Err(Error::Stopped) };
        self.fits(writer, content)?;
        let saving = writer.bucket.put(name, content.to_vec().into());
        match timeout(PATIENCE, saving).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.undelivered(&writer.place, error)),
            Err(error) => Err(self.undelivered(&writer.place, error)),
        }
    }

    fn fits(&self, writer: &Writer, content: &[u8]) -> Result<(), Error> {
        let limit_bytes = writer.client.server_info().max_payload;
        if content.len() <= limit_bytes {
            return Ok(());
        }
        let reason = format!(
            "the checkpoint has {} bytes, and this NATS server takes {limit_bytes} at once; raise its max_payload, or use \
             \"file\"",
            content.len()
        );
        Err(Error::Option { option: "checkpoint.store", reason })
    }

    fn undelivered(&self, place: &Place, error: impl std::fmt::Display) -> Error {
        match &place.trouble.borrow().refusal {
            Some(refusal) => place.refused(refusal),
            None => Error::Undelivered { destination: self.place(), reason: error.to_string() },
        }
    }
}

//! The log as it comes: frames to messages to events, and how far they reach.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use decoder::pgoutput::{InStream, Message};
use event::{
    Batch, Fences, LogPlace, Lsn, Position, Remembered, Sequences, Source, TableName, TransactionPlace,
};

use crate::Options;
use crate::clock;
use crate::decoding::{Decoding, Output};
use crate::error::Error;
use crate::refusal::Refusal;
use crate::slot;
use crate::spool::{Replay, Spools, Taken};
use crate::sql::quote_name;
use crate::wire::{self, Connection, Frame, Keepalive, Mode, ReplicationReader};

/// A slot's changes from a position on.
pub struct Stream {
    reader: ReplicationReader,
    keepalive: Keepalive,
    decoding: Decoding,
    spools: Spools,
    /// A transaction that was streamed, while it is being handed over.
    replay: Option<Box<Replay>>,
    slot: String,
    /// The last position that was marked.
    reached: Lsn,
    /// Everything that ended before it was handed over, marked or not.
    passed: Lsn,
    /// How far the server's log reached when it last said so.
    log_end: Lsn,
    last_idle_mark: Instant,
    cuts_at_commit: bool,
}

/// Without a change of interest, this often is often enough to let go of WAL …
const IDLE_MARK_EVERY: Duration = Duration::from_secs(10);
/// … unless the server asks: one that shuts down waits for it, and asks again with every answer.
const REQUESTED_MARK_EVERY: Duration = Duration::from_secs(1);

impl Stream {
    /// Opens the slot at a checkpointed position. The caller has made sure that it belongs to this log.
    ///
    /// # Errors
    /// Whatever connecting refuses; a [`Refusal`] if the slot is lost.
    pub async fn open(
        options: &Options,
        position: Lsn,
        table_seqs: impl IntoIterator<Item = (TableName, u64)>,
    ) -> Result<Self, Error> {
        let connection = wire::connect(&options.connection, Mode::Replication).await?;
        Self::start(connection, options, position, table_seqs).await
    }

    /// Opens a slot that begins now and vanishes with the connection, however that ends. Waits until every transaction
    /// that is running now is over.
    ///
    /// # Errors
    /// Whatever connecting, or creating the slot, refuses.
    pub async fn open_temporary(options: &Options) -> Result<Self, Error> {
        let mut connection = wire::connect(&options.connection, Mode::Replication).await?;
        let position = slot::create_temporary(&mut connection, &options.slot).await?;
        Self::start(connection, options, position, []).await
    }

    async fn start(
        mut connection: Connection,
        options: &Options,
        position: Lsn,
        table_seqs: impl IntoIterator<Item = (TableName, u64)>,
    ) -> Result<Self, Error> {
        let interval = Keepalive::interval(connection.wal_sender_timeout().await?);
        let mode = match options.spool {
            Some(_) => "proto_version '2', streaming 'on'",
            None => "proto_version '1'",
        };
        let command = format!(
            "START_REPLICATION SLOT {} LOGICAL {position} ({mode}, publication_names {}, messages 'true')",
            quote_name(&options.slot),
            // A list of names inside a literal.
            format_args!("'{}'", quote_name(&options.publication).replace('\'', "''")),
        );
        let (reader, writer) = match connection.start_replication(&command).await {
            // Object in use.
            Err(error) if error.sqlstate() == Some("55006") => return Err(taken(error, options).await),
            started => started.map_err(|error| explain(error, &options.slot, position))?,
        };
        tracing::info!(slot = options.slot, %position, "streaming");
        Ok(Self {
            reader,
            keepalive: Keepalive::spawn(writer, interval, position.into()),
            decoding: Decoding::new(options.clone(), position, Sequences::resume(table_seqs)),
            spools: Spools::open(options.spool.clone())?,
            replay: None,
            slot: options.slot.clone(),
            reached: position,
            passed: position,
            log_end: position,
            last_idle_mark: Instant::now(),
            cuts_at_commit: false,
        })
    }

    /// Handles what is buffered, until the batch is full; whether that left something in the batch.
    async fn take_buffered(&mut self, batch: &mut Batch, fences: &mut Fences) -> Result<bool, Error> {
        let captured_time_us = clock::now_us();
        while !(batch.is_full() || self.cuts_at_commit && batch.reached().is_some()) {
            if self.replay.is_some() {
                self.take_replayed(batch, fences, captured_time_us).await?;
                continue;
            }
            let frame = match self.reader.frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return Err(explain(error, &self.slot, self.reached)),
            };
            match frame {
                Frame::XLogData { wal_start, wal_end, body, .. } => {
                    self.log_end = self.log_end.max(Lsn::from(wal_end));
                    let own = Lsn::from(wal_start);
                    let ended = match self.spools.take(own, body, self.reached)? {
                        Taken::NotOurs => {
                            let message = Message::parse(body, InStream::No)
                                .map_err(|error| Refusal::Decoding { position: self.reached, error })?;
                            let mut output = Output { batch, fences, own, captured_time_us };
                            self.decoding.take(&message, &mut output).await?
                        }
                        Taken::Kept => None,
                        Taken::Committed(replay) => {
                            self.replay = Some(replay);
                            None
                        }
                    };
                    if let Some(position) = ended {
                        self.mark(position, batch);
                    }
                }
                Frame::Keepalive { wal_end, reply_requested, .. } => {
                    let wal_end = Lsn::from(wal_end);
                    self.log_end = self.log_end.max(wal_end);
                    if reply_requested {
                        self.keepalive.reply_requested();
                    }
                    let every = if reply_requested { REQUESTED_MARK_EVERY } else { IDLE_MARK_EVERY };
                    // All that ended before it was sent before it: outside a transaction there is nothing left.
                    if !(self.decoding.is_in_transaction() || self.spools.is_receiving()) {
                        self.passed = self.passed.max(wal_end);
                    }
                    if self.passed > self.reached && self.last_idle_mark.elapsed() >= every {
                        self.last_idle_mark = Instant::now();
                        self.reached = self.passed;
                        batch.mark(Position::Postgres(self.passed), []);
                    }
                }
                Frame::CopyDone => return Err(Error::StreamEnded { slot: self.slot.clone() }),
            }
            self.reader.consume();
        }
        Ok(!batch.is_empty() || batch.reached().is_some())
    }

    /// Handles the next message of a transaction that was kept.
    async fn take_replayed(
        &mut self,
        batch: &mut Batch,
        fences: &mut Fences,
        captured_time_us: i64,
    ) -> Result<(), Error> {
        let Some(replay) = &mut self.replay else { return Ok(()) };
        let Some((own, message)) = replay.message(self.reached)? else {
            self.replay = None;
            return Ok(());
        };
        let mut output = Output { batch, fences, own, captured_time_us };
        let ended = self.decoding.take(&message, &mut output).await?;
        replay.consume();
        if let Some(position) = ended {
            self.mark(position, batch);
        }
        Ok(())
    }

    /// A transaction ended.
    fn mark(&mut self, position: Lsn, batch: &mut Batch) {
        self.reached = position;
        self.passed = position;
        batch.mark(Position::Postgres(position), self.decoding.sequences.take_moved());
    }
}

impl Source for Stream {
    type Error = Error;

    async fn fill(&mut self, batch: &mut Batch, remembered: &mut Remembered<'_>) -> Result<(), Error> {
        loop {
            if let Some(error) = self.keepalive.error() {
                return Err(error.clone());
            }
            if self.take_buffered(batch, remembered.fences).await? {
                return Ok(());
            }
            self.reader.read_more().await?;
        }
    }

    fn release(&mut self, position: &Position) {
        if let Position::Postgres(position) = position {
            self.keepalive.advance_to((*position).into());
        }
    }

    fn log_end(&self) -> LogPlace {
        self.log_end.into()
    }

    fn passed(&self) -> LogPlace {
        self.passed.into()
    }

    fn is_in_transaction(&self) -> bool {
        self.decoding.is_in_transaction()
    }

    fn cut_at_commit(&mut self) {
        self.cuts_at_commit = true;
    }

    fn cut_when_full(&mut self) {
        self.cuts_at_commit = false;
    }

    fn note_delivered(&mut self) {
        self.decoding.delivered.get_or_insert_default();
    }

    fn delivered(&self) -> Option<&HashSet<TransactionPlace>> {
        self.decoding.delivered.as_ref()
    }

    fn forget_delivered(&mut self) {
        self.decoding.delivered = None;
    }

    async fn close(self) -> Result<(), Error> {
        self.keepalive.finish().await
    }
}

/// Who has the slot.
async fn taken(error: Error, options: &Options) -> Error {
    let asked = async {
        let mut sql = wire::connect(&options.connection, Mode::Sql).await?;
        let found = slot::find(&mut sql, &options.slot).await?;
        match found.and_then(|slot| slot.active_pid) {
            Some(pid) => slot::reader(&mut sql, pid).await.map(Some),
            None => Ok(None),
        }
    };
    match asked.await {
        Ok(Some(reader)) => Refusal::SlotActive { slot: options.slot.clone(), reader }.into(),
        Ok(None) => error,
        Err(second) => second,
    }
}

/// What the server says of a slot or its WAL that no retry will mend.
fn explain(error: Error, slot: &str, position: Lsn) -> Error {
    let Some(server) = error.server_error() else { return error };
    let said = server.message.clone();
    let lost =
        || Refusal::SlotLost { slot: slot.to_owned(), why: said.clone(), checkpoint: position.to_string() };
    let dead = || Refusal::DecodingDead { checkpoint: position, error: said.clone() }.into();
    match server.sqlstate.as_str() {
        "42704" if said.contains("replication slot") => Refusal::SlotMissing {
            slot: slot.to_owned(),
            checkpoint: position,
            tables: "all tables".to_owned(),
        }
        .into(),
        // The server looks the publication up as of each change: one that was created later never existed then.
        "42704" if said.contains("publication") => dead(),
        "55000" if server.severity == "WARNING" => dead(),
        // Not in the prerequisite state: invalidated, "can no longer get changes"; or its WAL file is gone.
        "55000" | "58P01" => lost().into(),
        // A table that was rewritten while somebody created the slot; "filenumber" since 16.
        _ if said.contains("could not map filen") => dead(),
        // Longer as text than any allocation of the server's; its own messages of this kind are in no other language.
        "XX000" if said.contains("invalid memory alloc request size") => dead(),
        // An encoding that can't be converted, a value that can't be sent: the same bytes come again.
        "22P05" | "22021" | "22P03" | "54000" => dead(),
        _ => error,
    }
}

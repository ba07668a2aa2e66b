//! The log as it comes: bytes to events to ours, and how far they reach.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use decoder::binlog::Event;
use event::{
    Batch, BinlogOffset, BinlogPosition, LogPlace, Position, Remembered, Sequences, Source, TableName,
    TableNews, TransactionPlace,
};

use crate::Options;
use crate::catalog;
use crate::clock;
use crate::crash;
use crate::decoding::{Again, Decoding, Next, Output, Question};
use crate::dump::{Dump, From};
use crate::error::Error;
use crate::fetch::Fetcher;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::system::{self, Flavour, System};
use crate::tail::Tail;
use crate::transaction::OpenTransaction;

/// A server's changes from a position on.
pub struct Stream {
    options: Options,
    system: System,
    tail: Tail,
    decoding: Decoding,
    /// The tail's event is to be taken once more: it waits for others that go out first.
    is_to_be_taken: bool,
    again: Option<Reread>,
    /// What the database is to be asked.
    asked: Option<Question>,
    fetcher: Fetcher,
    /// The last position that was marked.
    reached: BinlogOffset,
    /// Everything that ended before it was handed over, marked or not.
    passed: BinlogOffset,
    /// How far the server's log reached when it last said so.
    log_end: BinlogOffset,
    last_idle_mark: Instant,
    cuts_at_commit: bool,
}

/// The rows of a transaction that was prepared, while they are read again.
enum Reread {
    /// No connection is open for it yet.
    Asked(Again),
    Open(Box<Tail>),
}

/// Without a change of interest, this often is often enough to come further.
const IDLE_MARK_EVERY: Duration = Duration::from_secs(10);

impl Stream {
    /// Opens the log at a checkpointed position. The caller has made sure that it belongs to this log.
    ///
    /// # Errors
    /// Whatever connecting refuses; a [`Refusal`] if the log is not there any more.
    pub async fn open(
        options: &Options,
        position: &Position,
        table_seqs: impl IntoIterator<Item = (TableName, u64)>,
    ) -> Result<Self, Error> {
        let Position::Binlog(position) = position else {
            let what = "a checkpoint of another kind of log".to_owned();
            return Err(Error::Stream { place: position.place().to_string(), what });
        };
        let mut session = Session::open(&options.connection).await?;
        let system = system::identify(&mut session).await?;
        let dump = Dump::open(session, options, &system, &From::position(position)).await?;
        tracing::info!(position = %position.offset, server = system.identity, "streaming");
        Ok(Self {
            tail: Tail::new(dump),
            decoding: Decoding::new(
                options.clone(),
                system.clone(),
                position.executed.clone(),
                Sequences::resume(table_seqs),
            ),
            options: options.clone(),
            system,
            is_to_be_taken: false,
            again: None,
            asked: None,
            fetcher: Fetcher::new(options.connection.clone()),
            reached: position.offset,
            passed: position.offset,
            log_end: position.offset,
            last_idle_mark: Instant::now(),
            cuts_at_commit: false,
        })
    }

    /// Handles what has come, until the batch is full; whether that left something in the batch.
    fn take_buffered(&mut self, batch: &mut Batch, remembered: &mut Remembered<'_>) -> Result<bool, Error> {
        let captured_time_us = clock::now_us();
        while !(self.asked.is_some() || batch.is_full() || self.cuts_at_commit && batch.reached().is_some()) {
            let mut output = Output { batch: &mut *batch, remembered: &mut *remembered, captured_time_us };
            let next = match &mut self.again {
                Some(Reread::Asked(_)) => break,
                Some(Reread::Open(tail)) => {
                    if !(std::mem::take(&mut self.is_to_be_taken) || tail.advance()?) {
                        break;
                    }
                    self.decoding.take_again(tail, &mut output)?
                }
                None => {
                    if !self.is_to_be_taken {
                        self.is_to_be_taken = self.advance()?;
                    }
                    if !self.is_to_be_taken || self.asked.is_some() {
                        break;
                    }
                    let next = self.decoding.take(&self.tail, &mut output)?;
                    self.is_to_be_taken = next == Next::Release;
                    next
                }
            };
            match next {
                Next::Event => {}
                Next::Release => {
                    while !batch.is_full() && self.asked.is_none() {
                        let mut output =
                            Output { batch: &mut *batch, remembered: &mut *remembered, captured_time_us };
                        match self.decoding.release_one(&self.tail, &mut output)? {
                            None => break,
                            Some(Next::Ask(question)) => self.asked = Some(question),
                            Some(_) => {}
                        }
                    }
                }
                Next::Ask(question) => {
                    self.is_to_be_taken = true;
                    self.asked = Some(question);
                }
                Next::Replay(again) => self.again = Some(Reread::Asked(again)),
                Next::Ended => {
                    if self.again.take().is_some() {
                        self.decoding.tables.forget_maps();
                    }
                    let ended = self.decoding.end();
                    self.mark(self.tail.end(), ended.as_deref(), batch);
                }
            }
            self.mark_idle(batch);
        }
        Ok(!batch.is_empty() || batch.reached().is_some())
    }

    /// Moves on to the next event that says something new; false: none has come.
    fn advance(&mut self) -> Result<bool, Error> {
        let file = self.tail.file_number();
        loop {
            match self.tail.advance() {
                Ok(true) => {}
                Err(error) if self.decoding.is_cut_off && crash::is_end_of_cut_off(&error) => {
                    self.asked = Some(Question::NextFile);
                    return Ok(false);
                }
                other => return other,
            }
            if self.tail.file_number() != file {
                self.decoding.begin_file();
                if self.system.flavour == Flavour::Mariadb {
                    self.asked = Some(Question::File);
                }
            }
            self.log_end = self.log_end.max(self.tail.end());
            if !self.decoding.knows(&self.tail) {
                self.skip()?;
                return Ok(true);
            }
        }
    }

    /// A heartbeat tells how far the server has come where there was nothing to send.
    fn skip(&mut self) -> Result<(), Error> {
        if !self.tail.is_heartbeat() {
            return Ok(());
        }
        let position = match self.tail.event()?.1 {
            Event::Heartbeat { file, position } if file == self.tail.file_name() => Some(position),
            _ => None,
        };
        if let Some(position) = position {
            self.tail.skip_to(position);
            self.log_end = self.log_end.max(self.tail.end());
        }
        Ok(())
    }

    /// A transaction ended, or none goes on. What is executed may be much, so it is not copied for every one of them.
    fn mark(&mut self, offset: BinlogOffset, ended: Option<&OpenTransaction>, batch: &mut Batch) {
        self.reached = offset;
        self.passed = offset;
        let Decoding { executed, tables, .. } = &mut self.decoding;
        let first = || Position::Binlog(BinlogPosition { offset, executed: executed.clone() });
        let move_on = |reached: &mut Position| {
            if let Position::Binlog(reached) = reached {
                reached.offset = offset;
                if let Some(ended) = ended {
                    ended.add_to(&mut reached.executed);
                }
            }
        };
        batch.mark_onward(first, move_on, tables.sequences.take_moved());
    }

    /// Outside a transaction all that came is dealt with.
    fn mark_idle(&mut self, batch: &mut Batch) {
        if self.decoding.is_in_transaction() || self.is_to_be_taken || self.again.is_some() {
            return;
        }
        self.passed = self.passed.max(self.tail.end());
        if self.passed > self.reached && self.last_idle_mark.elapsed() >= IDLE_MARK_EVERY {
            self.last_idle_mark = Instant::now();
            self.mark(self.passed, None, batch);
        }
    }

    /// Waits until more of the log has come.
    async fn wait(&mut self) -> Result<(), Error> {
        if let Some(question) = self.asked.clone() {
            // Cancel-safe: it is asked until there is an answer.
            self.answer(&question).await?;
            self.asked = None;
            return Ok(());
        }
        match &mut self.again {
            None => match self.tail.wait().await {
                Err(error) if self.decoding.is_cut_off && crash::is_end_of_cut_off(&error) => {
                    self.asked = Some(Question::NextFile);
                    Ok(())
                }
                waited => waited,
            },
            Some(Reread::Open(tail)) => tail.wait().await,
            Some(Reread::Asked(again)) => {
                let (xid, from) = (again.xid.clone(), again.from);
                let session = Session::open(&self.options.connection).await?;
                let options = Options { server_id: None, ..self.options.clone() };
                let dump = Dump::open(session, &options, &self.system, &From::Place(from)).await;
                let dump = dump.map_err(|error| self.prepared_gone(error, xid, from))?;
                self.decoding.tables.forget_maps();
                self.again = Some(Reread::Open(Box::new(Tail::new(dump))));
                Ok(())
            }
        }
    }

    /// Asks the server what the log does not say.
    async fn answer(&mut self, question: &Question) -> Result<(), Error> {
        match question {
            Question::Shape(name) => {
                let mut session = Session::open(&self.options.connection).await?;
                let shape = catalog::shape(&mut session, name).await?;
                self.decoding.tables.define(name.clone(), shape);
            }
            Question::Rows(wanted) => {
                let found = self.fetcher.fetch(wanted).await?;
                self.decoding.tables.found(found);
            }
            Question::File => {
                let mut session = Session::open(&self.options.connection).await?;
                self.decoding.is_cut_off = crash::has_cut_off(&mut session, self.tail.file()).await?;
            }
            Question::NextFile => {
                let session = Session::open(&self.options.connection).await?;
                let next = BinlogOffset { file: self.tail.file_number() + 1, offset: 4 };
                let dump = Dump::open(session, &self.options, &self.system, &From::Place(next)).await?;
                self.decoding.begin_file();
                self.tail = Tail::new(dump);
            }
        }
        Ok(())
    }

    fn prepared_gone(&self, error: Error, xid: String, from: BinlogOffset) -> Error {
        match &error {
            Error::Refused(refusal) if matches!(**refusal, Refusal::Purged { .. }) => {
                Refusal::PreparedGone { place: self.tail.place_text(), xid, from: from.to_string() }.into()
            }
            _ => error,
        }
    }
}

impl Source for Stream {
    type Error = Error;

    async fn fill(&mut self, batch: &mut Batch, remembered: &mut Remembered<'_>) -> Result<(), Error> {
        loop {
            if self.take_buffered(batch, remembered)? {
                return Ok(());
            }
            self.wait().await?;
        }
    }

    /// The server keeps its log for as long as it is set to, whoever reads it.
    fn release(&mut self, _position: &Position) {}

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

    fn take_news(&mut self) -> Vec<TableNews> {
        std::mem::take(&mut self.decoding.tables.news)
    }

    async fn close(self) -> Result<(), Error> {
        self.tail.close().await;
        Ok(())
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("reached", &self.reached).finish_non_exhaustive()
    }
}

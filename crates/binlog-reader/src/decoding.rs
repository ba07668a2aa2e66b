//! From the log's events to ours: where transactions begin and end, and which of them go out.

use std::collections::HashSet;

use decoder::binlog::{Event, Header, Rows};
use event::{Batch, BinlogOffset, Executed, Remembered, Sequences, TableName, TransactionPlace};

use crate::Options;
use crate::control::{Control, xid_text};
use crate::error::Error;
use crate::fetch::Wanted;
use crate::held::Held;
use crate::origin;
use crate::refusal::Refusal;
use crate::system::System;
use crate::tables::Tables;
use crate::tail::Tail;
use crate::transaction::{OpenTransaction, SourceName};

mod course;

/// What is known between two events.
pub(crate) struct Decoding {
    system: System,
    pub(crate) tables: Tables,
    pub(crate) transaction: Option<Box<OpenTransaction>>,
    held: Held,
    /// Whether the file was cut off by a crash: a transaction that begins in it may have no end.
    pub(crate) is_cut_off: bool,
    /// All transactions that are dealt with.
    pub(crate) executed: Executed,
    source_name: SourceName,
    /// While a load is to come: the transactions that were delivered.
    pub(crate) delivered: Option<HashSet<TransactionPlace>>,
}

/// Where one event's events go, and what they have in common.
pub(crate) struct Output<'a, 'c> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) remembered: &'a mut Remembered<'c>,
    pub(crate) captured_time_us: i64,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next event.
    Event,
    /// Nothing of the transaction is to come.
    Ended,
    /// What is held goes out first, then this event is taken again.
    Release,
    /// The database is asked, then this event is taken again.
    Ask(Question),
    /// The rows of a transaction that was prepared at this place, then this transaction is over.
    Replay(Again),
}

/// What the log does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// What the dictionary says of a table.
    Shape(TableName),
    /// What rows hold that the log has in part.
    Rows(Wanted),
    /// Whether the file that begins was cut off by a crash.
    File,
    /// Where the next file begins: this one was cut off, and is over.
    NextFile,
}

/// Rows that are to be read again, as they count now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    /// What the transaction is called.
    pub(crate) xid: String,
    /// Where it begins.
    pub(crate) from: BinlogOffset,
}

impl Decoding {
    pub(crate) fn new(options: Options, system: System, executed: Executed, sequences: Sequences) -> Self {
        Self {
            tables: Tables::new(options, system.flavour, sequences),
            system,
            transaction: None,
            held: Held::default(),
            executed,
            is_cut_off: false,
            source_name: SourceName::default(),
            delivered: None,
        }
    }

    /// Another file begins. A transaction never goes on in another file: one that is open was cut off by a crash, and
    /// rolled back.
    pub(crate) fn begin_file(&mut self) {
        self.tables.forget_maps();
        self.is_cut_off = false;
        if let Some(transaction) = self.transaction.take() {
            tracing::warn!(from = %transaction.begin, "a transaction was cut off by a crash of the server: it is not sent");
            self.held.clear();
        }
    }

    pub(crate) fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Whether the event is a table map that is known already: most of a log's are.
    pub(crate) fn knows(&self, tail: &Tail) -> bool {
        !self.held.is_holding() && self.tables.know(tail)
    }

    /// Takes the tail's event in.
    pub(crate) fn take(&mut self, tail: &Tail, output: &mut Output<'_, '_>) -> Result<Next, Error> {
        let (header, event) = tail.event()?;
        if let Event::TableMap(_) | Event::Rows(_) = event {
            if self.held.is_holding() && self.hold(tail) || self.is_to_be_read_again() {
                return Ok(Next::Event);
            }
            if !self.held.is_empty() {
                return Ok(Next::Release);
            }
        }
        self.take_event(tail, &header, event, output)
    }

    /// Takes in an event of a transaction that was prepared, and is committed by the present one.
    pub(crate) fn take_again(&mut self, tail: &Tail, output: &mut Output<'_, '_>) -> Result<Next, Error> {
        match tail.event()?.1 {
            Event::TableMap(map) => return self.tables.map(tail, map, tail.body(), output),
            Event::Rows(rows) => return self.rows(tail, &rows, tail.begin(), output),
            Event::XaPrepare { .. } | Event::Xid(_) => return Ok(Next::Ended),
            Event::Query(query) => match query.text().as_deref().and_then(Control::of) {
                Some(Control::Commit) => return Ok(Next::Ended),
                Some(Control::Rollback | Control::RollbackTo(_)) => return Err(self.taken_back(tail)),
                _ => {}
            },
            _ => {}
        }
        Ok(Next::Event)
    }

    /// Takes in the next event that is held, and says whether to go on with it; none: nothing is held any more.
    pub(crate) fn release_one(
        &mut self,
        tail: &Tail,
        output: &mut Output<'_, '_>,
    ) -> Result<Option<Next>, Error> {
        let Some(number) = self.held.next() else {
            self.held.drop_events();
            return Ok(None);
        };
        let mut held = std::mem::take(&mut self.held);
        let taken = match held.event(number) {
            Some((entry, bytes)) => match tail.parse(bytes, entry.is_inner)?.1 {
                Event::TableMap(map) => {
                    self.tables.map(tail, map, tail.body_of(bytes, entry.is_inner), output)?
                }
                Event::Rows(rows) => self.rows(tail, &rows, entry.begin, output)?,
                _ => Next::Event,
            },
            None => Next::Event,
        };
        if let Next::Ask(_) = taken {
            held.again();
        }
        self.held = held;
        Ok(Some(taken))
    }

    /// A transaction that was prepared has been read again, or need not be: this one is over.
    pub(crate) fn end(&mut self) -> Option<Box<OpenTransaction>> {
        self.held.clear();
        let transaction = self.transaction.take()?;
        transaction.add_to(&mut self.executed);
        if let Some(delivered) = &mut self.delivered {
            delivered.insert(transaction.place());
        }
        Some(transaction)
    }

    fn take_event(
        &mut self,
        tail: &Tail,
        header: &Header,
        event: Event<'_>,
        output: &mut Output<'_, '_>,
    ) -> Result<Next, Error> {
        match event {
            Event::TableMap(map) => return self.tables.map(tail, map, tail.body(), output),
            Event::Rows(rows) => return self.rows(tail, &rows, tail.begin(), output),
            Event::Gtid(gtid) => {
                let transaction = self.open(tail, header).mysql(gtid, &self.system, &mut self.source_name);
                self.begin(transaction);
            }
            Event::MariadbGtid(gtid) => {
                let mut transaction = self.open(tail, header).mariadb(&gtid, &self.system);
                if let Some(xid) = &gtid.prepares {
                    transaction.xa = Some(xid_text(xid));
                    self.held.begin();
                }
                self.begin(transaction);
            }
            Event::Query(query) => return self.query(tail, header, &query, output),
            Event::Xid(_) => return self.commit(tail),
            Event::XaPrepare { xid, is_committed } => {
                return self.prepared(tail, &xid_text(&xid), is_committed, output);
            }
            Event::Incident { message } => {
                let message = String::from_utf8_lossy(message).into_owned();
                return Err(Refusal::Incident { place: tail.place_text(), message }.into());
            }
            Event::StatementInput => return Err(self.statement_in_log(tail, "the input of a statement")),
            Event::FormatDescription(_)
            | Event::Rotate { .. }
            | Event::PreviousGtids(_)
            | Event::MariadbGtidList(_)
            | Event::Statement(_)
            | Event::TransactionPayload(_)
            | Event::Heartbeat { .. }
            | Event::Stop
            | Event::Ignored => {}
        }
        Ok(Next::Event)
    }

    fn open(&self, tail: &Tail, header: &Header) -> OpenTransaction {
        OpenTransaction::new(self.system.flavour, tail.begin(), tail.file_name(), header)
    }

    fn begin(&mut self, transaction: OpenTransaction) {
        let mut transaction = transaction.named();
        let is_dropped = |origin: &String| origin::is_dropped(origin, &self.tables.options.drop_origins);
        transaction.is_done = transaction.is_in(&self.executed);
        if self.is_cut_off {
            self.held.begin();
        }
        transaction.is_dropped = transaction.is_done || transaction.origin.as_ref().is_some_and(is_dropped);
        self.transaction = Some(Box::new(transaction));
    }

    /// Keeps the event until it is certain that it counts; false: it does not wait any longer.
    fn hold(&mut self, tail: &Tail) -> bool {
        let is_dropped = self.transaction.as_ref().is_some_and(|transaction| transaction.is_dropped);
        if is_dropped || self.held.push(tail.bytes(), tail.begin(), tail.is_inner()) {
            return true;
        }
        if self.is_to_be_read_again() {
            self.held.drop_events();
        }
        false
    }

    /// Whether too many rows came to be held of a transaction that may not count: if it does, they are read again.
    fn is_to_be_read_again(&self) -> bool {
        let is_xa = self.transaction.as_ref().is_some_and(|transaction| transaction.xa.is_some());
        (is_xa || self.is_cut_off) && self.held.has_overflowed()
    }

    fn rows(
        &mut self,
        tail: &Tail,
        rows: &Rows<'_>,
        own: BinlogOffset,
        output: &mut Output<'_, '_>,
    ) -> Result<Next, Error> {
        let Some(transaction) = &mut self.transaction else { return Err(outside(tail, "rows")) };
        self.tables.rows(tail, rows, transaction, own, output)
    }

    /// A change that is not told as rows.
    pub(crate) fn statement_in_log(&self, tail: &Tail, what: &str) -> Error {
        let (flavour, place) = (self.system.flavour, tail.place_text());
        Refusal::Statement { flavour, place, what: what.to_owned() }.into()
    }

    fn taken_back(&self, tail: &Tail) -> Error {
        let table = self.tables.any_sent().unwrap_or_else(|| TableName::new("", ""));
        Refusal::TakenBack { place: tail.place_text(), table }.into()
    }
}

fn outside(tail: &Tail, what: &str) -> Error {
    Error::Stream { place: tail.place_text(), what: format!("{what} outside a transaction") }
}

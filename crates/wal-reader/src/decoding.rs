//! From messages to events: transactions, relations, and which of the changes go out.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use decoder::pgoutput::{self, Message, Oids, RelationCache};
use event::{
    Batch, Body, Cell, Event, EventPosition, Fences, LogPlace, Lsn, Place, Sequences, Transaction,
    TransactionPlace,
};

use crate::fetch::Fetcher;
use crate::load::OWN_MESSAGE_PREFIX;
use crate::refusal::Refusal;
use crate::relation::{self, Relation};
use crate::row::{Room, RowChange};
use crate::{Error, Options};

/// What is known between two messages.
pub(crate) struct Decoding {
    options: Options,
    cache: RelationCache,
    /// By OID.
    relations: HashMap<u32, Known>,
    pub(crate) sequences: Sequences,
    transaction: Option<OpenTransaction>,
    /// The end of the last transaction.
    reached: Lsn,
    fetcher: Fetcher,
    room: Room,
    /// What the last transaction's ID was written into.
    spare_text: String,
    /// While a load is to come: the transactions that were delivered.
    pub(crate) delivered: Option<HashSet<TransactionPlace>>,
}

/// What is known of a relation.
enum Known {
    Sent(Box<Relation>),
    /// Wanted, but not taken in yet.
    NotYet,
    /// Left out by the configuration.
    Unwanted,
}

impl Known {
    fn relation(&self) -> Option<&Relation> {
        match self {
            Self::Sent(relation) => Some(relation),
            Self::NotYet | Self::Unwanted => None,
        }
    }

    /// Whether a change that was made there has a number. What was made before a table was taken in has none: of a
    /// transaction during which it was published the server tells that part, or does not, as it likes
    /// (`get_rel_sync_entry` in pgoutput.c remembers what was published when it last looked).
    fn is_numbered(&self, own: Lsn) -> bool {
        match self {
            Self::Sent(relation) => relation.since <= own.into(),
            Self::NotYet => false,
            Self::Unwanted => true,
        }
    }
}

/// A transaction whose Begin was seen, but not its Commit.
#[derive(Debug)]
struct OpenTransaction {
    xid: u32,
    xid_text: String,
    commit: Lsn,
    commit_time_us: i64,
    origin: Option<String>,
    is_dropped: bool,
    seq: u64,
}

/// Where one message's events go, and what they have in common.
pub(crate) struct Output<'a> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) fences: &'a mut Fences,
    /// The message's own place in the log.
    pub(crate) own: Lsn,
    pub(crate) captured_time_us: i64,
}

impl Decoding {
    pub(crate) fn new(options: Options, reached: Lsn, sequences: Sequences) -> Self {
        Self {
            fetcher: Fetcher::new(options.connection.clone()),
            options,
            cache: RelationCache::default(),
            relations: HashMap::new(),
            sequences,
            transaction: None,
            reached,
            room: Room::default(),
            spare_text: String::new(),
            delivered: None,
        }
    }

    pub(crate) fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Takes one message in; returns the position after a transaction's end. Cancel-safe: all that waits comes before
    /// anything changes, so that a message whose handling was cancelled can be taken in again.
    pub(crate) async fn take(
        &mut self,
        message: &Message<'_>,
        output: &mut Output<'_>,
    ) -> Result<Option<Lsn>, Error> {
        match *message {
            Message::Insert { relation, new, .. } => {
                self.row(relation, RowChange::Insert { new }, output).await?;
            }
            Message::Update { relation, old, new, .. } => {
                self.row(relation, RowChange::Update { old, new }, output).await?;
            }
            Message::Delete { relation, old, .. } => {
                self.row(relation, RowChange::Delete { old }, output).await?;
            }
            Message::Begin { final_lsn, commit_time_us, xid } => {
                self.begin(xid, final_lsn, commit_time_us);
            }
            Message::Commit { end_lsn, .. } => {
                if let (Some(transaction), Some(delivered)) = (&self.transaction, &mut self.delivered) {
                    delivered.insert(transaction.place().transaction);
                }
                if let Some(transaction) = self.transaction.take() {
                    self.spare_text = transaction.xid_text;
                }
                self.reached = end_lsn;
                return Ok(Some(end_lsn));
            }
            Message::Origin { name, .. } => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.is_dropped = self.options.drop_origins.iter().any(|dropped| dropped == name);
                    transaction.origin = Some(name.to_owned());
                }
            }
            Message::Type { oid, namespace, name, .. } => self.cache.learn_type(oid, namespace, name),
            Message::Relation(ref relation) => Box::pin(self.learn(relation)).await?,
            Message::Truncate { relations, .. } => self.truncate(relations, output)?,
            Message::Message { transactional, lsn, prefix, content, .. } => {
                output.own = lsn;
                self.message(transactional, Body::Message { prefix, content }, output)?;
            }
            _ => {
                return Err(Error::Stream {
                    what: "a message of a protocol mode that was not asked for".to_owned(),
                });
            }
        }
        Ok(None)
    }

    fn begin(&mut self, xid: u32, commit: Lsn, commit_time_us: i64) {
        let mut xid_text = std::mem::take(&mut self.spare_text);
        xid_text.clear();
        _ = write!(xid_text, "{xid}");
        self.transaction = Some(OpenTransaction {
            xid,
            xid_text,
            commit,
            commit_time_us,
            origin: None,
            is_dropped: false,
            seq: 0,
        });
    }

    async fn learn(&mut self, relation: &pgoutput::Relation<'_>) -> Result<(), Error> {
        let shape = self.cache.learn_relation(relation);
        if !(self.options.wanted)(&shape.name) {
            self.relations.insert(shape.oid, Known::Unwanted);
            return Ok(());
        }
        if (self.options.since)(&shape.name) == LogPlace::NEVER {
            self.relations.insert(shape.oid, Known::NotYet);
            return Ok(());
        }
        let primary_key = if relation::needs_primary_key(&shape) {
            let before = self.relations.get(&shape.oid).and_then(Known::relation);
            Some(relation::key_then(&shape, &self.fetcher.primary_key(shape.oid).await?, before))
        } else {
            None
        };
        let relation = Relation::new(&shape, primary_key.as_deref(), &self.options, &mut self.sequences)?;
        self.relations.insert(shape.oid, Known::Sent(Box::new(relation)));
        Ok(())
    }

    async fn row(&mut self, oid: u32, change: RowChange<'_>, output: &mut Output<'_>) -> Result<(), Error> {
        let Self { relations, transaction, fetcher, sequences, reached, room, .. } = self;
        let transaction = transaction.as_mut().ok_or_else(outside)?;
        let known = relations.get(&oid).ok_or_else(|| unknown_relation(*reached, oid))?;
        if !known.is_numbered(output.own) {
            return Ok(());
        }
        // What is not wanted counts all the same: the sequence is the transaction's, not ours.
        let Some(relation) = known.relation().filter(|_| !transaction.is_dropped) else {
            transaction.seq += 1;
            return Ok(());
        };
        let mut decoded =
            change.decode(relation, room).map_err(|error| Refusal::Decoding { position: *reached, error })?;
        if decoded.lacks_something(relation) {
            // Boxed, for the future of every row would otherwise have room for all that a question needs, and is moved.
            Box::pin(change.complete(&mut decoded, relation, transaction.xid, fetcher)).await?;
        }
        // Nothing waits from here on.
        transaction.seq += 1;
        let is_contained =
            |key: Option<&Cell<'_>>| output.fences.contain(relation.table.name(), transaction.place(), key);
        let events = decoded.events();
        for part in events.going_out(relation.range_key, relation.joins_key_changes, is_contained) {
            if sequences.announce(relation.sequence, relation.table.fingerprint) {
                let body = Body::Schema { table: &relation.table, load: None, part: 0 };
                output.batch.push(&transaction.event(body, output.own, output.captured_time_us));
            }
            let body = events.body(part, &relation.table, sequences.next(relation.sequence));
            output.batch.push(&transaction.event(body, output.own, output.captured_time_us));
        }
        room.take_back(decoded);
        Ok(())
    }

    /// One event a table. All share the statement's sequence: their part tells them apart, counted over all its
    /// tables, whether wanted or not.
    fn truncate(&mut self, oids: Oids<'_>, output: &mut Output<'_>) -> Result<(), Error> {
        let Self { relations, transaction, sequences, reached, .. } = self;
        let transaction = transaction.as_mut().ok_or_else(outside)?;
        let mut part = 0;
        for oid in oids.iter() {
            let known = relations.get(&oid).ok_or_else(|| unknown_relation(*reached, oid))?;
            if !known.is_numbered(output.own) {
                continue;
            }
            transaction.seq += u64::from(part == 0);
            part += 1;
            let Some(relation) = known.relation().filter(|_| !transaction.is_dropped) else { continue };
            if output.fences.contain_truncate(relation.table.name(), transaction.place()) {
                continue;
            }
            let table = &relation.table;
            if sequences.announce(relation.sequence, table.fingerprint) {
                let body = Body::Schema { table, load: None, part };
                output.batch.push(&transaction.event(body, output.own, output.captured_time_us));
            }
            let table_seq = sequences.next(relation.sequence);
            let body = Body::Truncate { table, load: None, table_seq, part };
            output.batch.push(&transaction.event(body, output.own, output.captured_time_us));
        }
        Ok(())
    }

    fn message(
        &mut self,
        is_transactional: bool,
        body: Body<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Error> {
        let is_ours = matches!(body, Body::Message { prefix, .. } if prefix == OWN_MESSAGE_PREFIX);
        if !is_transactional {
            if !is_ours {
                let position = EventPosition::Postgres { commit: output.own, own: output.own };
                let captured_time_us = output.captured_time_us;
                output.batch.push(&Event { position, transaction: None, captured_time_us, body });
            }
            return Ok(());
        }
        let transaction = self.transaction.as_mut().ok_or_else(outside)?;
        transaction.seq += 1;
        if !is_ours && !transaction.is_dropped {
            output.batch.push(&transaction.event(body, output.own, output.captured_time_us));
        }
        Ok(())
    }
}

impl OpenTransaction {
    fn place(&self) -> Place {
        let transaction = TransactionPlace { xid: self.xid, commit: self.commit.into() };
        Place { transaction, tx_seq: self.seq }
    }

    fn event<'a>(&'a self, body: Body<'a>, own: Lsn, captured_time_us: i64) -> Event<'a> {
        Event {
            position: EventPosition::Postgres { commit: self.commit, own },
            transaction: Some(Transaction {
                id: &self.xid_text,
                seq: self.seq,
                commit_time_us: self.commit_time_us,
                origin: self.origin.as_deref(),
            }),
            captured_time_us,
            body,
        }
    }
}

fn outside() -> Error {
    Error::Stream { what: "a change outside a transaction".to_owned() }
}

fn unknown_relation(position: Lsn, oid: u32) -> Error {
    Refusal::Decoding { position, error: decoder::Error::UnknownRelation { oid } }.into()
}

#[cfg(test)]
mod tests;

//! The course of a transaction: its beginning, its savepoints, and how it ends, in one phase or in two. And DDL.

use decoder::binlog::{Header, Query};
use event::{LogPlace, Undecided};

use super::{Again, Decoding, Next, Output, outside};
use crate::control::Control;
use crate::ddl::{self, Effect};
use crate::error::Error;
use crate::tail::Tail;

impl Decoding {
    /// `BEGIN`, `COMMIT`, what stands between, and DDL.
    pub(super) fn query(
        &mut self,
        tail: &Tail,
        header: &Header,
        query: &Query<'_>,
        output: &mut Output<'_, '_>,
    ) -> Result<Next, Error> {
        let text = query.text();
        let control = text.as_deref().and_then(Control::of);
        if self.transaction.is_none() {
            self.begin(self.open(tail, header));
        }
        let Some(transaction) = &mut self.transaction else { return Ok(Next::Event) };
        match control {
            Some(Control::Begin) => transaction.is_open = true,
            Some(Control::XaStart(xid)) => {
                transaction.is_open = true;
                transaction.xa = Some(xid.to_owned());
                self.held.begin();
            }
            Some(Control::XaEnd) => {}
            Some(Control::Commit) => return self.commit(tail),
            Some(Control::Rollback) => {
                if transaction.has_sent {
                    return Err(self.taken_back(tail));
                }
                self.held.clear();
                return Ok(Next::Ended);
            }
            Some(Control::Savepoint(name)) => {
                if !(transaction.is_dropped || self.held.has_overflowed()) {
                    self.held.set(name);
                }
            }
            Some(Control::RollbackTo(name)) => {
                if self.held.has_overflowed() && transaction.has_sent {
                    return Err(self.taken_back(tail));
                }
                if !(transaction.is_dropped || self.held.has_overflowed() || self.held.take_back(name)) {
                    let what = "a ROLLBACK TO a savepoint that was not set".to_owned();
                    return Err(Error::Stream { place: tail.place_text(), what });
                }
            }
            Some(Control::Release(name)) => self.held.forget(name),
            Some(Control::XaCommit(xid)) => return Ok(self.decided(tail, xid, output)),
            Some(Control::XaRollback(xid)) => {
                let at = transaction.begin.into();
                output.remembered.prepared.decide(xid, at);
                return Ok(Next::Ended);
            }
            None => return self.statement(tail, query, text.as_deref(), output),
        }
        Ok(Next::Event)
    }

    /// A statement that is no part of the transaction's own course: DDL, mostly.
    fn statement(
        &mut self,
        tail: &Tail,
        query: &Query<'_>,
        text: Option<&str>,
        output: &mut Output<'_, '_>,
    ) -> Result<Next, Error> {
        self.tables.forget_maps();
        let is_done = self.transaction.as_ref().is_some_and(|transaction| transaction.is_done);
        if !is_done {
            let dialect = self.system.dialect(query.variables.sql_mode.unwrap_or_default());
            let effects = match text {
                Some(text) => ddl::parse(text, query.database, &dialect),
                None => vec![Effect::Unknown],
            };
            self.apply(tail, &effects, query.variables.server_collation, output)?;
        }
        let is_open = self.transaction.as_ref().is_some_and(|transaction| transaction.is_open);
        // A statement alone is a transaction; in one of several events its end is still to come.
        Ok(if is_open { Next::Event } else { Next::Ended })
    }

    pub(super) fn commit(&mut self, tail: &Tail) -> Result<Next, Error> {
        let Some(transaction) = &self.transaction else { return Err(outside(tail, "a commit")) };
        if self.is_to_be_read_again() {
            let xid = transaction.xa.clone().unwrap_or_default();
            return Ok(Next::Replay(Again { xid, from: transaction.begin }));
        }
        Ok(if self.held.is_empty() { Next::Ended } else { Next::Release })
    }

    /// The rows of a transaction of two phases are complete: sent if it is committed, else remembered by their place.
    pub(super) fn prepared(
        &mut self,
        tail: &Tail,
        xid: &str,
        is_committed: bool,
        output: &mut Output<'_, '_>,
    ) -> Result<Next, Error> {
        let Some(transaction) = &self.transaction else { return Err(outside(tail, "an XA PREPARE")) };
        if is_committed {
            return self.commit(tail);
        }
        if !transaction.is_dropped {
            let undecided = Undecided {
                from: transaction.begin.into(),
                gtid: transaction.gtid().to_owned(),
                decided: None,
            };
            output.remembered.prepared.put(xid.to_owned(), undecided);
        }
        self.held.clear();
        Ok(Next::Ended)
    }

    /// A prepared transaction is committed.
    fn decided(&mut self, tail: &Tail, xid: &str, output: &mut Output<'_, '_>) -> Next {
        let Some(transaction) = &self.transaction else { return Next::Ended };
        if transaction.is_dropped {
            return Next::Ended;
        }
        match output.remembered.prepared.decide(xid, transaction.begin.into()).map(|undecided| undecided.from)
        {
            Some(LogPlace::Binlog(from)) => Next::Replay(Again { xid: xid.to_owned(), from }),
            _ => {
                // A load that waited for it has its rows.
                tracing::warn!(
                    xid,
                    place = tail.place_text(),
                    "a transaction is committed that was prepared before the log was read"
                );
                Next::Ended
            }
        }
    }
}

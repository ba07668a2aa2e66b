//! The transaction that is being received.

use decoder::binlog::{GtidEvent, Header, MariadbGtidEvent};
use event::{
    BinlogOffset, BinlogPlace, Body, Event, EventPosition, Executed, Gtid, GtidSource, MariadbGtid, Place,
    Transaction, TransactionPlace,
};

use crate::system::{Flavour, System};

/// A transaction whose beginning was seen, but not its end.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    flavour: Flavour,
    /// Where it begins.
    pub(crate) begin: BinlogOffset,
    file: String,
    /// What consumers know it by without a GTID.
    place_text: String,
    gtid: Option<AnyGtid>,
    /// Empty without one.
    gtid_text: String,
    commit_time_us: i64,
    server_id: u32,
    pub(crate) origin: Option<String>,
    /// Whether it was dealt with before.
    pub(crate) is_done: bool,
    /// Whether its events are not sent: for that, or for its origin.
    pub(crate) is_dropped: bool,
    pub(crate) seq: u64,
    /// Whether it is open for rows: after `BEGIN`, as opposed to a single statement.
    pub(crate) is_open: bool,
    /// The transaction of two phases whose rows these are.
    pub(crate) xa: Option<String>,
    /// Whether a table's rows came, whichever.
    pub(crate) has_rows: bool,
    /// Whether rows went out.
    pub(crate) has_sent: bool,
}

/// The text of the source that had the last transaction: mostly it has the next one too.
#[derive(Debug, Default)]
pub(crate) struct SourceName {
    source: Option<GtidSource>,
    text: String,
}

#[derive(Clone, Debug)]
enum AnyGtid {
    Mysql(Gtid),
    Mariadb(MariadbGtid),
}

impl SourceName {
    fn of(&mut self, source: &GtidSource) -> &str {
        if self.source.as_ref() != Some(source) {
            self.text = source.to_string();
            self.source = Some(source.clone());
        }
        &self.text
    }
}

impl OpenTransaction {
    /// One that begins here without a word on its name.
    pub(crate) fn new(flavour: Flavour, begin: BinlogOffset, file: &str, header: &Header) -> Self {
        Self {
            flavour,
            begin,
            file: file.to_owned(),
            place_text: String::new(),
            gtid: None,
            gtid_text: String::new(),
            commit_time_us: i64::from(header.timestamp_s) * 1_000_000,
            server_id: header.server_id,
            origin: None,
            is_done: false,
            is_dropped: false,
            seq: 0,
            is_open: false,
            xa: None,
            has_rows: false,
            has_sent: false,
        }
    }

    /// MySQL's.
    pub(crate) fn mysql(mut self, event: GtidEvent, system: &System, last: &mut SourceName) -> Self {
        if event.commit_time_us > 0 {
            self.commit_time_us = event.commit_time_us.try_into().unwrap_or(self.commit_time_us);
        }
        if let Some(gtid) = event.gtid {
            let source = last.of(&gtid.source);
            self.gtid_text = [source, ":", itoa::Buffer::new().format(gtid.number)].concat();
            self.origin = (source != system.identity).then(|| source.to_owned());
            self.gtid = Some(AnyGtid::Mysql(gtid));
        }
        self
    }

    /// MariaDB's. One that is not a single statement is open from here on: there is no `BEGIN`.
    pub(crate) fn mariadb(mut self, event: &MariadbGtidEvent<'_>, system: &System) -> Self {
        let gtid = event.gtid(self.server_id);
        self.gtid_text = gtid.to_string();
        self.gtid = Some(AnyGtid::Mariadb(gtid));
        self.is_open = !event.is_standalone;
        self.origin = (self.server_id != system.server_id).then(|| format!("server_id={}", self.server_id));
        self
    }

    /// Whether it was dealt with before. MariaDB's numbers alone don't tell: without strict mode a lower one may be new.
    pub(crate) fn is_in(&self, executed: &Executed) -> bool {
        match (executed, &self.gtid) {
            (Executed::Mysql(executed), Some(AnyGtid::Mysql(gtid))) => executed.contains(gtid),
            _ => false,
        }
    }

    /// It is dealt with.
    pub(crate) fn add_to(&self, executed: &mut Executed) {
        match (executed, &self.gtid) {
            (Executed::Mysql(executed), Some(AnyGtid::Mysql(gtid))) => executed.add(gtid),
            (Executed::Mariadb(executed), Some(AnyGtid::Mariadb(gtid))) => executed.add(*gtid),
            _ => {}
        }
    }

    /// Without a GTID its place names it.
    pub(crate) fn named(mut self) -> Self {
        if self.gtid.is_none() {
            self.place_text = format!("{}:{}", self.file, self.begin.offset);
        }
        self
    }

    /// Its GTID, empty without one.
    pub(crate) fn gtid(&self) -> &str {
        &self.gtid_text
    }

    /// As fences and loads know it.
    pub(crate) fn place(&self) -> TransactionPlace {
        TransactionPlace { xid: 0, commit: self.begin.into() }
    }

    /// Where the change stands that was counted last.
    pub(crate) fn change(&self) -> Place {
        Place { transaction: self.place(), tx_seq: self.seq }
    }

    /// An event of it. `own`: where the log's event begins.
    #[inline]
    pub(crate) fn event<'a>(&'a self, body: Body<'a>, own: BinlogOffset, captured_time_us: i64) -> Event<'a> {
        // Rows of a prepared transaction stand before the one that committed them, perhaps in another file.
        let offset =
            if own.file == self.begin.file { own.offset.max(self.begin.offset) } else { self.begin.offset };
        let place = BinlogPlace {
            gtid: &self.gtid_text,
            file: &self.file,
            transaction: self.begin,
            offset,
            server_id: self.server_id,
        };
        Event {
            position: match self.flavour {
                Flavour::Mysql => EventPosition::Mysql(place),
                Flavour::Mariadb => EventPosition::Mariadb(place),
            },
            transaction: Some(Transaction {
                id: if self.gtid_text.is_empty() { &self.place_text } else { &self.gtid_text },
                seq: self.seq,
                commit_time_us: self.commit_time_us,
                origin: self.origin.as_deref(),
            }),
            captured_time_us,
            body,
        }
    }
}

use event::{GtidSet, MariadbGtid};

use super::cursor::Cursor;
use super::format::Format;
use super::gtid::{self, GtidEvent, MariadbGtidEvent};
use super::header::Header;
use super::kind;
use super::payload::TransactionPayload;
use super::query::Query;
use super::rows::{Rows, RowsKind};
use super::table_map::TableMap;
use crate::Error;

/// One event, as a view over its bytes.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// How this and all following events are written.
    FormatDescription(Format),
    /// The log goes on in another file.
    Rotate {
        /// The other file's name.
        file: &'a str,
        /// Where in it.
        position: u64,
    },
    /// All transactions of earlier files.
    PreviousGtids(GtidSet),
    /// A transaction begins; MySQL.
    Gtid(GtidEvent),
    /// A transaction begins; MariaDB.
    MariadbGtid(MariadbGtidEvent<'a>),
    /// The last transactions of earlier files, of every domain and server; in a domain the last one here is its last.
    MariadbGtidList(Vec<MariadbGtid>),
    /// A statement: `BEGIN`, `COMMIT`, DDL, and whatever is logged as text.
    Query(Query<'a>),
    /// A transaction is committed, under this number of the storage engines'.
    Xid(u64),
    /// A transaction of two phases is prepared, or, in one phase, committed.
    XaPrepare {
        /// What its application calls it.
        xid: Xid<'a>,
        /// Whether that was its commit.
        is_committed: bool,
    },
    /// How the rows of a table are stored, for the rows events of its number that follow.
    TableMap(TableMap<'a>),
    /// Rows that were inserted, updated or deleted.
    Rows(Rows<'a>),
    /// The text of the statement whose rows follow, for people.
    Statement(&'a [u8]),
    /// Several events in compressed form, from a transaction's beginning to its end.
    TransactionPayload(TransactionPayload<'a>),
    /// The server says that something is missing from its log.
    Incident {
        /// What it says.
        message: &'a [u8],
    },
    /// The server has come so far, though there is nothing to send.
    Heartbeat {
        /// The file's name.
        file: &'a str,
        /// Where in it.
        position: u64,
    },
    /// What a statement needs that is logged as text: a value of `AUTO_INCREMENT` or `rand()`, a variable, or a file that
    /// `LOAD DATA` reads. It says that changes are logged as statements.
    StatementInput,
    /// The server was shut down.
    Stop,
    /// Nothing that tells of data, or that may be passed over.
    Ignored,
}

/// What an application calls its part of a distributed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xid<'a> {
    /// Which convention the other two follow.
    pub format: u32,
    /// The whole transaction.
    pub global: &'a [u8],
    /// This part of it.
    pub branch: &'a [u8],
}

impl<'a> Event<'a> {
    pub(super) fn parse(header: &Header, body: &'a [u8]) -> Result<Self, Error> {
        Ok(match header.kind {
            kind::QUERY => Self::Query(Query::parse(body)?),
            kind::QUERY_COMPRESSED => Self::Query(Query::parse_compressed(body)?),
            kind::STOP => Self::Stop,
            kind::ROTATE => rotate(body)?,
            kind::XID => Self::Xid(Cursor::new(body, "xid").u64("a number")?),
            kind::TABLE_MAP => Self::TableMap(TableMap::parse(body)?),
            kind::GTID | kind::ANONYMOUS_GTID => Self::Gtid(GtidEvent::parse(header.kind, body)?),
            kind::GTID_TAGGED => Self::Gtid(GtidEvent::parse_tagged(body)?),
            kind::PREVIOUS_GTIDS => Self::PreviousGtids(gtid::previous_gtids(body)?),
            kind::MARIADB_GTID => Self::MariadbGtid(MariadbGtidEvent::parse(body)?),
            kind::MARIADB_GTID_LIST => Self::MariadbGtidList(gtid::mariadb_gtid_list(body)?),
            kind::XA_PREPARE => xa_prepare(body)?,
            kind::ROWS_QUERY => Self::Statement(rows_query(body)?),
            kind::ANNOTATE_ROWS => Self::Statement(body),
            kind::TRANSACTION_PAYLOAD => Self::TransactionPayload(TransactionPayload::parse(body)?),
            kind::INCIDENT => incident(body)?,
            kind::HEARTBEAT => heartbeat(header, body)?,
            kind::HEARTBEAT_V2 => heartbeat_v2(body)?,
            kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::APPEND_BLOCK
            | kind::DELETE_FILE
            | kind::BEGIN_LOAD_QUERY
            | kind::EXECUTE_LOAD_QUERY => Self::StatementInput,
            // What group replication tells its members, and housekeeping of the log itself.
            kind::IGNORABLE
            | kind::TRANSACTION_CONTEXT
            | kind::VIEW_CHANGE
            | kind::BINLOG_CHECKPOINT
            | kind::START_ENCRYPTION => Self::Ignored,
            other => match RowsKind::of(other) {
                Some(kind) => Self::Rows(Rows::parse(kind, body)?),
                None if header.is_ignorable() => Self::Ignored,
                None => return Err(Error::UnknownEvent { kind: other, next_position: header.next_position }),
            },
        })
    }
}

fn rotate(body: &[u8]) -> Result<Event<'_>, Error> {
    let mut cursor = Cursor::new(body, "rotate");
    let position = cursor.u64("a position")?;
    let before = cursor.clone();
    let file = str::from_utf8(cursor.take_rest()).map_err(|_| before.error("a file's name"))?;
    Ok(Event::Rotate { file, position })
}

fn xa_prepare(body: &[u8]) -> Result<Event<'_>, Error> {
    let mut cursor = Cursor::new(body, "XA prepare");
    let is_committed = cursor.u8("a flag")? != 0;
    let format = cursor.u32("a format")?;
    let (global, branch) = (cursor.u32("a length")?, cursor.u32("a length")?);
    let global = cursor.bytes(global as usize, "a global id")?;
    let branch = cursor.bytes(branch as usize, "a branch")?;
    Ok(Event::XaPrepare { xid: Xid { format, global, branch }, is_committed })
}

/// The length before the text is one byte, so says nothing of long ones (`Rows_query_event`).
fn rows_query(body: &[u8]) -> Result<&[u8], Error> {
    let mut cursor = Cursor::new(body, "rows query");
    cursor.u8("a length")?;
    Ok(cursor.take_rest())
}

fn incident(body: &[u8]) -> Result<Event<'_>, Error> {
    let mut cursor = Cursor::new(body, "incident");
    cursor.u16("a kind of incident")?;
    let len = cursor.u8("a length")?;
    Ok(Event::Incident { message: cursor.bytes(len.into(), "a message")? })
}

fn heartbeat<'a>(header: &Header, body: &'a [u8]) -> Result<Event<'a>, Error> {
    let file = str::from_utf8(body).map_err(|_| Cursor::new(body, "heartbeat").error("a file's name"))?;
    Ok(Event::Heartbeat { file, position: header.next_position.into() })
}

/// Fields of a number, a length and a value, up to a zero (`codecs::binary::Heartbeat`).
fn heartbeat_v2(body: &[u8]) -> Result<Event<'_>, Error> {
    const FILE: u64 = 1;
    const POSITION: u64 = 2;
    let mut cursor = Cursor::new(body, "heartbeat");
    let (mut file, mut position) = (None, None);
    loop {
        match cursor.packed("a field's number")? {
            0 => break,
            FILE => file = Some(cursor.packed_str("a file's name")?),
            POSITION => {
                let mut value = Cursor::new(cursor.packed_bytes("a position")?, "heartbeat");
                position = Some(value.packed("a position")?);
            }
            // Fields of later versions add to these two.
            _ => drop(cursor.packed_bytes("a field")?),
        }
    }
    match (file, position) {
        (Some(file), Some(position)) => Ok(Event::Heartbeat { file, position }),
        _ => Err(cursor.error("a file and a position")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u8, flags: u16) -> Header {
        Header { timestamp_s: 0, kind, server_id: 1, len: 0, next_position: 1234, flags }
    }

    #[test]
    fn heartbeats_say_how_far_the_server_has_come() {
        let is_at = |event: Event<'_>, at: u64| match event {
            Event::Heartbeat { file: "binlog.000002", position } => position == at,
            other => panic!("{other:?}"),
        };
        assert!(is_at(Event::parse(&header(kind::HEARTBEAT, 0), b"binlog.000002").unwrap(), 1234));
        let body = b"\x01\x0Dbinlog.000002\x02\x09\xFE\x01\0\0\0\x01\0\0\0\x63\x01x\0";
        assert!(is_at(Event::parse(&header(kind::HEARTBEAT_V2, 0), body).unwrap(), 0x1_0000_0001));
        Event::parse(&header(kind::HEARTBEAT_V2, 0), b"\x01\x01f\0").unwrap_err();
    }

    #[test]
    fn an_incident_says_what_is_missing() {
        let event = Event::parse(&header(kind::INCIDENT, 0), b"\x01\0\x04lost").unwrap();
        assert!(matches!(event, Event::Incident { message: b"lost" }));
    }

    #[test]
    fn what_is_not_known_is_passed_over_only_if_it_says_so() {
        assert!(matches!(Event::parse(&header(99, 0x80), b"x"), Ok(Event::Ignored)));
        let error = Event::parse(&header(99, 0), b"x").map(drop).unwrap_err();
        assert_eq!(error, Error::UnknownEvent { kind: 99, next_position: 1234 });
    }
}

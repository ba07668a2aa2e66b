use event::Lsn;

use super::cursor::Cursor;
use super::{Relation, Tuple};
use crate::Error;

/// One message, borrowed from the bytes it came in. Times are microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A transaction's changes follow, in one piece, now that it has committed.
    Begin {
        /// Where the commit record starts.
        final_lsn: Lsn,
        /// Of the commit.
        commit_time_us: i64,
        /// The transaction.
        xid: u32,
    },
    /// The end of what Begin began.
    Commit {
        /// Where the commit record starts.
        commit_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
        /// Of the commit.
        commit_time_us: i64,
    },
    /// The transaction was replayed here from another server. Follows Begin, BeginPrepare or StreamStart.
    Origin {
        /// Of the commit there.
        lsn: Lsn,
        /// The origin's name here.
        name: &'a str,
    },
    /// The shape of a table's rows from here on.
    Relation(Relation<'a>),
    /// The name of a type that is not built in, before the Relation message that needs it.
    Type {
        /// In a stream: the subtransaction.
        xid: Option<u32>,
        /// In `pg_type`; a domain's own.
        oid: u32,
        /// Empty for `pg_catalog`; for a domain, of its base type.
        namespace: &'a str,
        /// For a domain, of its base type.
        name: &'a str,
    },
    /// A row came to be.
    Insert {
        /// In a stream: the subtransaction.
        xid: Option<u32>,
        /// The table's OID.
        relation: u32,
        /// The row.
        new: Tuple<'a>,
    },
    /// A row changed.
    Update {
        /// In a stream: the subtransaction.
        xid: Option<u32>,
        /// The table's OID.
        relation: u32,
        /// The row as it was.
        old: OldTuple<'a>,
        /// The row as it is.
        new: Tuple<'a>,
    },
    /// A row went.
    Delete {
        /// In a stream: the subtransaction.
        xid: Option<u32>,
        /// The table's OID.
        relation: u32,
        /// The row as it was; never `None`.
        old: OldTuple<'a>,
    },
    /// All rows of some tables went.
    Truncate {
        /// In a stream: the subtransaction.
        xid: Option<u32>,
        /// With CASCADE.
        cascade: bool,
        /// With RESTART IDENTITY.
        restart_identity: bool,
        /// The tables.
        relations: Oids<'a>,
    },
    /// What somebody wrote with `pg_logical_emit_message`.
    Message {
        /// In a stream: the subtransaction.
        xid: Option<u32>,
        /// Whether it belongs to the transaction around it. If not it may stand anywhere, outside one too.
        transactional: bool,
        /// Its place in the log.
        lsn: Lsn,
        /// Its tag.
        prefix: &'a str,
        /// Its content.
        content: &'a [u8],
    },
    /// A piece of a transaction that has not committed yet follows.
    StreamStart {
        /// The top-level transaction.
        xid: u32,
        /// Whether it is the first piece.
        first_segment: bool,
    },
    /// The end of the piece.
    StreamStop,
    /// A streamed transaction committed.
    StreamCommit {
        /// The top-level transaction.
        xid: u32,
        /// Where the commit record starts.
        commit_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
        /// Of the commit.
        commit_time_us: i64,
    },
    /// A streamed transaction, or only a subtransaction of it, was rolled back.
    StreamAbort {
        /// The top-level transaction.
        xid: u32,
        /// What was rolled back: the same, or the subtransaction.
        subxid: u32,
        /// With parallel streaming (version 4): where the abort record starts and its time.
        abort: Option<(Lsn, i64)>,
    },
    /// A transaction's changes follow, now that it is prepared.
    BeginPrepare {
        /// Where the prepare record starts.
        prepare_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
        /// Of the prepare.
        prepare_time_us: i64,
        /// The transaction.
        xid: u32,
        /// Its global name.
        gid: &'a str,
    },
    /// The end of what BeginPrepare began.
    Prepare {
        /// Where the prepare record starts.
        prepare_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
        /// Of the prepare.
        prepare_time_us: i64,
        /// The transaction.
        xid: u32,
        /// Its global name.
        gid: &'a str,
    },
    /// A prepared transaction committed.
    CommitPrepared {
        /// Where the commit record starts.
        commit_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
        /// Of the commit.
        commit_time_us: i64,
        /// The transaction.
        xid: u32,
        /// Its global name.
        gid: &'a str,
    },
    /// A prepared transaction was rolled back.
    RollbackPrepared {
        /// Where the prepare record ends.
        prepare_end_lsn: Lsn,
        /// Where the rollback record ends.
        end_lsn: Lsn,
        /// Of the prepare.
        prepare_time_us: i64,
        /// Of the rollback.
        rollback_time_us: i64,
        /// The transaction.
        xid: u32,
        /// Its global name.
        gid: &'a str,
    },
    /// A streamed transaction is prepared.
    StreamPrepare {
        /// Where the prepare record starts.
        prepare_lsn: Lsn,
        /// Where it ends.
        end_lsn: Lsn,
        /// Of the prepare.
        prepare_time_us: i64,
        /// The top-level transaction.
        xid: u32,
        /// Its global name.
        gid: &'a str,
    },
}

/// Whether a message stands between StreamStart and StreamStop: only there does it say its (sub)transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum InStream {
    #[default]
    No,
    Yes,
}

/// A row as it was, as far as the replica identity lets the log tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldTuple<'a> {
    /// Not sent: the update changed nothing of the replica identity.
    None,
    /// The columns of the replica identity; the others are null.
    Key(Tuple<'a>),
    /// All columns: the table has REPLICA IDENTITY FULL.
    Full(Tuple<'a>),
}

/// Object IDs within a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oids<'a>(&'a [[u8; 4]]);

impl Oids<'_> {
    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> {
        self.0.iter().map(|oid| u32::from_be_bytes(*oid))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Message<'a> {
    /// Reads the body of one XLogData message, to its end.
    pub fn parse(body: &'a [u8], in_stream: InStream) -> Result<Self, Error> {
        let Some((kind, rest)) = body.split_first() else {
            return Err(Error::Malformed { message: "empty", offset: 0, expected: "a message kind" });
        };
        let (name, parse): (_, Parse<'a>) = match kind {
            b'I' => ("Insert", insert),
            b'U' => ("Update", update),
            b'D' => ("Delete", delete),
            b'B' => ("Begin", begin),
            b'C' => ("Commit", commit),
            b'R' => ("Relation", relation),
            b'Y' => ("Type", type_),
            b'T' => ("Truncate", truncate),
            b'O' => ("Origin", origin),
            b'M' => ("Message", logical_message),
            b'S' => ("StreamStart", stream_start),
            b'E' => ("StreamStop", |_, _| Ok(Message::StreamStop)),
            b'c' => ("StreamCommit", stream_commit),
            b'A' => ("StreamAbort", stream_abort),
            b'b' => ("BeginPrepare", begin_prepare),
            b'P' => ("Prepare", prepare),
            b'K' => ("CommitPrepared", commit_prepared),
            b'r' => ("RollbackPrepared", rollback_prepared),
            b'p' => ("StreamPrepare", stream_prepare),
            kind => return Err(Error::UnknownMessage { kind: *kind }),
        };
        let mut cursor = Cursor::new(rest, name);
        let message = parse(&mut cursor, in_stream)?;
        cursor.end()?;
        Ok(message)
    }
}

type Parse<'a> = fn(&mut Cursor<'a>, InStream) -> Result<Message<'a>, Error>;

const XID: &str = "a transaction ID";
const RELATION: &str = "a relation's OID";
const COMMIT_LSN: &str = "the commit LSN";
const END_LSN: &str = "the end LSN";
const COMMIT_TIME: &str = "the commit time";
const PREPARE_LSN: &str = "the prepare LSN";
const PREPARE_TIME: &str = "the prepare time";
const GID: &str = "a global transaction name in UTF-8";

fn stream_xid(cursor: &mut Cursor<'_>, in_stream: InStream) -> Result<Option<u32>, Error> {
    match in_stream {
        InStream::No => Ok(None),
        InStream::Yes => cursor.u32("the transaction ID of a streamed message").map(Some),
    }
}

fn insert<'a>(cursor: &mut Cursor<'a>, in_stream: InStream) -> Result<Message<'a>, Error> {
    let xid = stream_xid(cursor, in_stream)?;
    let relation = cursor.u32(RELATION)?;
    Ok(Message::Insert { xid, relation, new: new_tuple(cursor)? })
}

fn update<'a>(cursor: &mut Cursor<'a>, in_stream: InStream) -> Result<Message<'a>, Error> {
    let xid = stream_xid(cursor, in_stream)?;
    let relation = cursor.u32(RELATION)?;
    Ok(Message::Update { xid, relation, old: old_tuple(cursor)?, new: new_tuple(cursor)? })
}

fn delete<'a>(cursor: &mut Cursor<'a>, in_stream: InStream) -> Result<Message<'a>, Error> {
    let xid = stream_xid(cursor, in_stream)?;
    let relation = cursor.u32(RELATION)?;
    match old_tuple(cursor)? {
        OldTuple::None => Err(cursor.error("the old row: K or O")),
        old => Ok(Message::Delete { xid, relation, old }),
    }
}

fn new_tuple<'a>(cursor: &mut Cursor<'a>) -> Result<Tuple<'a>, Error> {
    const NEW: &str = "the new row: N";
    if cursor.rest().first() != Some(&b'N') {
        return Err(cursor.error(NEW));
    }
    cursor.u8(NEW)?;
    Tuple::parse(cursor)
}

/// Absent unless its first byte says so.
fn old_tuple<'a>(cursor: &mut Cursor<'a>) -> Result<OldTuple<'a>, Error> {
    let wrap = match cursor.rest().first() {
        Some(b'K') => OldTuple::Key,
        Some(b'O') => OldTuple::Full,
        _ => return Ok(OldTuple::None),
    };
    cursor.u8("the old row: K or O")?;
    Tuple::parse(cursor).map(wrap)
}

fn begin<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    Ok(Message::Begin {
        final_lsn: cursor.lsn("the final LSN")?,
        commit_time_us: cursor.time_us(COMMIT_TIME)?,
        xid: cursor.u32(XID)?,
    })
}

fn commit<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    cursor.no_flags()?;
    Ok(Message::Commit {
        commit_lsn: cursor.lsn(COMMIT_LSN)?,
        end_lsn: cursor.lsn(END_LSN)?,
        commit_time_us: cursor.time_us(COMMIT_TIME)?,
    })
}

/// Says no transaction, even in a stream.
fn origin<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    Ok(Message::Origin {
        lsn: cursor.lsn("the origin's LSN")?,
        name: cursor.str("the origin's name in UTF-8")?,
    })
}

fn relation<'a>(cursor: &mut Cursor<'a>, in_stream: InStream) -> Result<Message<'a>, Error> {
    let xid = stream_xid(cursor, in_stream)?;
    Relation::parse(xid, cursor).map(Message::Relation)
}

fn type_<'a>(cursor: &mut Cursor<'a>, in_stream: InStream) -> Result<Message<'a>, Error> {
    Ok(Message::Type {
        xid: stream_xid(cursor, in_stream)?,
        oid: cursor.u32("a type's OID")?,
        namespace: cursor.str("a type's namespace in UTF-8")?,
        name: cursor.str("a type's name in UTF-8")?,
    })
}

fn truncate<'a>(cursor: &mut Cursor<'a>, in_stream: InStream) -> Result<Message<'a>, Error> {
    const CASCADE: u8 = 1;
    const RESTART_IDENTITY: u8 = 2;
    let xid = stream_xid(cursor, in_stream)?;
    let count = cursor.u32("a count of relations")?;
    let options = cursor.u8("the options of TRUNCATE")?;
    let expected = "as many OIDs as announced";
    let len = usize::try_from(count).ok().and_then(|count| count.checked_mul(4));
    let oids = cursor.bytes(len.ok_or_else(|| cursor.error(expected))?, expected)?;
    Ok(Message::Truncate {
        xid,
        cascade: options & CASCADE != 0,
        restart_identity: options & RESTART_IDENTITY != 0,
        relations: Oids(oids.as_chunks().0),
    })
}

fn logical_message<'a>(cursor: &mut Cursor<'a>, in_stream: InStream) -> Result<Message<'a>, Error> {
    Ok(Message::Message {
        xid: stream_xid(cursor, in_stream)?,
        transactional: cursor.u8("the message's flags")? & 1 != 0,
        lsn: cursor.lsn("the message's LSN")?,
        prefix: cursor.str("the message's prefix in UTF-8")?,
        content: cursor.counted_bytes("a length and that many bytes of content")?,
    })
}

fn stream_start<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    let first = "whether this is the first piece";
    Ok(Message::StreamStart { xid: cursor.u32(XID)?, first_segment: cursor.u8(first)? != 0 })
}

fn stream_commit<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    let xid = cursor.u32(XID)?;
    cursor.no_flags()?;
    Ok(Message::StreamCommit {
        xid,
        commit_lsn: cursor.lsn(COMMIT_LSN)?,
        end_lsn: cursor.lsn(END_LSN)?,
        commit_time_us: cursor.time_us(COMMIT_TIME)?,
    })
}

fn stream_abort<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    let xid = cursor.u32(XID)?;
    let subxid = cursor.u32("the ID of what was rolled back")?;
    let abort = match cursor.is_at_end() {
        true => None,
        false => Some((cursor.lsn("the abort LSN")?, cursor.time_us("the abort time")?)),
    };
    Ok(Message::StreamAbort { xid, subxid, abort })
}

fn begin_prepare<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    Ok(Message::BeginPrepare {
        prepare_lsn: cursor.lsn(PREPARE_LSN)?,
        end_lsn: cursor.lsn(END_LSN)?,
        prepare_time_us: cursor.time_us(PREPARE_TIME)?,
        xid: cursor.u32(XID)?,
        gid: cursor.str(GID)?,
    })
}

fn prepare<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    cursor.no_flags()?;
    Ok(Message::Prepare {
        prepare_lsn: cursor.lsn(PREPARE_LSN)?,
        end_lsn: cursor.lsn(END_LSN)?,
        prepare_time_us: cursor.time_us(PREPARE_TIME)?,
        xid: cursor.u32(XID)?,
        gid: cursor.str(GID)?,
    })
}

fn commit_prepared<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    cursor.no_flags()?;
    Ok(Message::CommitPrepared {
        commit_lsn: cursor.lsn(COMMIT_LSN)?,
        end_lsn: cursor.lsn(END_LSN)?,
        commit_time_us: cursor.time_us(COMMIT_TIME)?,
        xid: cursor.u32(XID)?,
        gid: cursor.str(GID)?,
    })
}

fn rollback_prepared<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    cursor.no_flags()?;
    Ok(Message::RollbackPrepared {
        prepare_end_lsn: cursor.lsn("the prepare record's end LSN")?,
        end_lsn: cursor.lsn(END_LSN)?,
        prepare_time_us: cursor.time_us(PREPARE_TIME)?,
        rollback_time_us: cursor.time_us("the rollback time")?,
        xid: cursor.u32(XID)?,
        gid: cursor.str(GID)?,
    })
}

fn stream_prepare<'a>(cursor: &mut Cursor<'a>, _: InStream) -> Result<Message<'a>, Error> {
    cursor.no_flags()?;
    Ok(Message::StreamPrepare {
        prepare_lsn: cursor.lsn(PREPARE_LSN)?,
        end_lsn: cursor.lsn(END_LSN)?,
        prepare_time_us: cursor.time_us(PREPARE_TIME)?,
        xid: cursor.u32(XID)?,
        gid: cursor.str(GID)?,
    })
}

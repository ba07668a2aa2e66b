use event::{Gtid, GtidSet, GtidSource, MariadbGtid};

use super::cursor::{Cursor, uint};
use super::event::Xid;
use super::kind;
use crate::Error;

/// The beginning of a transaction, as MySQL writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GtidEvent {
    /// None where the server gives none (`gtid_mode=OFF`).
    pub gtid: Option<Gtid>,
    /// When the server that it was first executed on committed it, in microseconds since 1970; 0 from before MySQL 8.
    pub commit_time_us: u64,
    /// How many bytes its events have, this one included; 0 if the server does not say.
    pub len: u64,
}

/// The beginning of a transaction, as MariaDB writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MariadbGtidEvent<'a> {
    /// The domain's and its number; the server's id stands in the event's header (`Gtid_log_event`).
    pub domain: u32,
    /// Within the domain.
    pub sequence: u64,
    /// Whether it is a single event that follows, without a commit behind it.
    pub is_standalone: bool,
    /// Whether it is a statement that changes a table's definition.
    pub is_ddl: bool,
    /// Whether what follows is prepared, and not committed yet.
    pub prepares: Option<Xid<'a>>,
    /// Whether what follows decides a prepared transaction.
    pub completes: Option<Xid<'a>>,
}

/// Who sent it long ago: a server that has the timestamps has this bit where there are two.
const HAS_ORIGINAL_TIMESTAMP: u64 = 1 << 55;

impl GtidEvent {
    pub(super) fn parse(event_kind: u8, body: &[u8]) -> Result<Self, Error> {
        const LOGICAL_CLOCK: u8 = 2;
        let mut cursor = Cursor::new(body, "GTID");
        cursor.u8("flags")?;
        let uuid = cursor.array::<16>("a UUID")?;
        let number = cursor.u64("a number")?;
        let mut read = Self { gtid: None, commit_time_us: 0, len: 0 };
        if event_kind == kind::GTID {
            read.gtid = Some(gtid(uuid, "", number).ok_or_else(|| cursor.error("a GTID's number"))?);
        }
        // Each version appended something.
        if cursor.is_at_end() || cursor.u8("a type of clock")? != LOGICAL_CLOCK {
            return Ok(read);
        }
        cursor.bytes(16, "a logical clock")?;
        if !cursor.is_at_end() {
            let committed = cursor.uint(7, "a time of commit")?;
            read.commit_time_us = match committed & HAS_ORIGINAL_TIMESTAMP {
                0 => committed,
                _ => cursor.uint(7, "a time of commit")?,
            };
        }
        if !cursor.is_at_end() {
            read.len = cursor.packed("a transaction's length")?;
        }
        Ok(read)
    }

    /// A message of `mysql::serialization`: its version, its length, the last field that must be understood, and then
    /// fields, each with its number before it. MySQL's `Gtid_event::define_fields` has their numbers.
    pub(super) fn parse_tagged(body: &[u8]) -> Result<Self, Error> {
        const LAST_KNOWN_FIELD: u64 = 11;
        let mut cursor = Cursor::new(body, "tagged GTID");
        let before = cursor.clone();
        if cursor.serialized("a version")? != 1 {
            return Err(before.error("serialization version 1: the server is too new"));
        }
        let len = cursor.serialized("a message's length")?;
        let end = body.len().checked_sub(usize::try_from(len).unwrap_or(usize::MAX));
        let end = end.ok_or_else(|| before.error("the message's length"))?;
        let before = cursor.clone();
        if cursor.serialized("a field's number")? > LAST_KNOWN_FIELD {
            return Err(before.error("no field that must be understood beyond 11: the server is too new"));
        }
        let (mut uuid, mut tag, mut number) = ([0; 16], "", 0);
        let (mut committed, mut first_committed) = (0, None);
        let mut transaction_len = 0;
        while cursor.rest().len() > end {
            match cursor.serialized("a field's number")? {
                1 => {
                    for byte in &mut uuid {
                        let before = cursor.clone();
                        *byte = u8::try_from(cursor.serialized("a byte of a UUID")?)
                            .map_err(|_| before.error("a byte of a UUID"))?;
                    }
                }
                // The sign has the lowest bit.
                2 => number = cursor.serialized("a number")? >> 1,
                3 => {
                    let before = cursor.clone();
                    let len = usize::try_from(cursor.serialized("a tag's length")?).unwrap_or(usize::MAX);
                    tag = cursor.str(len, "a tag").map_err(|_| before.error("a tag"))?;
                }
                6 => committed = cursor.serialized("a time of commit")?,
                7 => first_committed = Some(cursor.serialized("a time of commit")?),
                8 => transaction_len = cursor.serialized("a transaction's length")?,
                // Flags, the logical clock, versions of servers, a ticket: numbers.
                0 | 4 | 5 | 9 | 10 | LAST_KNOWN_FIELD => drop(cursor.serialized("a number")?),
                // What is beyond need not be understood, and nothing known comes behind it.
                _ => break,
            }
        }
        let gtid = gtid(uuid, tag, number).ok_or_else(|| cursor.error("a tag and a GTID's number"))?;
        let commit_time_us = first_committed.unwrap_or(committed);
        Ok(Self { gtid: Some(gtid), commit_time_us, len: transaction_len })
    }
}

impl Cursor<'_> {
    /// A number whose first byte has as many low bits set as bytes follow it (`write_varlen_bytes_unsigned`).
    fn serialized(&mut self, expected: &'static str) -> Result<u64, Error> {
        let first = self.u8(expected)?;
        let more = first.trailing_ones();
        let rest = uint(self.bytes(more as usize, expected)?);
        Ok(match more {
            7.. => rest,
            _ => u64::from(first >> (more + 1)) | rest << (7 - more),
        })
    }
}

fn gtid(uuid: [u8; 16], tag: &str, number: u64) -> Option<Gtid> {
    let is_number = (1..=Gtid::MAX).contains(&number);
    Some(Gtid { source: GtidSource::new(uuid, tag).filter(|_| is_number)?, number })
}

/// A set as servers write it into events and commands: since 8.3 in either of two forms (`Gtid_set::encode`).
pub(super) fn previous_gtids(body: &[u8]) -> Result<GtidSet, Error> {
    let mut cursor = Cursor::new(body, "previous GTIDs");
    let before = cursor.clone();
    let sources = cursor.u64("a count of sources")?;
    let (has_tags, sources) = match sources >> 56 {
        0 => (false, sources),
        1 => (true, sources >> 8 & 0xFFFF_FFFF_FFFF),
        _ => return Err(before.error("a known form of a GTID set: the server is too new")),
    };
    let mut set = GtidSet::default();
    for _ in 0..sources {
        let uuid = cursor.array("a UUID")?;
        let before = cursor.clone();
        let tag = if has_tags {
            let len = cursor.u8("a tag's length")? >> 1;
            cursor.str(len.into(), "a tag")?
        } else {
            ""
        };
        let source = GtidSource::new(uuid, tag).ok_or_else(|| before.error("a tag"))?;
        for _ in 0..cursor.u64("a count of intervals")? {
            let before = cursor.clone();
            let (first, after) = (cursor.u64("an interval's first")?, cursor.u64("an interval's end")?);
            if first == 0 || first >= after || after > Gtid::MAX + 1 {
                return Err(before.error("an interval of GTIDs"));
            }
            set.add_interval(&source, first, after - 1);
        }
    }
    Ok(set)
}

impl<'a> MariadbGtidEvent<'a> {
    const STANDALONE: u8 = 1;
    const GROUP_COMMIT_ID: u8 = 2;
    const DDL: u8 = 32;
    const PREPARED_XA: u8 = 64;
    const COMPLETED_XA: u8 = 128;

    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body, "GTID");
        let sequence = cursor.u64("a sequence number")?;
        let domain = cursor.u32("a domain")?;
        let flags = cursor.u8("flags")?;
        let mut read = Self {
            domain,
            sequence,
            is_standalone: flags & Self::STANDALONE != 0,
            is_ddl: flags & Self::DDL != 0,
            prepares: None,
            completes: None,
        };
        if flags & (Self::PREPARED_XA | Self::COMPLETED_XA) != 0 {
            if flags & Self::GROUP_COMMIT_ID != 0 {
                cursor.u64("a group's commit id")?;
            }
            let format = cursor.u32("a format")?;
            let (global, branch) = (cursor.u8("a length")?, cursor.u8("a length")?);
            let global = cursor.bytes(global.into(), "a global id")?;
            let xid = Xid { format, global, branch: cursor.bytes(branch.into(), "a branch")? };
            let place = if flags & Self::PREPARED_XA != 0 { &mut read.prepares } else { &mut read.completes };
            *place = Some(xid);
        }
        Ok(read)
    }

    /// Its whole name, with the server's id out of the event's header.
    pub fn gtid(&self, server_id: u32) -> MariadbGtid {
        MariadbGtid { domain: self.domain, server: server_id, sequence: self.sequence }
    }
}

pub(super) fn mariadb_gtid_list(body: &[u8]) -> Result<Vec<MariadbGtid>, Error> {
    let mut cursor = Cursor::new(body, "GTID list");
    // The highest four bits are flags.
    let count = cursor.u32("a count")? & 0x0FFF_FFFF;
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(MariadbGtid {
            domain: cursor.u32("a domain")?,
            server: cursor.u32("a server's id")?,
            sequence: cursor.u64("a sequence number")?,
        });
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialized_numbers_have_as_many_bytes_as_their_first_says() {
        for (bytes, value) in [
            (&[0_u8][..], 0),
            (&[0xFE], 127),
            (&[0x01, 0x02], 128),
            (&[0xFD, 0xFF], 0x3FFF),
            (&[0x7F, 1, 2, 3, 4, 5, 6, 7], 0x0007_0605_0403_0201),
            (&[0xFF, 1, 2, 3, 4, 5, 6, 7, 8], 0x0807_0605_0403_0201),
        ] {
            let mut cursor = Cursor::new(bytes, "test");
            assert_eq!(cursor.serialized("a number"), Ok(value), "{bytes:?}");
            cursor.end().unwrap();
        }
        Cursor::new(&[0x03, 1], "test").serialized("a number").unwrap_err();
    }
}

use super::cursor::Cursor;
use super::header::{Checksum, Header};
use super::{Event, kind};
use crate::Error;

/// How the events of a file are written: what the file's first event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The version of the server that writes, as it calls itself.
    pub server_version: String,
    /// What follows each event.
    pub checksum: Checksum,
}

/// The magic bytes that a file begins with; a server sends none.
pub const FILE_HEADER: &[u8] = b"\xFEbin";

/// What a description's server version is filled up to.
const VERSION_LEN: usize = 50;

impl Format {
    /// Before the first description was seen: checksums are as the reader asked the server for them
    /// (`@source_binlog_checksum`, `@master_binlog_checksum`).
    pub fn before_description(checksum: Checksum) -> Self {
        Self { server_version: String::new(), checksum }
    }

    /// Whether the server is MariaDB. It tells so in its version, whose numbers overlap with MySQL's.
    pub fn is_mariadb(&self) -> bool {
        self.server_version.contains("MariaDB")
    }

    /// Reads one whole event, checksum included. After a [`Event::FormatDescription`] its format holds.
    pub fn event<'a>(&self, event: &'a [u8]) -> Result<(Header, Event<'a>), Error> {
        let header = Header::parse(event)?;
        if usize::try_from(header.len) != Ok(event.len()) {
            return Err(Cursor::new(event, "header").error("the length of the bytes that came"));
        }
        if header.kind == kind::FORMAT_DESCRIPTION {
            return Ok((header, Event::FormatDescription(Self::parse(&header, event)?)));
        }
        let event = self.checksum.strip(&header, event)?;
        Ok((header, Event::parse(&header, event.get(Header::LEN..).unwrap_or_default())?))
    }

    /// The bytes between an event's header and what follows it.
    pub fn body<'a>(&self, event: &'a [u8]) -> &'a [u8] {
        event.get(Header::LEN..event.len().saturating_sub(self.checksum.len())).unwrap_or_default()
    }

    /// How many bytes follow an event's body.
    pub fn checksum_len(&self) -> usize {
        self.checksum.len()
    }

    /// Checks an event that is not at hand as a whole: by the CRC-32 of all its bytes but the last four, and those.
    pub fn check(&self, header: &Header, crc32: u32, last: &[u8]) -> Result<(), Error> {
        self.checksum.check(header, crc32, last)
    }

    /// Reads one event out of a transaction's payload, where none has a checksum.
    pub fn inner_event(event: &[u8]) -> Result<(Header, Event<'_>), Error> {
        match Self::before_description(Checksum::None).event(event)? {
            (_, Event::FormatDescription(_) | Event::TransactionPayload(_)) => {
                Err(Cursor::new(event, "transaction payload").error("an event of a transaction"))
            }
            read => Ok(read),
        }
    }

    /// A description says itself whether it has a checksum, in the byte before it; all servers since MySQL 5.6 write both.
    fn parse(header: &Header, event: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(event.get(Header::LEN..).unwrap_or_default(), "format description");
        let before = cursor.clone();
        if cursor.u16("a binlog version")? != 4 {
            return Err(before.error("binlog version 4: the server is too old"));
        }
        let version = cursor.bytes(VERSION_LEN, "the server's version")?;
        let version = version.split(|byte| *byte == 0).next().unwrap_or_default();
        let server_version =
            str::from_utf8(version).map_err(|_| before.error("a version in ASCII"))?.to_owned();
        cursor.u32("a time of creation")?;
        let before = cursor.clone();
        if usize::from(cursor.u8("a header's length")?) != Header::LEN {
            return Err(before.error("headers of 19 bytes"));
        }
        let checksum = match cursor.rest().split_last_chunk::<{ Checksum::LEN }>() {
            Some(([.., 0], _)) => Checksum::None,
            Some(([.., 1], _)) => {
                Checksum::Crc32.strip(header, event)?;
                Checksum::Crc32
            }
            _ => return Err(cursor.error("no checksum or CRC-32: the server is too old or too new")),
        };
        Ok(Self { server_version, checksum })
    }
}

/// The events of a whole file: their positions, headers and contents. What a server has not ended writing is left out.
pub fn events(file: &[u8]) -> Result<Events<'_>, Error> {
    let Some(rest) = file.strip_prefix(FILE_HEADER) else {
        return Err(Cursor::new(file, "file").error("a binlog file's first four bytes"));
    };
    Ok(Events { rest, position: FILE_HEADER.len() })
}

/// Iterates over the bytes of a file's events, each with its position.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Iterator for Events<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let len = Header::parse(self.rest).ok()?.len as usize;
        let (event, rest) = self.rest.split_at_checked(len.max(Header::LEN))?;
        let position = self.position;
        self.rest = rest;
        self.position += event.len();
        Some((position, event))
    }
}

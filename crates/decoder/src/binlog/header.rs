use super::cursor::Cursor;
use super::kind;
use crate::Error;

/// What stands before every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// When the statement began on the server that it was first executed on, in seconds since 1970.
    pub timestamp_s: u32,
    /// What the event is, as the server numbers kinds.
    pub kind: u8,
    /// The server that it was first executed on.
    pub server_id: u32,
    /// With this header and the checksum.
    pub len: u32,
    /// Where the next event begins in the file, in its lowest 32 bits: a file may be longer. 0 for an event that is not
    /// in the file as it is, or within a compressed transaction.
    pub next_position: u32,
    /// Some of the flags below.
    pub flags: u16,
}

impl Header {
    /// How long it is.
    pub const LEN: usize = 19;
    /// The file is being written.
    const IN_USE: u16 = 0x01;
    /// The event is not in the file: the server made it for whoever reads.
    const ARTIFICIAL: u16 = 0x20;
    /// A reader that does not know the kind may pass over the event.
    const IGNORABLE: u16 = 0x80;
    /// Which bit of an event's bytes is `IN_USE`.
    const IN_USE_AT: usize = 17;

    /// Reads it off an event's beginning.
    pub fn parse(event: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(event, "header");
        Ok(Self {
            timestamp_s: cursor.u32("a timestamp")?,
            kind: cursor.u8("a kind")?,
            server_id: cursor.u32("a server's id")?,
            len: cursor.u32("the event's length")?,
            next_position: cursor.u32("the next event's position")?,
            flags: cursor.u16("flags")?,
        })
    }

    /// Whether the server made it for whoever reads.
    pub fn is_artificial(&self) -> bool {
        self.flags & Self::ARTIFICIAL != 0
    }

    /// Whether it is about the log: how it is written, which file comes next, or what it holds in compressed form.
    pub fn is_about_the_log(&self) -> bool {
        matches!(self.kind, kind::FORMAT_DESCRIPTION | kind::ROTATE | kind::TRANSACTION_PAYLOAD)
    }

    /// Whether it holds a whole transaction in compressed form.
    pub fn is_transaction_payload(&self) -> bool {
        self.kind == kind::TRANSACTION_PAYLOAD
    }

    /// Whether it says how the rows of a table are stored.
    pub fn is_table_map(&self) -> bool {
        self.kind == kind::TABLE_MAP
    }

    /// Whether it only says that the server is there, and how far it has come.
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.kind, kind::HEARTBEAT | kind::HEARTBEAT_V2)
    }

    /// Whether a reader that does not know the kind may pass over it.
    pub fn is_ignorable(&self) -> bool {
        self.flags & Self::IGNORABLE != 0
    }
}

/// What follows every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing.
    None,
    /// CRC-32 over header and body.
    Crc32,
}

impl Checksum {
    pub(super) const LEN: usize = 4;

    /// The event without its checksum, which must be right.
    pub(super) fn strip<'a>(self, header: &Header, event: &'a [u8]) -> Result<&'a [u8], Error> {
        if self == Self::None {
            return Ok(event);
        }
        let (event, checksum) = event.split_last_chunk::<{ Self::LEN }>().ok_or_else(|| damaged(header))?;
        if crc32(header, event) == u32::from_le_bytes(*checksum) { Ok(event) } else { Err(damaged(header)) }
    }

    /// How many bytes it has.
    pub(super) fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc32 => Self::LEN,
        }
    }

    /// Compares the sum of an event's bytes with its last ones.
    pub(super) fn check(self, header: &Header, crc32: u32, last: &[u8]) -> Result<(), Error> {
        match self {
            Self::Crc32 if last != crc32.to_le_bytes() => Err(damaged(header)),
            Self::Crc32 | Self::None => Ok(()),
        }
    }
}

fn damaged(header: &Header) -> Error {
    Error::Checksum { kind: header.kind, next_position: header.next_position }
}

/// The flag that the file is in use is set and taken back in place, and not part of what is summed up
/// (`Log_event_footer::event_checksum_test`).
fn crc32(header: &Header, event: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    match event.split_at_checked(Header::IN_USE_AT) {
        Some((before, [flags, after @ ..]))
            if header.flags & Header::IN_USE != 0 && header.kind == kind::FORMAT_DESCRIPTION =>
        {
            hasher.update(before);
            hasher.update(&[flags & !(Header::IN_USE as u8)]);
            hasher.update(after);
        }
        _ => hasher.update(event),
    }
    hasher.finalize()
}

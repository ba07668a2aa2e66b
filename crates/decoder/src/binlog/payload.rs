use std::io::{BufRead, BufReader, Cursor, Read};

use super::cursor;
use super::event::Event;
use super::format::Format;
use super::header::Header;
use crate::Error;

/// The events of a transaction in compressed form (`binlog_transaction_compression`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionPayload<'a> {
    bytes: &'a [u8],
    is_compressed: bool,
}

/// Reads the events of a payload one after the other: memory is taken for one event at a time, and not for the transaction.
pub struct PayloadEvents<'a> {
    stream: Box<dyn BufRead + Send + 'a>,
    event: Vec<u8>,
}

impl<'a> TransactionPayload<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = cursor::Cursor::new(body, "transaction payload");
        let (len, is_compressed) = fields(&mut cursor)?;
        let bytes = cursor.bytes(len, "a payload")?;
        cursor.end()?;
        Ok(Self { bytes, is_compressed })
    }

    /// Its events, from `BEGIN` to the commit.
    pub fn events(&self) -> Result<PayloadEvents<'a>, Error> {
        PayloadEvents::new(self.bytes, self.is_compressed)
    }

    /// The same from a copy of the payload as it is, for whoever reads them little by little.
    pub fn owned_events(&self) -> Result<PayloadEvents<'static>, Error> {
        PayloadEvents::new(Cursor::new(self.bytes.to_vec()), self.is_compressed)
    }
}

impl<'a> PayloadEvents<'a> {
    /// Of a payload that is kept elsewhere: what stands between an event's header and its checksum, so many bytes.
    pub fn stored(mut body: impl BufRead + Send + 'a, len: u64) -> Result<Self, Error> {
        let head = body.fill_buf().map_err(|_| damaged())?;
        let mut cursor = cursor::Cursor::new(head, "transaction payload");
        let (payload_len, is_compressed) = fields(&mut cursor)?;
        let before = head.len() - cursor.rest().len();
        if before as u64 + payload_len as u64 != len {
            return Err(cursor.error("a payload that fills the event"));
        }
        body.consume(before);
        Self::new(body.take(payload_len as u64), is_compressed)
    }

    fn new(bytes: impl BufRead + Send + 'a, is_compressed: bool) -> Result<Self, Error> {
        let stream: Box<dyn BufRead + Send + 'a> = if is_compressed {
            let decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|_| damaged())?;
            Box::new(BufReader::with_capacity(64 << 10, decoder))
        } else {
            Box::new(bytes)
        };
        Ok(Self { stream, event: Vec::new() })
    }

    /// The next one, or none at the end. Its header's position is that of the whole payload, so mostly 0.
    pub fn read(&mut self) -> Result<Option<(Header, Event<'_>)>, Error> {
        if self.advance()? { self.event().map(Some) } else { Ok(None) }
    }

    /// Moves on to the next one; false at the end.
    pub fn advance(&mut self) -> Result<bool, Error> {
        if self.stream.fill_buf().map_err(|_| damaged())?.is_empty() {
            return Ok(false);
        }
        self.event.clear();
        self.fetch(Header::LEN)?;
        let len = Header::parse(&self.event)?.len as usize;
        self.fetch(len.checked_sub(Header::LEN).ok_or_else(damaged)?)?;
        Ok(true)
    }

    /// The one that it moved on to.
    pub fn event(&self) -> Result<(Header, Event<'_>), Error> {
        Format::inner_event(&self.event)
    }

    /// The bytes of the one that it moved on to; they have no checksum.
    pub fn bytes(&self) -> &[u8] {
        &self.event
    }

    /// Appends so many bytes; memory grows with what really comes.
    fn fetch(&mut self, len: usize) -> Result<(), Error> {
        let read = (&mut self.stream).take(len as u64).read_to_end(&mut self.event);
        if read.is_ok_and(|read| read == len) { Ok(()) } else { Err(damaged()) }
    }
}

impl std::fmt::Debug for PayloadEvents<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayloadEvents").finish_non_exhaustive()
    }
}

/// The payload's length and whether it is compressed: fields of a number, a length and a value, up to a zero (`codecs::
/// binary::Transaction_payload`).
fn fields(cursor: &mut cursor::Cursor<'_>) -> Result<(usize, bool), Error> {
    const LEN: u64 = 1;
    const COMPRESSION: u64 = 2;
    const ZSTD: u64 = 0;
    const NONE: u64 = 255;
    let (mut len, mut is_compressed) = (None, false);
    loop {
        let field = cursor.packed("a field's number")?;
        if field == 0 {
            break;
        }
        let before = cursor.clone();
        let mut value = cursor::Cursor::new(cursor.packed_bytes("a field")?, "transaction payload");
        match field {
            LEN => len = Some(value.packed_len("a length")?),
            COMPRESSION => {
                is_compressed = match value.packed("a compression")? {
                    ZSTD => true,
                    NONE => false,
                    _ => return Err(before.error("ZSTD or NONE: the server is too new")),
                }
            }
            // The uncompressed length, and fields of later versions.
            _ => {}
        }
    }
    Ok((len.ok_or_else(|| cursor.error("a payload's length"))?, is_compressed))
}

fn damaged() -> Error {
    Error::MalformedEvent {
        event: "transaction payload",
        offset: 0,
        expected: "events, compressed with zstd",
    }
}

use std::io::{BufRead, BufReader, Read};

use super::cursor::Cursor;
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
    /// Fields of a number, a length and a value, up to a zero; what follows is the payload (`codecs::binary::
    /// Transaction_payload`).
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        const LEN: u64 = 1;
        const COMPRESSION: u64 = 2;
        const ZSTD: u64 = 0;
        const NONE: u64 = 255;
        let mut cursor = Cursor::new(body, "transaction payload");
        let (mut len, mut is_compressed) = (None, false);
        loop {
            let field = cursor.packed("a field's number")?;
            if field == 0 {
                break;
            }
            let before = cursor.clone();
            let mut value = Cursor::new(cursor.packed_bytes("a field")?, "transaction payload");
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
        let len = len.ok_or_else(|| cursor.error("a payload's length"))?;
        let bytes = cursor.bytes(len, "a payload")?;
        cursor.end()?;
        Ok(Self { bytes, is_compressed })
    }

    /// Its events, from `BEGIN` to the commit.
    pub fn events(&self) -> Result<PayloadEvents<'a>, Error> {
        let stream: Box<dyn BufRead + Send + 'a> = if self.is_compressed {
            let decoder = zstd::stream::read::Decoder::with_buffer(self.bytes).map_err(|_| damaged())?;
            Box::new(BufReader::with_capacity(64 << 10, decoder))
        } else {
            Box::new(self.bytes)
        };
        Ok(PayloadEvents { stream, event: Vec::new() })
    }
}

impl PayloadEvents<'_> {
    /// The next one, or none at the end. Its header's position is that of the whole payload, so mostly 0.
    pub fn read(&mut self) -> Result<Option<(Header, Event<'_>)>, Error> {
        if self.stream.fill_buf().map_err(|_| damaged())?.is_empty() {
            return Ok(None);
        }
        self.event.clear();
        self.fetch(Header::LEN)?;
        let len = Header::parse(&self.event)?.len as usize;
        self.fetch(len.checked_sub(Header::LEN).ok_or_else(damaged)?)?;
        Format::inner_event(&self.event).map(Some)
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

fn damaged() -> Error {
    Error::MalformedEvent {
        event: "transaction payload",
        offset: 0,
        expected: "events, compressed with zstd",
    }
}

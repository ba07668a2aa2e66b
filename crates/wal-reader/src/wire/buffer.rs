use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes from the server that are not used yet, and room for more.
///
/// Room is asked for in large pieces, so that one read under backlog takes what a pause has let pile up. A length
/// field is never believed beyond a step: the room for a large message at most doubles what has really arrived, and
/// goes back once the message is gone.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    /// Wholly initialised; the first `filled` bytes are from the server.
    bytes: BytesMut,
    filled: usize,
    /// The most room there has been since the last [`shrink`](Self::shrink).
    peak: usize,
}

/// Room made at a time.
const STEP_BYTES: usize = 256 * 1024;
/// With less than this left, room is made: a read into little room costs as much as one into much.
const LEAST_ROOM_BYTES: usize = 64 * 1024;
/// Above this, a buffer that has been used up is given back.
const KEEP_BYTES: usize = 1024 * 1024;
/// Tag and length. The length counts itself, but not the tag.
const HEADER_BYTES: usize = 5;
/// Postgres itself refuses to build a message of 1 GB (`PQ_LARGE_MESSAGE_LIMIT`, `MaxAllocSize`).
const MAX_MESSAGE_BYTES: usize = 0x4000_0000;

impl ReadBuffer {
    /// The size of the next message with its header, as soon as the header is there.
    pub(super) fn message_bytes(&self) -> io::Result<Option<usize>> {
        message_bytes(self.filled())
    }

    /// The next message with its header, if all of it is there.
    pub(super) fn message(&self) -> io::Result<Option<&[u8]>> {
        Ok(self.message_bytes()?.and_then(|bytes| self.filled().get(..bytes)))
    }

    /// The size of the whole messages of one kind that come next: the first one's, and others' up to about `most_bytes`.
    pub(super) fn run_bytes(&self, tag: u8, most_bytes: usize) -> usize {
        let mut run_bytes = 0;
        while run_bytes < most_bytes {
            let rest = self.filled().get(run_bytes..).unwrap_or_default();
            match message_bytes(rest) {
                Ok(Some(bytes)) if rest.first() == Some(&tag) && bytes <= rest.len() => run_bytes += bytes,
                _ => break,
            }
        }
        run_bytes
    }

    /// Drops the first bytes: an offset moves.
    pub(super) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.filled);
        self.bytes.advance(bytes);
        self.filled -= bytes;
        self.shrink();
    }

    /// Takes the first bytes out without copying them.
    pub(super) fn take(&mut self, bytes: usize) -> BytesMut {
        let taken = self.bytes.split_to(bytes.min(self.filled));
        self.filled -= taken.len();
        self.shrink();
        taken
    }

    /// Reads once. Cancel-safe. An end of the stream is an error.
    pub(super) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        self.make_room();
        let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
        match stream.read(room).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            read => {
                self.filled += read;
                Ok(())
            }
        }
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    fn make_room(&mut self) {
        let missing = match self.message_bytes() {
            Ok(Some(bytes)) => bytes.saturating_sub(self.filled),
            _ => 0,
        };
        if self.bytes.len() - self.filled >= missing.clamp(1, LEAST_ROOM_BYTES) {
            return;
        }
        let room = missing.clamp(STEP_BYTES, self.filled.max(STEP_BYTES));
        // Only what is filled is moved; what was consumed before it is reused, if nobody holds it any more.
        self.bytes.truncate(self.filled);
        self.bytes.reserve(room);
        self.bytes.resize(self.filled + room, 0);
        self.peak = self.peak.max(self.bytes.len());
    }

    fn shrink(&mut self) {
        if self.peak > KEEP_BYTES && self.filled < STEP_BYTES {
            self.bytes = BytesMut::from(self.filled());
            self.peak = self.filled;
        }
    }
}

fn message_bytes(filled: &[u8]) -> io::Result<Option<usize>> {
    let Some([_, length @ ..]) = filled.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if !(HEADER_BYTES - 1..=MAX_MESSAGE_BYTES).contains(&bytes) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {bytes} bytes")));
    }
    Ok(Some(bytes + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body_bytes: usize) -> Vec<u8> {
        let mut message = vec![tag];
        message.extend(u32::try_from(body_bytes + 4).unwrap().to_be_bytes());
        message.resize(body_bytes + 5, tag);
        message
    }

    async fn next(buffer: &mut ReadBuffer, stream: &mut (impl AsyncRead + Unpin)) -> BytesMut {
        loop {
            if let Some(message) = buffer.message().unwrap() {
                let bytes = message.len();
                return buffer.take(bytes);
            }
            buffer.fill(stream).await.unwrap();
        }
    }

    #[tokio::test]
    async fn messages_of_every_size_come_out_as_they_went_in() {
        let sizes = [0, 1, 70_000, 300_000, 5_000_000, 3, 262_139, 262_140, 9];
        let sent: Vec<u8> = sizes.iter().flat_map(|size| message(b'd', *size)).collect();
        let mut stream = sent.as_slice();
        let mut buffer = ReadBuffer::default();
        for size in sizes {
            assert_eq!(next(&mut buffer, &mut stream).await, message(b'd', size));
        }
        assert_eq!(buffer.filled, 0);
        assert!(buffer.fill(&mut stream).await.is_err());
    }

    #[tokio::test]
    async fn a_run_ends_with_its_kind_or_with_what_is_there() {
        let sent = [message(b'd', 10), message(b'd', 0), message(b'c', 0), message(b'd', 9)].concat();
        let mut buffer = ReadBuffer::default();
        let last = sent.len() - 1;
        buffer.fill(&mut &sent[..last]).await.unwrap();
        assert_eq!(buffer.run_bytes(b'd', 1000), 20);
        assert_eq!(buffer.run_bytes(b'd', 1), 15, "one at least");
        assert_eq!(buffer.run_bytes(b'x', 1000), 0);
        buffer.consume(25);
        assert_eq!(buffer.run_bytes(b'd', 1000), 0, "not whole");
    }

    #[tokio::test]
    async fn a_length_is_believed_only_as_far_as_bytes_arrive() {
        let mut claim = vec![b'd'];
        claim.extend(0x3fff_ffff_u32.to_be_bytes());
        claim.resize(600_000, 0);
        let mut stream = claim.as_slice();
        let mut buffer = ReadBuffer::default();
        while buffer.fill(&mut stream).await.is_ok() {}
        assert!(buffer.bytes.len() <= 2 * 600_000 + STEP_BYTES, "{}", buffer.bytes.len());
    }

    #[tokio::test]
    async fn room_goes_back_after_a_giant() {
        let sent = [message(b'd', 20_000_000), message(b'd', 10)].concat();
        let mut stream = sent.as_slice();
        let mut buffer = ReadBuffer::default();
        loop {
            if let Some(message) = buffer.message().unwrap() {
                let bytes = message.len();
                buffer.consume(bytes);
                break;
            }
            buffer.fill(&mut stream).await.unwrap();
        }
        assert!(buffer.bytes.capacity() <= KEEP_BYTES);
        assert_eq!(next(&mut buffer, &mut stream).await, message(b'd', 10));
    }

    #[test]
    fn impossible_lengths_are_errors() {
        for length in [0_u32, 3, 0x4000_0001, u32::MAX] {
            let mut buffer = ReadBuffer { bytes: BytesMut::from(&b"d\0\0\0\0"[..]), filled: 5, peak: 0 };
            buffer.bytes[1..].copy_from_slice(&length.to_be_bytes());
            assert!(buffer.message().is_err(), "{length}");
        }
    }
}

//! The packets that MySQL and MariaDB speak in.

mod buffer;

use std::io::Read as _;

use flate2::read::ZlibDecoder;

use self::buffer::Buffer;

/// Packets out of bytes, without IO.
///
/// A packet comes in one part or, from 16 MB on, in several, each after its length and a number that counts on. With
/// compression on, that stream comes in turn in frames, each compressed or not. A packet is shown where it was received, its
/// parts put together; one that is too large for that can be had piece by piece.
///
/// ```
/// let mut frames = decoder::packets::Frames::default();
/// frames.room()[..9].copy_from_slice(b"\x02\0\0\0ok\x09\0\0");
/// frames.add(9);
/// assert!(frames.advance()?);
/// assert_eq!(frames.packet(), b"ok");
/// frames.consume();
/// assert!(!frames.advance()?);
/// # Ok::<(), decoder::packets::FramingError>(())
/// ```
#[derive(Debug, Default)]
pub struct Frames {
    /// As it came from the server.
    received: Buffer,
    /// What was in its frames, with compression on.
    unpacked: Option<Buffer>,
    /// The number that the next part has.
    sequence: u8,
    packet: Packet,
}

/// How far the packet is that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packet {
    /// So much of it is there, in parts that have been put together behind the first one's header.
    Coming { joined: usize },
    /// All of it.
    Whole { len: usize },
    /// It is handed out in pieces: what is left of the present part, whether another one follows, and the length of what
    /// was handed out last.
    Pieces { left: usize, is_last: bool, shown: usize },
}

/// What came is not in the form of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// Something was lost, or never was a packet.
    #[error("the packet number {found} where {expected} was to come")]
    OutOfOrder {
        /// By the number of the one before.
        expected: u8,
        /// What came.
        found: u8,
    },
    /// Servers send none.
    #[error("a packet of more than 1 GB")]
    TooLarge,
    /// It can't be unpacked.
    #[error("a compressed packet that is damaged")]
    Damaged,
}

impl Default for Packet {
    fn default() -> Self {
        Self::Coming { joined: 0 }
    }
}

/// Length and number.
const HEADER_LEN: usize = 4;
/// A part of this length is followed by another one.
const FULL: usize = 0xFF_FFFF;
/// From this length on a packet can be had in pieces: a few of this size in memory are no matter.
const LARGE: usize = 1 << 20;
/// A frame's header: its length, its number, and its length unpacked, or 0 where it is not compressed.
const FRAME_HEADER_LEN: usize = 7;
/// What servers can be set to take and to send, and a marker byte before an event.
const MAX_LEN: usize = (1 << 30) + HEADER_LEN;

impl Frames {
    /// Behind the packet that was moved on to, both sides' packets come in frames.
    pub fn set_compressed(&mut self) {
        self.consume();
        self.unpacked = Some(Buffer::default());
    }

    /// A command begins, and with it the count of packets.
    pub fn begin_command(&mut self) {
        self.sequence = 0;
    }

    /// A packet of ours as it is sent.
    pub fn framed(&mut self, packet: &[u8]) -> Result<Vec<u8>, FramingError> {
        if packet.len() + HEADER_LEN >= FULL {
            return Err(FramingError::TooLarge);
        }
        let header = |len: usize, sequence: u8| {
            let [a, b, c, ..] = len.to_le_bytes();
            [a, b, c, sequence]
        };
        let mut framed = Vec::new();
        if self.unpacked.is_some() {
            // What is so short is not worth compressing.
            framed.extend(header(packet.len() + HEADER_LEN, self.sequence));
            framed.extend([0; 3]);
        }
        framed.extend(header(packet.len(), self.sequence));
        framed.extend(packet);
        self.sequence = self.sequence.wrapping_add(1);
        Ok(framed)
    }

    /// Where bytes from the server are to be put.
    pub fn room(&mut self) -> &mut [u8] {
        let missing = match self.unpacked {
            Some(_) => frame(self.received.filled()).map_or(0, |frame| frame.len),
            None => self.missing(),
        };
        let missing = missing.saturating_sub(self.received.filled().len());
        self.received.room(missing)
    }

    /// So many bytes were put there.
    pub fn add(&mut self, bytes: usize) {
        self.received.add(bytes);
    }

    /// Moves on to the next packet, if all of it has come.
    pub fn advance(&mut self) -> Result<bool, FramingError> {
        loop {
            if self.join()? {
                return Ok(true);
            }
            if !self.unpack()? {
                return Ok(false);
            }
        }
    }

    /// Whether nothing has come that was not dropped.
    pub fn is_empty(&self) -> bool {
        self.received.filled().is_empty() && self.bytes().is_empty()
    }

    /// The packet that was moved on to.
    pub fn packet(&self) -> &[u8] {
        match self.packet {
            Packet::Whole { len } => self.bytes().get(HEADER_LEN..HEADER_LEN + len).unwrap_or_default(),
            Packet::Coming { .. } | Packet::Pieces { .. } => &[],
        }
    }

    /// Drops the packet that was moved on to.
    pub fn consume(&mut self) {
        if let Packet::Whole { len } = self.packet {
            self.buffer().consume(HEADER_LEN + len);
            self.packet = Packet::default();
        }
    }

    /// The beginning of a large packet, before its first part is whole.
    pub fn large(&self) -> Option<&[u8]> {
        let (header, rest) = self.bytes().split_first_chunk::<HEADER_LEN>()?;
        let is_new = self.packet == Packet::Coming { joined: 0 };
        (is_new && part_len(header) >= LARGE).then_some(rest)
    }

    /// In place of [`advance`](Self::advance), for a packet that was seen to be [`large`](Self::large): its next bytes, which
    /// are dropped with the next call; empty at its end, none if more has to come.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, FramingError> {
        loop {
            let (mut left, mut is_last) = match self.packet {
                Packet::Pieces { left, is_last, shown } => {
                    self.buffer().consume(shown);
                    (left - shown, is_last)
                }
                Packet::Coming { .. } | Packet::Whole { .. } => (0, false),
            };
            if left == 0 && is_last {
                self.packet = Packet::default();
                return Ok(Some(&[]));
            }
            if left == 0
                && let Some(header) = self.bytes().first_chunk().copied()
            {
                self.count(header)?;
                self.buffer().consume(HEADER_LEN);
                left = part_len(&header);
                is_last = left < FULL;
            }
            let shown = left.min(self.bytes().len());
            self.packet = Packet::Pieces { left, is_last, shown };
            if shown > 0 {
                return Ok(self.bytes().get(..shown));
            }
            if !(left == 0 && is_last || self.unpack()?) {
                return Ok(None);
            }
        }
    }

    /// Puts the parts together that have come; whether that was the last one.
    fn join(&mut self) -> Result<bool, FramingError> {
        while let Packet::Coming { joined } = self.packet {
            // The first part's header stays where it is.
            let at = if joined == 0 { 0 } else { HEADER_LEN + joined };
            let Some(header) = self.bytes().get(at..).and_then(<[u8]>::first_chunk).copied() else {
                return Ok(false);
            };
            let len = part_len(&header);
            if joined + len > MAX_LEN {
                return Err(FramingError::TooLarge);
            }
            if self.bytes().len() < at + HEADER_LEN + len {
                return Ok(false);
            }
            self.count(header)?;
            if joined > 0 {
                self.buffer().cut(at, HEADER_LEN);
            }
            let joined = joined + len;
            self.packet = if len == FULL { Packet::Coming { joined } } else { Packet::Whole { len: joined } };
        }
        Ok(matches!(self.packet, Packet::Whole { .. }))
    }

    /// Unpacks the next frame; false: not all of it has come, or there are none.
    fn unpack(&mut self) -> Result<bool, FramingError> {
        let Some(unpacked) = &mut self.unpacked else { return Ok(false) };
        let received = self.received.filled();
        let Some(Frame { len, unpacked_len }) = frame(received) else { return Ok(false) };
        let Some(bytes) = received.get(FRAME_HEADER_LEN..len) else { return Ok(false) };
        let mut bytes = (bytes, (unpacked_len > 0).then(|| ZlibDecoder::new(bytes)));
        let mut left = if unpacked_len > 0 { unpacked_len } else { len - FRAME_HEADER_LEN };
        while left > 0 {
            let room = unpacked.room(left);
            let len = room.len().min(left);
            let room = room.get_mut(..len).unwrap_or_default();
            let read = match &mut bytes {
                (_, Some(stream)) => stream.read_exact(room),
                (stored, None) => stored.read_exact(room),
            };
            read.map_err(|_| FramingError::Damaged)?;
            unpacked.add(len);
            left -= len;
        }
        self.received.consume(len);
        Ok(true)
    }

    /// A part's number must be the next one. Within frames servers do not agree on how to count.
    fn count(&mut self, header: [u8; HEADER_LEN]) -> Result<(), FramingError> {
        let [.., found] = header;
        if self.unpacked.is_none() && found != self.sequence {
            return Err(FramingError::OutOfOrder { expected: self.sequence, found });
        }
        self.sequence = found.wrapping_add(1);
        Ok(())
    }

    /// How many bytes there must be for what comes next.
    fn missing(&self) -> usize {
        let at = match self.packet {
            Packet::Coming { joined } if joined > 0 => HEADER_LEN + joined,
            Packet::Coming { .. } => 0,
            Packet::Whole { .. } | Packet::Pieces { .. } => return 0,
        };
        let header = self.bytes().get(at..).and_then(<[u8]>::first_chunk);
        at + HEADER_LEN + header.map_or(0, part_len)
    }

    fn bytes(&self) -> &[u8] {
        self.unpacked.as_ref().unwrap_or(&self.received).filled()
    }

    fn buffer(&mut self) -> &mut Buffer {
        self.unpacked.as_mut().unwrap_or(&mut self.received)
    }
}

fn part_len(header: &[u8; HEADER_LEN]) -> usize {
    let [a, b, c, _] = *header;
    u32::from_le_bytes([a, b, c, 0]) as usize
}

/// A frame's length with its header, and unpacked, or 0 where it is not compressed.
struct Frame {
    len: usize,
    unpacked_len: usize,
}

fn frame(received: &[u8]) -> Option<Frame> {
    let [a, b, c, _, d, e, f] = *received.first_chunk::<FRAME_HEADER_LEN>()?;
    Some(Frame { len: FRAME_HEADER_LEN + part_len(&[a, b, c, 0]), unpacked_len: part_len(&[d, e, f, 0]) })
}

#[cfg(test)]
mod tests;

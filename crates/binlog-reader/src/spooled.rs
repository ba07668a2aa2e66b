//! A compressed transaction too large for memory.
//!
//! MySQL compresses a transaction as one event of up to 1 GB, and its checksum stands at its end. No row of it may go out
//! before that was seen to be right, so it waits in a file, and is unpacked from there little by little.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use decoder::binlog::{Format, Header, PayloadEvents};

/// An event of that kind, in a file without a name: it goes with its last user.
#[derive(Debug)]
pub(crate) struct Spooled {
    file: File,
    /// What came first: a marker byte, and the event's header.
    head: Vec<u8>,
    checksum: crc32fast::Hasher,
    /// The last bytes that came: they may be the event's own checksum.
    last: Vec<u8>,
}

const CHECKSUM_LEN: usize = 4;

impl Spooled {
    /// Whether an event that begins so is kept in a file. Other events are one row's, if they are so large, and rows are
    /// held in memory.
    pub(crate) fn is_wanted(event: &[u8]) -> bool {
        Header::parse(event).is_ok_and(|header| header.is_transaction_payload())
    }

    /// Begins with nothing.
    pub(crate) fn begin(folder: Option<&Path>) -> io::Result<Self> {
        let file = match folder.filter(|folder| folder.is_dir()) {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        Ok(Self { file, head: Vec::new(), checksum: crc32fast::Hasher::new(), last: Vec::new() })
    }

    /// Appends bytes: the marker first.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        const HEAD_LEN: usize = 1 + Header::LEN;
        if self.head.len() < HEAD_LEN {
            let marker = usize::from(self.head.is_empty());
            let (head, rest) = bytes.split_at(bytes.len().min(HEAD_LEN - self.head.len()));
            self.head.extend_from_slice(head);
            self.checksum.update(head.get(marker..).unwrap_or_default());
            bytes = rest;
        }
        self.file.write_all(bytes)?;
        self.last.extend_from_slice(bytes);
        let summed = self.last.len().saturating_sub(CHECKSUM_LEN);
        self.checksum.update(self.last.get(..summed).unwrap_or_default());
        self.last.drain(..summed);
        Ok(())
    }

    /// The event's header.
    pub(crate) fn head(&self) -> &[u8] {
        self.head.get(1..).unwrap_or_default()
    }

    /// Its events, if its checksum is right.
    pub(crate) fn events(mut self, format: &Format) -> Result<PayloadEvents<'static>, decoder::Error> {
        let header = Header::parse(self.head())?;
        format.check(&header, self.checksum.finalize(), &self.last)?;
        let is_rewound = self.file.seek(SeekFrom::Start(0)).is_ok();
        let len = u64::from(header.len).saturating_sub((Header::LEN + format.checksum_len()) as u64);
        PayloadEvents::stored(BufReader::with_capacity(64 << 10, self.file), if is_rewound { len } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use decoder::binlog::{Checksum, Event};

    use super::*;

    /// The first compressed transaction of a recording, with its marker byte.
    fn recorded() -> Vec<u8> {
        let recording = include_str!("../../decoder/tests/corpus/binlog-mysql.hex");
        let bytes = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let mut events =
            recording.lines().filter_map(|line| line.split_once(' ')).map(|(_, text)| bytes(text));
        let event = events.find(|event| Spooled::is_wanted(event)).unwrap();
        [&b"\0"[..], &event].concat()
    }

    fn kept(packet: &[u8], piece_len: usize) -> Spooled {
        let mut spooled = Spooled::begin(None).unwrap();
        for piece in packet.chunks(piece_len) {
            spooled.write(piece).unwrap();
        }
        spooled
    }

    fn kinds(mut events: PayloadEvents<'_>) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Some((header, _)) = events.read().unwrap() {
            kinds.push(header.kind);
        }
        kinds
    }

    #[test]
    fn what_is_kept_in_a_file_is_what_came() {
        let packet = recorded();
        let format = Format::before_description(Checksum::Crc32);
        let Event::TransactionPayload(payload) = format.event(&packet[1..]).unwrap().1 else { panic!() };
        let expected = kinds(payload.events().unwrap());
        assert!(expected.len() > 3);
        for piece_len in [1, 3, 7, 20, 100, packet.len()] {
            let spooled = kept(&packet, piece_len);
            assert_eq!(spooled.head(), &packet[1..=Header::LEN]);
            assert_eq!(kinds(spooled.events(&format).unwrap()), expected, "{piece_len}");
        }
    }

    #[test]
    fn no_event_goes_out_of_what_is_damaged() {
        let format = Format::before_description(Checksum::Crc32);
        for at in [1, Header::LEN + 2, recorded().len() / 2, recorded().len() - 1] {
            let mut packet = recorded();
            packet[at] ^= 0x10;
            assert!(
                matches!(kept(&packet, 11).events(&format), Err(decoder::Error::Checksum { .. })),
                "{at}"
            );
        }
        let packet = recorded();
        kept(&packet[..packet.len() - 9], 11).events(&format).unwrap_err();
    }
}

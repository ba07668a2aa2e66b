//! The log as events, each with its place.

use decoder::binlog::{Checksum, Event, Format, Header, PayloadEvents};
use event::BinlogOffset;

use crate::dump::Dump;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::system::LogFile;

/// A dump, how its events are written and where it is.
#[derive(Debug)]
pub(crate) struct Tail {
    dump: Dump,
    /// The dump has an event that was not moved on to yet.
    is_fresh: bool,
    /// Of the event that was moved on to.
    header: Option<Header>,
    /// What the event moved on to holds in compressed form, as far as it was not read.
    payload: Option<PayloadEvents<'static>>,
    format: Format,
    file: LogFile,
    file_name: String,
    /// Where the event that was moved on to begins; of one in a compressed transaction, where that one's does.
    begin: u64,
    /// Where it ends.
    end: u64,
}

impl Tail {
    /// The dump waits for its first event.
    pub(crate) fn new(dump: Dump) -> Self {
        Self {
            dump,
            is_fresh: true,
            header: None,
            payload: None,
            format: Format::before_description(Checksum::Crc32),
            file: LogFile { base: String::new(), number: 0 },
            file_name: String::new(),
            begin: 0,
            end: 0,
        }
    }

    /// Moves on to the next event that has come; false: none has.
    pub(crate) fn advance(&mut self) -> Result<bool, Error> {
        loop {
            if let Some(payload) = &mut self.payload {
                match payload.advance() {
                    Ok(true) => {
                        self.header = Header::parse(payload.bytes()).ok();
                        return Ok(true);
                    }
                    Ok(false) => self.payload = None,
                    Err(error) => return Err(self.undecodable(error)),
                }
            }
            if !(self.is_fresh || self.dump.take()?) {
                return Ok(false);
            }
            self.is_fresh = false;
            let header = Header::parse(self.dump.event()).map_err(|error| self.undecodable(error))?;
            self.header = Some(header);
            self.place(&header);
            if !header.is_about_the_log() {
                return Ok(true);
            }
            self.turn(&header)?;
        }
    }

    /// Waits until there is something to move on to. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> Result<(), Error> {
        if !self.is_fresh {
            self.dump.wait().await?;
            self.is_fresh = true;
        }
        Ok(())
    }

    /// The event that was moved on to.
    pub(crate) fn event(&self) -> Result<(Header, Event<'_>), Error> {
        self.parse(self.bytes(), self.payload.is_some())
    }

    /// The same as bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.payload.as_ref().map_or_else(|| self.dump.event(), PayloadEvents::bytes)
    }

    /// What stands between its header and its checksum.
    pub(crate) fn body(&self) -> &[u8] {
        self.body_of(self.bytes(), self.is_inner())
    }

    /// The same of an event that was kept.
    pub(crate) fn body_of<'e>(&self, bytes: &'e [u8], is_inner: bool) -> &'e [u8] {
        match is_inner {
            true => Format::before_description(Checksum::None).body(bytes),
            false => self.format.body(bytes),
        }
    }

    /// Whether it stands in a compressed transaction, and so has no checksum.
    pub(crate) fn is_inner(&self) -> bool {
        self.payload.is_some()
    }

    /// Reads an event of this log that was kept.
    pub(crate) fn parse<'e>(&self, bytes: &'e [u8], is_inner: bool) -> Result<(Header, Event<'e>), Error> {
        let read = if is_inner { Format::inner_event(bytes) } else { self.format.event(bytes) };
        read.map_err(|error| self.undecodable(error))
    }

    /// How the log is written.
    pub(crate) fn format(&self) -> &Format {
        &self.format
    }

    /// Whether the event that was moved on to is a table map.
    pub(crate) fn is_table_map(&self) -> bool {
        self.header.is_some_and(|header| header.is_table_map())
    }

    /// Whether the event that was moved on to only says how far the server has come.
    pub(crate) fn is_heartbeat(&self) -> bool {
        self.header.is_some_and(|header| header.is_heartbeat())
    }

    /// The log's file.
    pub(crate) fn file(&self) -> &LogFile {
        &self.file
    }

    /// Which of the log's files it is.
    pub(crate) fn file_number(&self) -> u32 {
        self.file.number
    }

    /// The file's name.
    pub(crate) fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Where the event that was moved on to begins.
    pub(crate) fn begin(&self) -> BinlogOffset {
        BinlogOffset { file: self.file.number, offset: self.begin }
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> BinlogOffset {
        BinlogOffset { file: self.file.number, offset: self.end }
    }

    /// Where it begins, for messages.
    pub(crate) fn place_text(&self) -> String {
        format!("{}:{}", self.file_name, self.begin)
    }

    /// The server has come so far without an event of ours.
    pub(crate) fn skip_to(&mut self, position: u64) {
        self.begin = self.end.max(position);
        self.end = self.begin;
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        self.dump.close().await;
    }

    /// Positions in headers have 32 bits, which files may outgrow, and MariaDB leaves them out within transactions: they
    /// are counted on, and what a header says holds where the server passed over something.
    fn place(&mut self, header: &Header) {
        if header.is_artificial() || header.is_heartbeat() {
            return;
        }
        let counted = self.end + u64::from(header.len);
        let told = header.next_position;
        self.begin = self.end;
        if told == 0 {
            // A description that is sent again, for the file is read from its middle, is not in it there.
            if !header.is_about_the_log() {
                self.end = counted;
            }
            return;
        }
        if counted as u32 != told {
            let high = self.end & !u64::from(u32::MAX);
            let mut end = high | u64::from(told);
            if end < self.end {
                end += 1 << 32;
            }
            self.begin = end.saturating_sub(header.len.into());
            self.end = end;
            return;
        }
        self.end = counted;
    }

    /// Takes in what an event says of the log.
    fn turn(&mut self, header: &Header) -> Result<(), Error> {
        if let Some(spooled) = self.dump.take_spooled() {
            let events = spooled.events(&self.format);
            self.payload = Some(events.map_err(|error| self.undecodable(error))?);
            return Ok(());
        }
        let read = self.format.event(self.dump.event());
        // Before the description it is not known whether events have checksums.
        let unsummed = Format::before_description(Checksum::None);
        let read = match read {
            Err(decoder::Error::Checksum { .. }) if header.is_artificial() => {
                unsummed.event(self.dump.event())
            }
            read => read,
        };
        match read.map_err(|error| self.undecodable(error))? {
            (_, Event::FormatDescription(format)) => self.format = format,
            (_, Event::Rotate { file, position }) => {
                let number = LogFile::parse(file);
                self.file_name = file.to_owned();
                self.file = number.ok_or_else(|| Error::Stream {
                    place: self.place_text(),
                    what: "a file without a number at the end of its name".to_owned(),
                })?;
                self.end = position;
                self.begin = position;
            }
            (_, Event::TransactionPayload(payload)) => {
                self.payload = Some(payload.owned_events().map_err(|error| self.undecodable(error))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn undecodable(&self, error: decoder::Error) -> Error {
        Refusal::Decoding { place: self.place_text(), error }.into()
    }
}

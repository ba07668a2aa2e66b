use event::Lsn;

use crate::Error;

/// The rest of a message, and what to say if it is not as expected.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// The whole message's.
    len: usize,
    message: &'static str,
}

/// From 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const EPOCH_US: i64 = 946_684_800_000_000;

impl<'a> Cursor<'a> {
    /// After the byte that names the kind.
    pub(super) fn new(rest: &'a [u8], message: &'static str) -> Self {
        Self { rest, len: rest.len() + 1, message }
    }

    pub(super) fn u8(&mut self, expected: &'static str) -> Result<u8, Error> {
        self.array(expected).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, expected: &'static str) -> Result<u16, Error> {
        self.array(expected).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, expected: &'static str) -> Result<u32, Error> {
        self.array(expected).map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self, expected: &'static str) -> Result<i32, Error> {
        self.array(expected).map(i32::from_be_bytes)
    }

    pub(super) fn lsn(&mut self, expected: &'static str) -> Result<Lsn, Error> {
        self.array(expected).map(|bytes| Lsn::from(u64::from_be_bytes(bytes)))
    }

    /// Microseconds since 1970.
    pub(super) fn time_us(&mut self, expected: &'static str) -> Result<i64, Error> {
        let time_us = i64::from_be_bytes(self.array(expected)?);
        time_us.checked_add(EPOCH_US).ok_or_else(|| self.error(expected))
    }

    /// A flag byte that only future versions use.
    pub(super) fn no_flags(&mut self) -> Result<(), Error> {
        let expected = "a zero flag byte";
        if self.rest.first().is_some_and(|flags| *flags != 0) {
            return Err(self.error(expected));
        }
        self.u8(expected).map(drop)
    }

    /// A text that ends with a zero byte.
    pub(super) fn str(&mut self, expected: &'static str) -> Result<&'a str, Error> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.error(expected))?;
        let (text, rest) = self.rest.split_at_checked(end).ok_or_else(|| self.error(expected))?;
        let text = std::str::from_utf8(text).map_err(|_| self.error(expected))?;
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(text)
    }

    pub(super) fn bytes(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.error(expected))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Bytes with their length before them, in four bytes of which the server uses the positive range.
    pub(super) fn counted_bytes(&mut self, expected: &'static str) -> Result<&'a [u8], Error> {
        let before = self.clone();
        let len = self.u32(expected)?;
        // On a 32-bit machine too: what does not fit an address cannot be in the message.
        usize::try_from(len)
            .ok()
            .and_then(|len| self.bytes(len, expected).ok())
            .ok_or_else(|| before.error(expected))
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes on behind what was read of [`rest`](Self::rest) elsewhere.
    pub(super) fn skip_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn end(&self) -> Result<(), Error> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("the end of the message")) }
    }

    pub(super) fn error(&self, expected: &'static str) -> Error {
        Error::Malformed { message: self.message, offset: self.len - self.rest.len(), expected }
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| self.error(expected))?;
        self.rest = rest;
        Ok(*array)
    }
}

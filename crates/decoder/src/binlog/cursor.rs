use crate::Error;

/// The rest of an event's body, and what to say if it is not as expected. Numbers are little-endian.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// The whole body's.
    len: usize,
    event: &'static str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8], event: &'static str) -> Self {
        Self { rest: body, len: body.len(), event }
    }

    pub(super) fn u8(&mut self, expected: &'static str) -> Result<u8, Error> {
        self.array(expected).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, expected: &'static str) -> Result<u16, Error> {
        self.array(expected).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, expected: &'static str) -> Result<u32, Error> {
        self.array(expected).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, expected: &'static str) -> Result<u64, Error> {
        self.array(expected).map(u64::from_le_bytes)
    }

    /// In so many bytes, at most eight.
    pub(super) fn uint(&mut self, bytes: usize, expected: &'static str) -> Result<u64, Error> {
        Ok(uint(self.bytes(bytes, expected)?))
    }

    /// A number in one byte, or, after a byte that says so, in two, three or eight (`net_field_length_ll`).
    #[inline]
    pub(super) fn packed(&mut self, expected: &'static str) -> Result<u64, Error> {
        let before = self.clone();
        match self.u8(expected)? {
            first @ 0..=250 => Ok(first.into()),
            252 => self.uint(2, expected),
            253 => self.uint(3, expected),
            254 => self.uint(8, expected),
            // 251 is the protocol's NULL, and 255 nothing.
            _ => Err(before.error(expected)),
        }
    }

    /// A packed number that counts bytes or things of this event, so is not larger than what can be in memory.
    pub(super) fn packed_len(&mut self, expected: &'static str) -> Result<usize, Error> {
        let before = self.clone();
        usize::try_from(self.packed(expected)?).map_err(|_| before.error(expected))
    }

    /// Bytes with their length before them, as a packed number.
    pub(super) fn packed_bytes(&mut self, expected: &'static str) -> Result<&'a [u8], Error> {
        let before = self.clone();
        let len = self.packed_len(expected)?;
        self.bytes(len, expected).map_err(|_| before.error(expected))
    }

    /// Text with its length before it, as a packed number.
    pub(super) fn packed_str(&mut self, expected: &'static str) -> Result<&'a str, Error> {
        let before = self.clone();
        str::from_utf8(self.packed_bytes(expected)?).map_err(|_| before.error(expected))
    }

    #[inline]
    pub(super) fn bytes(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.error(expected))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn str(&mut self, len: usize, expected: &'static str) -> Result<&'a str, Error> {
        let before = self.clone();
        str::from_utf8(self.bytes(len, expected)?).map_err(|_| before.error(expected))
    }

    /// What ends with a zero byte, without it.
    pub(super) fn until_zero(&mut self, expected: &'static str) -> Result<&'a [u8], Error> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.error(expected))?;
        let bytes = self.bytes(end, expected)?;
        self.u8(expected)?;
        Ok(bytes)
    }

    pub(super) fn zero(&mut self, expected: &'static str) -> Result<(), Error> {
        let before = self.clone();
        if self.u8(expected)? == 0 { Ok(()) } else { Err(before.error(expected)) }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| self.error(expected))?;
        self.rest = rest;
        Ok(*array)
    }

    /// All that has not been read yet; then nothing is left.
    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn end(&self) -> Result<(), Error> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("the end of the event")) }
    }

    #[cold]
    pub(super) fn error(&self, expected: &'static str) -> Error {
        Error::MalformedEvent { event: self.event, offset: self.len - self.rest.len(), expected }
    }
}

/// A little-endian number; of more than eight bytes the lowest count.
#[inline]
pub(super) fn uint(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(word)
}

/// A big-endian number of at most eight bytes.
#[inline]
pub(super) fn uint_be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The bits of a map, from each byte's lowest on.
#[inline]
pub(super) fn bit(map: &[u8], position: usize) -> bool {
    map.get(position / 8).is_some_and(|byte| byte >> (position % 8) & 1 == 1)
}

/// The same from each byte's highest on, as the metadata of a table has them.
pub(super) fn bit_from_high(map: &[u8], position: usize) -> bool {
    map.get(position / 8).is_some_and(|byte| byte << (position % 8) & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_are_what_the_server_packs() {
        for (bytes, value) in [
            (&[0_u8][..], 0),
            (&[250], 250),
            (&[252, 251, 0], 251),
            (&[252, 0xFF, 0xFF], 0xFFFF),
            (&[253, 0, 0, 1], 0x1_0000),
            (&[254, 1, 0, 0, 0, 0, 0, 0, 0x80], 0x8000_0000_0000_0001),
        ] {
            let mut cursor = Cursor::new(bytes, "test");
            assert_eq!(cursor.packed("a number"), Ok(value));
            cursor.end().unwrap();
        }
        for bytes in [&[][..], &[251], &[255], &[252, 1], &[254, 1, 2, 3, 4, 5, 6, 7]] {
            Cursor::new(bytes, "test").packed("a number").unwrap_err();
        }
        let error = Cursor::new(&[5, 1, 2], "test").packed_bytes("five bytes").unwrap_err();
        assert_eq!(
            error.to_string(),
            "binlog: malformed test event: expected five bytes at byte 0 of its body"
        );
    }

    #[test]
    fn bits_count_from_either_side() {
        assert!(bit(&[0b0000_0001], 0) && bit(&[0, 0b1000_0000], 15) && !bit(&[0xFF], 8));
        assert!(bit_from_high(&[0b1000_0000], 0) && bit_from_high(&[0, 1], 15) && !bit_from_high(&[0xFF], 8));
        assert_eq!((uint(&[1, 2]), uint_be(&[1, 2])), (0x0201, 0x0102));
    }
}

use std::io::Read as _;

use super::cursor::{Cursor, uint_be};
use crate::Error;

/// What MariaDB compresses (`log_bin_compress`): a byte of flags and of how many bytes the length has, the length, and a
/// zlib stream (`binlog_buf_uncompress` in log_event.cc).
pub(super) fn inflate(bytes: &[u8], event: &'static str) -> Result<Vec<u8>, Error> {
    const COMPRESSED: u8 = 0x80;
    const ALGORITHM: u8 = 0x70;
    let mut cursor = Cursor::new(bytes, event);
    let before = cursor.clone();
    let first = cursor.u8("a byte of flags")?;
    if first & COMPRESSED == 0 || first & ALGORITHM != 0 {
        return Err(before.error("zlib's number: the server is too new"));
    }
    let len = uint_be(cursor.bytes((first & 0x07).into(), "a length")?);
    let stream = flate2::read::ZlibDecoder::new(cursor.rest());
    read_exactly(stream, len).ok_or_else(|| cursor.error("a zlib stream of the given length"))
}

/// A value of a column that is stored compressed (`COMPRESSED` in MariaDB): a byte that says how, the length, and a deflate
/// stream with or without zlib's frame (`Field_longstr::uncompress` and `uncompress_zlib` in field.cc).
pub(super) fn inflate_column(bytes: &[u8]) -> Option<Vec<u8>> {
    const METHOD: u8 = 0xF0;
    const UNCOMPRESSED: u8 = 0;
    const ZLIB: u8 = 8 << 4;
    const IS_BARE: u8 = 8;
    let Some((first, rest)) = bytes.split_first() else {
        // An empty value has not even that byte.
        return Some(Vec::new());
    };
    match first & METHOD {
        UNCOMPRESSED => Some(rest.to_vec()),
        ZLIB => {
            let (len, stream) = rest.split_at_checked((first & 0x07).into())?;
            let len = uint_be(len);
            match first & IS_BARE {
                0 => read_exactly(flate2::read::ZlibDecoder::new(stream), len),
                _ => read_exactly(flate2::read::DeflateDecoder::new(stream), len),
            }
        }
        _ => None,
    }
}

/// Memory grows with what really comes, not with what was announced.
fn read_exactly(stream: impl std::io::Read, len: u64) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = stream.take(len.checked_add(1)?).read_to_end(&mut out).ok()?;
    (u64::try_from(read) == Ok(len)).then_some(out)
}

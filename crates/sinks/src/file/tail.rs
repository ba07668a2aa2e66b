//! Where the last whole event of a file ends.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use crate::Framing;

/// The length of the whole events at the beginning of the file; none if the file holds something else.
pub(crate) fn whole_len(file: &File, len: u64, framing: Framing) -> io::Result<Option<u64>> {
    if len == 0 {
        return Ok(Some(0));
    }
    match framing {
        Framing::Lines => whole_lines_len(file, len),
        Framing::LengthDelimited => whole_messages_len(file, len),
    }
}

/// Searches backwards for the last line's end.
fn whole_lines_len(file: &File, len: u64) -> io::Result<Option<u64>> {
    let mut first = [0];
    file.read_exact_at(&mut first, 0)?;
    if first != *b"{" {
        return Ok(None);
    }
    const STEP_BYTES: u64 = 1 << 16;
    let mut buffer = Vec::new();
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(STEP_BYTES);
        buffer.resize((end - start) as usize, 0);
        file.read_exact_at(&mut buffer, start)?;
        if let Some(newline) = buffer.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start + newline as u64 + 1));
        }
        end = start;
    }
    Ok(Some(0))
}

/// Lengths can only be followed from the beginning.
fn whole_messages_len(file: &File, len: u64) -> io::Result<Option<u64>> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut whole = 0;
    while let Some((header_len, message_len)) = read_varint(&mut reader)? {
        if message_len == 0 {
            // No event is empty, but after a power failure the end of a file can be zeros.
            let zeros = reader.bytes().all(|byte| matches!(byte, Ok(0)));
            return Ok(zeros.then_some(whole));
        }
        // Every event begins with its `op` field, which is never 0.
        if reader.fill_buf()?.first().is_some_and(|tag| *tag != OP_TAG) {
            return Ok(None);
        }
        if message_len > len.saturating_sub(whole + header_len) {
            break;
        }
        skip(&mut reader, message_len)?;
        whole += header_len + message_len;
    }
    Ok(Some(whole))
}

const OP_TAG: u8 = 1 << 3;

/// How long the number is and what it says; none where it is torn.
fn read_varint(reader: &mut impl BufRead) -> io::Result<Option<(u64, u64)>> {
    let mut value = 0;
    for position in 0..10 {
        let Some(&byte) = reader.fill_buf()?.first() else { return Ok(None) };
        reader.consume(1);
        value |= u64::from(byte & 0x7F).checked_shl(7 * position).unwrap_or_default();
        if byte < 0x80 {
            return Ok(Some((u64::from(position) + 1, value)));
        }
    }
    // Longer than any number: not a length at all, and larger than any file.
    Ok(Some((10, u64::MAX)))
}

fn skip(reader: &mut impl BufRead, mut count: u64) -> io::Result<()> {
    while count > 0 {
        let here = reader.fill_buf()?.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        if here == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        reader.consume(here);
        count -= here as u64;
    }
    Ok(())
}

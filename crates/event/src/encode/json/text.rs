//! Strings, and what travels in strings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Bytes;

/// Appends a JSON string.
pub(in crate::encode) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Appends what stands between a JSON string's quotes.
pub(in crate::encode) fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some((clean, tail)) = rest.split_at_checked(clean_len(rest)) {
        out.extend_from_slice(clean);
        let Some((byte, after)) = tail.split_first() else { break };
        write_escape(*byte, out);
        rest = after;
    }
}

/// Appends a JSON string that holds the data in base64, padded.
pub(in crate::encode) fn write_bytes(bytes: &Bytes<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    match bytes {
        Bytes::Raw(bytes) => write_base64(bytes, out),
        Bytes::Hex(digits) => {
            // A multiple of three bytes at a time, so that only the last piece is padded.
            for piece in digits.chunks(2 * 768) {
                let mut raw = [0; 768];
                let pairs = piece.as_chunks::<2>().0;
                raw.iter_mut().zip(pairs).for_each(|(byte, pair)| *byte = Bytes::from_hex(*pair));
                write_base64(raw.get(..pairs.len()).unwrap_or_default(), out);
            }
        }
    }
    out.push(b'"');
}

/// Appends a JSON string that holds the UUID with its hyphens.
pub(in crate::encode) fn write_uuid(bytes: &[u8; 16], out: &mut Vec<u8>) {
    out.push(b'"');
    for (n, byte) in bytes.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend([hex_digit(byte >> 4), hex_digit(byte & 0x0F)]);
    }
    out.push(b'"');
}

pub(in crate::encode) fn write_base64(data: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    if let Some(room) = out.get_mut(start..) {
        // The room is exactly what padded base64 needs.
        _ = STANDARD.encode_slice(data, room);
    }
}

/// How many bytes stand before the first one that JSON wants escaped.
fn clean_len(bytes: &[u8]) -> usize {
    let words = bytes.as_chunks::<8>().0;
    let clean = 8 * words.iter().take_while(|word| !any_needs_escape(u64::from_le_bytes(**word))).count();
    clean + bytes.iter().skip(clean).take_while(|byte| !needs_escape(**byte)).count()
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The same for eight bytes at once: a byte's high bit comes out set where it borrows from a subtraction. A borrow
/// may also set the bit above a byte that needs escaping, never without one.
fn any_needs_escape(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x80 * ONES;
    let below = |word: u64, limit: u64| word.wrapping_sub(limit * ONES) & !word;
    let is = |byte: u8| below(word ^ (u64::from(byte) * ONES), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & HIGHS != 0
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        other => {
            out.extend_from_slice(b"\\u00");
            out.extend([hex_digit(other >> 4), hex_digit(other & 0x0F)]);
            return;
        }
    };
    out.extend([b'\\', short]);
}

fn hex_digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn text_reads_back(text in any::<String>()) {
            let json = written(|out| write_text(&text, out));
            prop_assert!(!json.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn every_byte_is_judged_alike_in_words_and_alone(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let alone = bytes.iter().take_while(|byte| !needs_escape(**byte)).count();
            prop_assert_eq!(clean_len(&bytes), alone);
        }

        #[test]
        fn bytes_read_back_from_either_form(data in prop::collection::vec(any::<u8>(), 0..4000)) {
            let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            let from_hex = written(|out| write_bytes(&Bytes::Hex(Cow::Borrowed(hex.as_bytes())), out));
            let from_raw = written(|out| write_bytes(&Bytes::Raw(Cow::Borrowed(&data)), out));
            prop_assert_eq!(&from_hex, &from_raw);
            prop_assert_eq!(STANDARD.decode(from_raw.trim_matches('"')).unwrap(), data);
        }
    }

    #[test]
    fn a_uuid_is_written_as_postgres_writes_it() {
        let uuid =
            written(|out| write_uuid(&0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes(), out));
        assert_eq!(uuid, r#""01234567-89ab-cdef-fedc-ba9876543210""#);
    }
}

use std::borrow::Cow;

use event::Bytes;

/// Whether a text is `\x` and pairs of hexadecimal digits.
pub(super) fn is_hex(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b"\\x") else { return false };
    // In blocks without a way out, which the compiler makes wide instructions of.
    digits.len() % 2 == 0
        && digits.chunks(256).all(|block| block.iter().fold(true, |all, byte| all & byte.is_ascii_hexdigit()))
}

/// The digits of a text that [`is_hex`].
pub(super) fn hex(text: Cow<'_, [u8]>) -> Bytes<'_> {
    Bytes::Hex(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(2..).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.drain(..2.min(text.len()));
            Cow::Owned(text)
        }
    })
}

/// 8-4-4-4-12 digits in lower case.
pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut uuid = [0; 16];
    let mut digits = text.iter();
    for (number, byte) in uuid.iter_mut().enumerate() {
        if matches!(number, 4 | 6 | 8 | 10) && digits.next() != Some(&b'-') {
            return None;
        }
        *byte = hex_digit(*digits.next()?)? << 4 | hex_digit(*digits.next()?)?;
    }
    Some(uuid)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        for text in [r"\x", r"\x00", r"\xdeadBEEF"] {
            assert!(is_hex(text.as_bytes()), "{text}");
        }
        for text in ["", r"\", r"\x0", r"\xzz", r"\000", "00", &format!(r"\x{}g0", "0".repeat(500))] {
            assert!(!is_hex(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn uuids_are_read_in_the_one_form_that_is_written() {
        let bytes = [0x6d, 0xd0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xff];
        assert_eq!(uuid(b"6dd00001-0203-0405-0607-08090a0b0cff"), Some(bytes));
        for text in [
            "",
            "6dd00001-0203-0405-0607-08090a0b0cf",
            "6dd00001-0203-0405-0607-08090a0b0cfff",
            "6dd000010-203-0405-0607-08090a0b0cff",
            "6DD00001-0203-0405-0607-08090A0B0CFF",
            "6dd00001-0203-0405-0607-08090a0b0cfg",
        ] {
            assert_eq!(uuid(text.as_bytes()), None, "{text}");
        }
    }
}

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
#[inline]
pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if (text[8], text[13], text[18], text[23]) != (b'-', b'-', b'-', b'-') {
        return None;
    }
    let mut uuid = [0; 16];
    let groups = [
        [text[0], text[1], text[2], text[3], text[4], text[5], text[6], text[7]],
        [text[9], text[10], text[11], text[12], text[14], text[15], text[16], text[17]],
        [text[19], text[20], text[21], text[22], text[24], text[25], text[26], text[27]],
        [text[28], text[29], text[30], text[31], text[32], text[33], text[34], text[35]],
    ];
    for (bytes, digits) in uuid.as_chunks_mut::<4>().0.iter_mut().zip(groups) {
        *bytes = four_bytes(digits)?;
    }
    Some(uuid)
}

/// Eight hexadecimal digits in lower case, all at once: each byte of a word is one of them.
#[inline]
fn four_bytes(digits: [u8; 8]) -> Option<[u8; 4]> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(digits);
    // Bit 6 is what tells a letter from a digit, and a letter's low half begins with 1.
    let values = (word & (0x0F * ONES)) + 9 * ((word >> 6) & ONES);
    // Whatever is written differently by those values was none: no sum here leaves its byte.
    let letters = ((values + 6 * ONES) >> 4) & ONES;
    if values & (0xF0 * ONES) != 0 || values + 0x30 * ONES + 39 * letters != word {
        return None;
    }
    let [first, _, second, _, third, _, fourth, _] = (values << 4 | values >> 8).to_le_bytes();
    Some([first, second, third, fourth])
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

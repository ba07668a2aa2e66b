/// A decimal as an integer and how many of its digits are the fraction's: 12.50 is 1250 and 2.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unscaled {
    /// Big-endian two's complement, as short as can be: what Java's `BigInteger` reads.
    pub(super) bytes: Vec<u8>,
    pub(super) scale: usize,
}

impl Unscaled {
    /// Reads the database's text; to a wanted scale by zeros behind, never by rounding. None if the text is not a
    /// number or has more digits than the scale.
    pub(super) fn of(text: &str, wanted_scale: Option<u16>) -> Option<Self> {
        let (negative, number) = text.strip_prefix('-').map_or((false, text), |number| (true, number));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let scale = wanted_scale.map_or(fraction.len(), usize::from);
        let zeros = scale.checked_sub(fraction.len())?;
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0');
        let magnitude = magnitude(digits.chain(std::iter::repeat_n(0, zeros)));
        Some(Self { bytes: two_s_complement(&magnitude, negative), scale })
    }
}

/// The digits' number in words of 64 bits, the lowest first.
fn magnitude(digits: impl Iterator<Item = u8>) -> Vec<u64> {
    let mut words = Vec::new();
    let (mut piece, mut factor) = (0_u64, 1_u64);
    for digit in digits {
        if factor == 10_u64.pow(18) {
            multiply_add(&mut words, factor, piece);
            (piece, factor) = (0, 1);
        }
        piece = 10 * piece + u64::from(digit);
        factor *= 10;
    }
    multiply_add(&mut words, factor, piece);
    words
}

fn multiply_add(words: &mut Vec<u64>, factor: u64, addend: u64) {
    let mut carry = u128::from(addend);
    for word in words.iter_mut() {
        carry += u128::from(*word) * u128::from(factor);
        *word = carry as u64;
        carry >>= 64;
    }
    if carry != 0 {
        words.push(carry as u64);
    }
}

fn two_s_complement(magnitude: &[u64], negative: bool) -> Vec<u8> {
    let mut carry = negative;
    // One more byte than the magnitude has makes room for the sign.
    let mut bytes: Vec<u8> = magnitude.iter().flat_map(|word| word.to_le_bytes()).chain([0]).collect();
    if negative {
        for byte in &mut bytes {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let fill = if negative { 0xFF } else { 0 };
    // A leading byte says nothing if it only repeats the next one's sign bit.
    while let [.., next, last] = bytes.as_slice()
        && (*last == fill || *last == 0 && *next == 0)
        && next & 0x80 == last & 0x80
    {
        bytes.pop();
    }
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_ten_is_what_debezium_writes() {
        assert_eq!(Unscaled::of("10.10", Some(2)).unwrap().bytes, [0x03, 0xF2]);
        assert_eq!(Unscaled::of("10.1", Some(2)).unwrap().bytes, [0x03, 0xF2]);
        assert_eq!(Unscaled::of("10.10", None), Some(Unscaled { bytes: vec![0x03, 0xF2], scale: 2 }));
        assert_eq!(Unscaled::of("0", None).unwrap().bytes, [0]);
        assert_eq!(Unscaled::of("-0.00", None).unwrap().bytes, [0]);
        for special in ["NaN", "Infinity", "-Infinity", "", "-", ".5", "1e5"] {
            assert_eq!(Unscaled::of(special, None), None, "{special}");
        }
        assert_eq!(Unscaled::of("10.123", Some(2)), None, "never rounded");
    }

    /// 1000 digits, checked by taking the number apart again.
    #[test]
    fn a_long_number_keeps_all_its_digits() {
        let text: String = (0..1000).map(|n| char::from(b'1' + (n * 7 % 9) as u8)).collect();
        let mut bytes = Unscaled::of(&text, None).unwrap().bytes;
        let mut digits = Vec::new();
        while bytes.iter().any(|byte| *byte != 0) {
            let mut rest = 0_u32;
            for byte in &mut bytes {
                rest = rest << 8 | u32::from(*byte);
                *byte = (rest / 10) as u8;
                rest %= 10;
            }
            digits.push(b'0' + rest as u8);
        }
        digits.reverse();
        assert_eq!(String::from_utf8(digits).unwrap(), text);
    }

    proptest! {
        #[test]
        fn an_integer_is_its_shortest_two_s_complement(value in any::<i128>(), shift in 0..127_u32) {
            let value = value >> shift;
            let long = value.to_be_bytes();
            let mut short = &long[..];
            while let [first, second, ..] = short && (*first == 0 || *first == 0xFF) && (first ^ second) & 0x80 == 0 {
                short = &short[1..];
            }
            prop_assert_eq!(Unscaled::of(&value.to_string(), None).unwrap().bytes, short);
        }
    }
}

/// `t` or `f`.
pub(super) fn bool(text: &[u8]) -> Option<bool> {
    match text {
        b"t" => Some(true),
        b"f" => Some(false),
        _ => None,
    }
}

#[inline]
pub(super) fn int(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(uint(digits)?),
        digits => i64::try_from(uint(digits)?).ok(),
    }
}

/// Up to the 19 digits that always fit.
#[inline]
pub(super) fn uint(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let (mut value, mut others) = (0u64, false);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        others |= digit > 9;
        value = value.wrapping_mul(10).wrapping_add(digit.into());
    }
    (!others).then_some(value)
}

#[inline]
pub(super) fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(digit)
}

/// Extreme numbers are written with an exponent.
pub(super) fn double(text: &[u8]) -> Option<f64> {
    if let Some(special) = not_finite(text) {
        return Some(special);
    }
    let text = decimal_str(text)?;
    let value: f64 = text.parse().ok()?;
    // What is too large or too small for a double is not the text of one.
    (value.is_finite() && (value != 0.0 || matches!(text, "0" | "-0"))).then_some(value)
}

/// The double nearest to the text rather than to the value, so that 0.1 stays 0.1. It narrows to the same float4.
pub(super) fn real(text: &[u8]) -> Option<f64> {
    let value = double(text)?;
    let real: f32 = match not_finite(text) {
        Some(special) => return Some(special),
        None => decimal_str(text)?.parse().ok()?,
    };
    let narrowed = value as f32;
    match real.is_finite() && (real != 0.0 || value == 0.0) {
        true if narrowed.to_bits() == real.to_bits() => Some(value),
        // Rounding twice ended elsewhere than rounding once.
        true => Some(real.into()),
        false => None,
    }
}

fn not_finite(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Without the other spellings that Rust knows, like `inf` and `+1`.
fn decimal_str(text: &[u8]) -> Option<&str> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    unsigned.first().filter(|first| first.is_ascii_digit())?;
    let known = unsigned.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-'));
    if known { std::str::from_utf8(text).ok() } else { None }
}

/// `numeric` writes no exponent.
pub(super) fn is_decimal(text: &[u8]) -> bool {
    if not_finite(text).is_some() {
        return true;
    }
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    match unsigned.iter().position(|byte| *byte == b'.') {
        None => digits(unsigned),
        Some(point) => {
            unsigned.get(..point).is_some_and(digits) && unsigned.get(point + 1..).is_some_and(digits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_reach_their_limits_and_no_further() {
        assert_eq!(int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(int(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(int(b"9223372036854775808"), None);
        assert_eq!(int(b"-9223372036854775809"), None);
        assert_eq!(uint(b"4294967295"), Some(u32::MAX.into()));
        for text in ["", "-", "+1", "1 ", "--1", "1.0", "0x1", "99999999999999999999"] {
            assert_eq!(int(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn doubles_keep_every_bit() {
        assert_eq!(double(b"-0").map(f64::to_bits), Some((-0.0f64).to_bits()));
        assert_eq!(double(b"5e-324"), Some(f64::from_bits(1)));
        assert_eq!(double(b"1.7976931348623157e+308"), Some(f64::MAX));
        assert!(double(b"NaN").is_some_and(f64::is_nan));
        assert_eq!(double(b"-Infinity"), Some(f64::NEG_INFINITY));
        for text in ["inf", "nan", "1e400", "1e-400", "+1", ".5", "", "-", "1_0", "infinity"] {
            assert_eq!(double(text.as_bytes()), None, "{text}");
        }
        assert_eq!(real(b"0.1"), Some(0.1));
        assert_eq!(real(b"1e-45"), Some(1e-45));
        assert_eq!(real(b"1e39"), None);
        assert_eq!(real(b"1e-46"), None);
    }

    #[test]
    fn decimals_are_what_numeric_writes() {
        for text in ["0", "-1", "1.50", "0.000", "NaN", "Infinity", "-Infinity", &"9".repeat(1000)] {
            assert!(is_decimal(text.as_bytes()), "{text}");
        }
        for text in ["", "-", ".", "1.", ".1", "1e5", "1.2.3", "+1", "nan", "1,5"] {
            assert!(!is_decimal(text.as_bytes()), "{text}");
        }
    }
}

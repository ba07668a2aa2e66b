/// The shortest digits that give the double back, in the server's form: without an exponent for what has at most 15 digits
/// before the point and at most 14 zeros behind it, or digits on both sides (`my_gcvt` in dtoa.cc), and with a point, so
/// that it stays a double (`Json_wrapper::to_string`).
pub(super) fn write_double(value: f64, out: &mut String) {
    const MOST_WHOLE_DIGITS: i32 = 15;
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let mut digits = mantissa.replace('.', "");
    if digits.len() >= FEWEST_DIGITS_OF_A_TIE {
        round_to_even(value, &mut digits);
    }
    // How many digits stand before the point.
    let whole = exponent.parse::<i32>().unwrap_or_default() + 1;
    let len = digits.len() as i32;
    out.push_str(sign);
    if value == 0.0 {
        out.push_str("0.0");
    } else if whole <= -MOST_WHOLE_DIGITS || whole > MOST_WHOLE_DIGITS && len <= whole {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        out.push('e');
        out.push_str(exponent);
    } else if whole <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', whole.unsigned_abs() as usize));
        out.push_str(&digits);
    } else {
        let (before, after) = digits.split_at_checked(whole as usize).unwrap_or((&digits, ""));
        out.push_str(before);
        out.extend(std::iter::repeat_n('0', (whole - len).max(0) as usize));
        out.push('.');
        out.push_str(if after.is_empty() { "0" } else { after });
    }
}

/// With fewer, half a digit is more than what tells one double from the next.
const FEWEST_DIGITS_OF_A_TIE: usize = 16;

/// Where the double lies in the middle between two texts that are as short, the server takes the one with an even digit at
/// its end, and Rust the greater one.
fn round_to_even(value: f64, digits: &mut String) {
    // More digits than there are in such a double.
    let exact = format!("{:.40e}", value.abs());
    let exact = exact.split_once('e').map_or(&*exact, |(exact, _)| exact).replace('.', "");
    let Some((lower, rest)) = exact.split_at_checked(digits.len()) else { return };
    let is_tie = rest.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'));
    if is_tie && lower.ends_with(['0', '2', '4', '6', '8']) {
        lower.clone_into(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_look_as_the_server_makes_them_look() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (1e14, "100000000000000.0"),
            (1e15, "1e15"),
            (123_456_789_012_345.6, "123456789012345.6"),
            (1_234_567_890_123_456.7, "1234567890123456.8"),
            (1.5e300, "1.5e300"),
            (1e-5, "0.00001"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (2.25e-16, "2.25e-16"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
            // In the middle of two texts.
            (208_845_841_865_067.0 + 0.125, "208845841865067.12"),
            (-208_845_841_865_067.0 - 0.375, "-208845841865067.38"),
        ] {
            let mut out = String::new();
            write_double(value, &mut out);
            assert_eq!(out, text);
        }
    }
}

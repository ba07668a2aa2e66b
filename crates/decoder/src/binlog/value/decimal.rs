/// How many bytes so many digits take: nine take four.
const DIGITS_LEN: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// How many bytes a stored decimal has.
pub(in crate::binlog) fn len(precision: u8, scale: u8) -> usize {
    groups(precision, scale).map(|digits| DIGITS_LEN.get(digits).copied().unwrap_or_default()).sum()
}

/// The text of a stored decimal as the server writes it: all digits of the scale, none of the precision that are zero
/// (`bin2decimal` and `decimal2string` in decimal.cc).
pub(in crate::binlog) fn decimal(bytes: &[u8], precision: u8, scale: u8) -> Option<String> {
    const SIGN: u8 = 0x80;
    let first = *bytes.first()?;
    // Negative ones are inverted throughout, so that bytes sort as numbers do.
    let (is_negative, inverted) = if first & SIGN == 0 { (true, 0xFF) } else { (false, 0) };
    let mut bytes =
        bytes.iter().enumerate().map(|(place, byte)| byte ^ inverted ^ if place == 0 { SIGN } else { 0 });
    let mut text = String::with_capacity(usize::from(precision) + 3);
    if is_negative {
        text.push('-');
    }
    let start = text.len();
    let whole_digits = usize::from(precision.checked_sub(scale)?);
    let mut read = 0;
    for digits in groups(precision, scale) {
        if read == whole_digits {
            end_whole(&mut text, start);
            text.push('.');
        }
        let mut value = bytes
            .by_ref()
            .take(*DIGITS_LEN.get(digits)?)
            .fold(0_u32, |value, byte| value << 8 | u32::from(byte));
        let mut group = [b'0'; 9];
        let group = group.get_mut(..digits)?;
        for digit in group.iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
        }
        if value > 0 {
            return None;
        }
        let zeros = match text.len() > start {
            true => 0,
            false => group.iter().take_while(|digit| **digit == b'0').count(),
        };
        text.push_str(str::from_utf8(group.get(zeros..)?).ok()?);
        read += digits;
    }
    if scale == 0 {
        end_whole(&mut text, start);
    }
    Some(text)
}

fn end_whole(text: &mut String, start: usize) {
    if text.len() == start {
        text.push('0');
    }
}

/// Digits are stored in groups of nine around the point, with the smaller groups at the ends.
fn groups(precision: u8, scale: u8) -> impl Iterator<Item = usize> {
    let (whole, fraction) = (usize::from(precision.saturating_sub(scale)), usize::from(scale));
    let first = Some(whole % 9).filter(|digits| *digits > 0);
    let last = Some(fraction % 9).filter(|digits| *digits > 0);
    first.into_iter().chain(std::iter::repeat_n(9, whole / 9 + fraction / 9)).chain(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        // The manual's own example, decimal(14, 4).
        let bytes = [0x81, 0x0D, 0xFB, 0x38, 0xD2, 0x04, 0xD2];
        assert_eq!(len(14, 4), bytes.len());
        assert_eq!(decimal(&bytes, 14, 4).unwrap(), "1234567890.1234");
        let negative = bytes.map(|byte| !byte);
        assert_eq!(decimal(&negative, 14, 4).unwrap(), "-1234567890.1234");
        assert_eq!(decimal(&[0x80, 0, 0], 3, 1).unwrap(), "0.0");
        assert_eq!(decimal(&[0x80], 2, 0).unwrap(), "0");
        assert_eq!(decimal(&[0x8C], 2, 2).unwrap(), "0.12");
        assert_eq!(decimal(&[0xFF], 2, 0), None, "127 is not of two digits");
        assert_eq!(len(65, 30), 30);
    }
}

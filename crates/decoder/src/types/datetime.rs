use super::number::{digit, uint};

const DAY_US: i64 = 86_400_000_000;

/// `2024-02-29`, `0044-03-15 BC`, `5874897-12-31`.
pub(super) fn date_days(text: &[u8]) -> Option<i32> {
    let (text, era) = split_era(text);
    let (days, rest) = date(text, era)?;
    if rest.is_empty() { i32::try_from(days).ok() } else { None }
}

/// `23:59:59.999999`, `24:00:00`.
pub(super) fn time_us(text: &[u8]) -> Option<i64> {
    let (time_us, rest) = time(text)?;
    (rest.is_empty() && time_us <= DAY_US).then_some(time_us)
}

/// `2024-02-29 12:34:56.789`, `4713-01-01 00:00:00 BC`.
pub(super) fn timestamp_us(text: &[u8]) -> Option<i64> {
    let (timestamp_us, rest) = timestamp(text)?;
    if rest.is_empty() { Some(timestamp_us) } else { None }
}

/// `2024-02-29 12:34:56.789+00`; the time zone is pinned, yet any offset is understood.
pub(super) fn timestamptz_us(text: &[u8]) -> Option<i64> {
    let (local_us, offset) = timestamp(text)?;
    if offset == b"+00" {
        return Some(local_us);
    }
    let (sign, offset) = offset.split_first()?;
    let (hours, rest) = two_digits(offset)?;
    let (minutes, rest) = after_colon(rest).unwrap_or((0, rest));
    let (seconds, rest) = after_colon(rest).unwrap_or((0, rest));
    if !rest.is_empty() || minutes > 59 || seconds > 59 {
        return None;
    }
    let offset_us = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000;
    match sign {
        b'+' => local_us.checked_sub(offset_us),
        b'-' => local_us.checked_add(offset_us),
        _ => None,
    }
}

/// Without its era, and what stands after it.
fn timestamp(text: &[u8]) -> Option<(i64, &[u8])> {
    if let Some(found) = usual_timestamp(text) {
        return Some(found);
    }
    let (text, era) = split_era(text);
    let (days, rest) = date(text, era)?;
    let (time_us, rest) = time(rest.strip_prefix(b" ")?)?;
    if time_us >= DAY_US {
        return None;
    }
    Some((days.checked_mul(DAY_US)?.checked_add(time_us)?, rest))
}

/// The same where the year has four digits, and no era follows: each digit is where it always is.
#[inline]
fn usual_timestamp(text: &[u8]) -> Option<(i64, &[u8])> {
    let (t, rest) = text.split_first_chunk::<19>()?;
    let mut others = false;
    let mut two = |tens: u8, ones: u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        others |= (tens > 9) | (ones > 9);
        i64::from(tens) * 10 + i64::from(ones)
    };
    let year = two(t[0], t[1]) * 100 + two(t[2], t[3]);
    let (month, day) = (two(t[5], t[6]), two(t[8], t[9]));
    let (hours, minutes, seconds) = (two(t[11], t[12]), two(t[14], t[15]), two(t[17], t[18]));
    if others || [t[4], t[7], t[10], t[13], t[16]] != *b"-- ::" {
        return None;
    }
    let (fraction_us, rest) = match rest {
        [b'.', rest @ ..] => fraction_us(rest)?,
        rest => (0, rest),
    };
    let is_usual = year > 0
        && (1..=12).contains(&month)
        && day >= 1
        && (day <= 28 || day <= days_in_month(year, month)?)
        && hours <= 23
        && minutes <= 59
        && seconds <= 59
        && !rest.ends_with(b" BC");
    let time_us = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction_us;
    is_usual.then(|| (days_since_1970(year, month, day) * DAY_US + time_us, rest))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Ad,
    Bc,
}

/// The era is the last thing of any text that has one.
fn split_era(text: &[u8]) -> (&[u8], Era) {
    match text.strip_suffix(b" BC") {
        Some(text) => (text, Era::Bc),
        None => (text, Era::Ad),
    }
}

/// Days since 1970-01-01, and what stands after the date.
fn date(text: &[u8], era: Era) -> Option<(i64, &[u8])> {
    // The year has at least four digits and at most seven.
    let dash = text.iter().take(8).position(|byte| *byte == b'-').filter(|dash| *dash >= 4)?;
    let (year, rest) = text.split_at_checked(dash)?;
    let year = uint(year).filter(|year| *year > 0)? as i64;
    let (month, rest) = two_digits(rest.strip_prefix(b"-")?)?;
    let (day, rest) = two_digits(rest.strip_prefix(b"-")?)?;
    // The year before 1 is 1 BC: 0 in the count that the calendar's arithmetic needs.
    let year = if era == Era::Bc { 1 - year } else { year };
    let valid = day >= 1 && day <= days_in_month(year, month)?;
    valid.then(|| (days_since_1970(year, month, day), rest))
}

/// Microseconds, and what stands after the time. Hours beyond the day's are for the caller to judge.
fn time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hours, rest) = two_digits(text)?;
    let (minutes, rest) = after_colon(rest)?;
    let (seconds, rest) = after_colon(rest)?;
    if hours > 24 || minutes > 59 || seconds > 59 {
        return None;
    }
    let (fraction_us, rest) = match rest {
        [b'.', rest @ ..] => fraction_us(rest)?,
        rest => (0, rest),
    };
    Some((((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction_us, rest))
}

/// One to six digits after the point.
fn fraction_us(text: &[u8]) -> Option<(i64, &[u8])> {
    const SCALES: [i64; 7] = [0, 100_000, 10_000, 1_000, 100, 10, 1];
    let (mut value, mut digits) = (0, 0);
    while let Some(digit) = text.get(digits).and_then(|byte| digit(*byte)) {
        value = value * 10 + i64::from(digit);
        digits += 1;
        if digits > 6 {
            return None;
        }
    }
    let scale = SCALES.get(digits).filter(|scale| **scale > 0)?;
    Some((value * scale, text.get(digits..)?))
}

fn after_colon(text: &[u8]) -> Option<(i64, &[u8])> {
    two_digits(text.strip_prefix(b":")?)
}

#[inline]
fn two_digits(text: &[u8]) -> Option<(i64, &[u8])> {
    let ([tens, ones], rest) = text.split_first_chunk()?;
    Some((i64::from(digit(*tens)? * 10 + digit(*ones)?), rest))
}

pub(crate) fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// In the proleptic Gregorian calendar. The year is made to begin in March, so that the leap day is its last one; the
/// calendar then repeats every 400 years, and the months before one add up to a straight line with 153 days in five.
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const MARCH_OF_YEAR_0: i64 = -719_468;
    let year = if month <= 2 { year - 1 } else { year };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_cycle = year * 365 + year / 4 - year / 100 + day_of_year;
    MARCH_OF_YEAR_0 + cycle * 146_097 + day_of_cycle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_reach_from_the_first_to_the_last() {
        // The numbers are the server's own: `date '…' - date '1970-01-01'`.
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("0001-01-01", -719_162),
            ("0001-12-31 BC", -719_163),
            ("0044-03-15 BC", -735_160),
            ("4714-11-24 BC", -2_440_588),
            ("5874897-12-31", 2_145_042_905),
        ] {
            assert_eq!(date_days(text.as_bytes()), Some(days), "{text}");
        }
        for text in [
            "",
            "infinity",
            "-infinity",
            "2023-02-29",
            "1900-02-29",
            "0000-01-01",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-04-31",
            "24-01-01",
            "2024-1-1",
            "2024-01-01 AD",
            "2024-01-01 ",
            "99999999-01-01",
            "9999999-12-31",
            "2024-01-01 BC BC",
            "-2024-01-01",
        ] {
            assert_eq!(date_days(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_calendar_has_no_hole_in_a_cycle_of_400_years() {
        let mut expected = days_since_1970(-400, 1, 1);
        for year in -400..=400 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month).unwrap() {
                    assert_eq!(days_since_1970(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }

    #[test]
    fn a_day_ends_at_24_hours_and_not_later() {
        assert_eq!(time_us(b"00:00:00"), Some(0));
        assert_eq!(time_us(b"23:59:59.999999"), Some(DAY_US - 1));
        assert_eq!(time_us(b"24:00:00"), Some(DAY_US));
        assert_eq!(time_us(b"12:34:56.5"), Some(45_296_500_000));
        for text in [
            "",
            "24:00:00.1",
            "24:00:01",
            "25:00:00",
            "12:60:00",
            "12:00:60",
            "12:00",
            "1:00:00",
            "12:00:00.",
            "12:00:00.1234567",
            "12:00:00+00",
        ] {
            assert_eq!(time_us(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn timestamps_are_exact_or_nothing() {
        assert_eq!(timestamp_us(b"1970-01-01 00:00:00"), Some(0));
        assert_eq!(timestamp_us(b"1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(timestamp_us(b"2026-11-20 10:15:00.123456"), Some(1_795_169_700_123_456));
        assert_eq!(timestamp_us(b"4714-11-24 00:00:00 BC"), Some(-210_866_803_200_000_000));
        assert_eq!(timestamp_us(b"294247-01-10 04:00:54.775807"), Some(i64::MAX));
        assert_eq!(timestamptz_us(b"2026-11-20 10:15:00.1+00"), Some(1_795_169_700_100_000));
        assert_eq!(timestamptz_us(b"2026-11-20 10:15:00.1+05:30"), Some(1_795_149_900_100_000));
        assert_eq!(timestamptz_us(b"2026-11-20 10:15:00-00:00:01"), Some(1_795_169_701_000_000));
        assert_eq!(timestamptz_us(b"0044-03-15 12:00:00+00 BC"), Some(-735_160 * DAY_US + DAY_US / 2));
        for text in [
            "294247-01-10 04:00:54.775808",
            "294276-12-31 23:59:59.999999",
            "infinity",
            "-infinity",
            "2024-01-01",
            "2024-01-01 24:00:00",
            "2024-01-01T00:00:00",
            "2024-01-01 00:00:00+00",
        ] {
            assert_eq!(timestamp_us(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2024-01-01 00:00:00",
            "2024-01-01 00:00:00Z",
            "2024-01-01 00:00:00+0",
            "2024-01-01 00:00:00+00:",
            "2024-01-01 00:00:00+00:60",
            "2024-01-01 00:00:00 UTC",
            "294247-01-10 04:00:54.775807-01",
        ] {
            assert_eq!(timestamptz_us(text.as_bytes()), None, "{text}");
        }
    }
}

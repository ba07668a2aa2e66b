//! Dates and times in ISO 8601, without quotes.
//!
//! Years 0 to 9999 have four digits; any other year is written in the expanded form, a sign and at least six digits
//! (`+012026`, `-000043`), which JavaScript and Java read. Year 0 is 1 BC, as ISO 8601 and PostgreSQL's calendar
//! have it, so 44 BC is `-000043`. The fraction is left out where it is zero and has six digits otherwise.

const DAY_US: i64 = 86_400_000_000;

/// Appends `2026-01-02T03:04:05.678901`; the caller adds the `Z` where there is one.
pub(in crate::encode) fn write_timestamp(us: i64, out: &mut Vec<u8>) {
    write_days(us.div_euclid(DAY_US), out);
    out.push(b'T');
    write_time(us.rem_euclid(DAY_US), out);
}

/// Appends `2026-01-02`.
pub(in crate::encode) fn write_date(days: i32, out: &mut Vec<u8>) {
    write_days(days.into(), out);
}

/// Appends `03:04:05.678901`. Midnight at the end of the day is `24:00:00`.
pub(in crate::encode) fn write_time(us: i64, out: &mut Vec<u8>) {
    if us < 0 {
        out.push(b'-');
    }
    let us = us.unsigned_abs();
    let (seconds, fraction) = (us / 1_000_000, us % 1_000_000);
    write_padded(seconds / 3600, 2, out);
    out.push(b':');
    write_padded(seconds / 60 % 60, 2, out);
    out.push(b':');
    write_padded(seconds % 60, 2, out);
    if fraction != 0 {
        out.push(b'.');
        write_padded(fraction, 6, out);
    }
}

fn write_days(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    match year {
        0..=9999 => write_padded(year.unsigned_abs(), 4, out),
        _ => {
            out.push(if year < 0 { b'-' } else { b'+' });
            write_padded(year.unsigned_abs(), 6, out);
        }
    }
    out.push(b'-');
    write_padded(month, 2, out);
    out.push(b'-');
    write_padded(day, 2, out);
}

/// Year, month and day of a day in the proleptic Gregorian calendar, days counted from 1970-01-01. The year is taken
/// to begin in March, so that the leap day is its last, and the calendar repeats every 400 years (an era).
fn civil_from_days(days: i64) -> (i64, u64, u64) {
    const ERA_DAYS: i64 = 146_097;
    let days = days + 719_468; // from 0000-03-01
    let era = days.div_euclid(ERA_DAYS);
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = 400 * era + year_of_era + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

/// Appends a number with zeros before it, up to a width that it may exceed.
fn write_padded(number: u64, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    out.extend_from_slice(b"000000".get(..width.saturating_sub(digits.len())).unwrap_or_default());
    out.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// The calendar counted day by day from a year that is known.
    #[test]
    fn eight_centuries_agree_with_a_calendar_counted_by_hand() {
        let (mut year, mut month, mut day) = (1600, 1, 1);
        for days in -135_140..=157_053 {
            assert_eq!(civil_from_days(days), (year, month, day), "{days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
        assert_eq!((year, month, day), (2400, 1, 1));
    }

    /// The first is Julian day 0, the last the manual's 5874897 AD.
    #[test]
    fn the_ends_of_postgres_calendar_survive() {
        let date = |days| written(|out| write_date(days, out));
        assert_eq!(date(-2_440_588), "-004713-11-24", "4714-11-24 BC, the first date there is");
        assert_eq!(date(2_145_042_905), "+5874897-12-31", "the last");
        assert_eq!(date(-719_163), "0000-12-31", "0001-12-31 BC");
        assert_eq!(date(2_932_896), "9999-12-31");
        assert_eq!(date(2_932_897), "+010000-01-01");
        let timestamp = |us| written(|out| write_timestamp(us, out));
        assert_eq!(timestamp(i64::MAX), "+294247-01-10T04:00:54.775807");
        assert_eq!(timestamp(-210_866_803_200_000_000), "-004713-11-24T00:00:00", "the first");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999999");
        assert_eq!(timestamp(1_767_323_045_678_901), "2026-01-02T03:04:05.678901");
        let time = |us| written(|out| write_time(us, out));
        assert_eq!(time(DAY_US), "24:00:00");
        assert_eq!(time(5), "00:00:00.000005");
        assert_eq!(time(0), "00:00:00");
    }

    proptest! {
        #[test]
        fn any_number_of_days_or_microseconds_has_a_form(us in any::<i64>(), days in any::<i32>()) {
            prop_assert!(written(|out| write_timestamp(us, out)).is_ascii());
            prop_assert!(written(|out| write_date(days, out)).is_ascii());
            prop_assert!(written(|out| write_time(us, out)).is_ascii());
        }
    }
}

use std::fmt::Write as _;

use event::Cell;

use crate::Error;
use crate::binlog::cursor::{Cursor, uint, uint_be};
use crate::types::{days_in_month, days_since_1970};

const DAY_US: i64 = 86_400_000_000;

/// A date and time as the server stores it: in fields, so also one that no calendar has.
#[derive(Clone, Copy)]
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    fraction_us: i64,
}

/// Three bytes: 5 bits of a day, 4 of a month, the year.
pub(super) fn date(bytes: [u8; 3], type_name: &str) -> Cell<'_> {
    let packed = uint(&bytes);
    date_cell((packed >> 9) as u16, (packed >> 5 & 15) as u8, (packed & 31) as u8, type_name)
}

/// A date by its fields.
pub(in crate::binlog) fn date_cell(year: u16, month: u8, day: u8, type_name: &str) -> Cell<'_> {
    let fields = Fields { year: year.into(), month: month.into(), day: day.into(), ..Fields::ZERO };
    match fields.days().and_then(|days| i32::try_from(days).ok()) {
        Some(days) => Cell::DateDays(days),
        None => Cell::Other { type_name, text: fields.date_text().into() },
    }
}

/// A date and time by its fields.
pub(in crate::binlog) fn datetime_cell(
    (year, month, day): (u16, u8, u8),
    (hour, minute, second, fraction_us): (u8, u8, u8, u32),
    digits: u8,
    type_name: &str,
) -> Cell<'_> {
    let fields = Fields {
        year: year.into(),
        month: month.into(),
        day: day.into(),
        hour: hour.into(),
        minute: minute.into(),
        second: second.into(),
        fraction_us: fraction_us.into(),
    };
    fields.datetime_cell(digits, type_name)
}

/// `DATETIME2` of my_time.cc: a sign that is always set, and the fields of a packed one; then the fraction.
pub(super) fn datetime<'r>(row: &mut Cursor<'_>, digits: u8, type_name: &'r str) -> Result<Cell<'r>, Error> {
    const SIGN: i64 = 0x80_0000_0000;
    let before = row.clone();
    let packed = uint_be(row.bytes(5, "a date and time")?) as i64 - SIGN;
    if packed < 0 {
        return Err(before.error("a date and time"));
    }
    let fields = Fields { fraction_us: fraction_us(row, digits)?, ..Fields::unpack(packed) };
    Ok(fields.datetime_cell(digits, type_name))
}

/// `TIMESTAMP2`: seconds in UTC, which later MariaDB lets reach beyond 31 bits; then the fraction.
pub(super) fn timestamp<'r>(row: &mut Cursor<'_>, digits: u8, type_name: &'r str) -> Result<Cell<'r>, Error> {
    let seconds = u32::from_be_bytes(row.array("a timestamp")?);
    let fraction_us = fraction_us(row, digits)?;
    Ok(timestamp_cell(seconds, fraction_us, digits, type_name))
}

/// `TIME2`: hours, minutes and seconds of 24 bits with a sign's offset. Of a negative time the fraction belongs to the
/// same number, so counts upwards from the second before.
pub(super) fn time<'r>(row: &mut Cursor<'_>, digits: u8, type_name: &'r str) -> Result<Cell<'r>, Error> {
    let fraction_len = usize::from(digits.div_ceil(2));
    let packed = uint_be(row.bytes(3 + fraction_len, "a time")?) as i64;
    let packed = packed - (0x80_0000 << (8 * fraction_len));
    let (is_negative, packed) = (packed < 0, packed.abs());
    let hms = packed >> (8 * fraction_len);
    let fraction = packed & ((1 << (8 * fraction_len)) - 1);
    let fraction_us = fraction * 100_i64.pow(3 - fraction_len as u32);
    Ok(time_cell(is_negative, hms, fraction_us, digits, type_name))
}

/// Of before MySQL 5.6: the digits `HHMMSS` as a number.
pub(super) fn old_time(bytes: [u8; 3], type_name: &str) -> Cell<'_> {
    let value = (uint(&bytes) << 40) as i64 >> 40;
    let (is_negative, digits) = (value < 0, value.abs());
    let hms = (digits / 10_000) << 12 | (digits / 100 % 100) << 6 | (digits % 100);
    time_cell(is_negative, hms, 0, 0, type_name)
}

/// Of before MySQL 5.6: the digits `YYYYMMDDHHMMSS` as a number.
pub(super) fn old_datetime(bytes: [u8; 8], type_name: &str) -> Cell<'_> {
    let value = u64::from_le_bytes(bytes);
    let (date, time) = ((value / 1_000_000) as i64, (value % 1_000_000) as i64);
    let fields = Fields {
        year: date / 10_000,
        month: date / 100 % 100,
        day: date % 100,
        hour: time / 10_000,
        minute: time / 100 % 100,
        second: time % 100,
        fraction_us: 0,
    };
    fields.datetime_cell(0, type_name)
}

pub(super) fn old_timestamp(bytes: [u8; 4], type_name: &str) -> Cell<'_> {
    timestamp_cell(u32::from_le_bytes(bytes), 0, 0, type_name)
}

/// The text of a date in JSON.
pub(in crate::binlog) fn packed_date(packed: i64) -> String {
    Fields::unpack(packed >> 24).date_text()
}

/// The text of a date and time in JSON, always with six digits of a fraction.
pub(in crate::binlog) fn packed_datetime(packed: i64) -> String {
    Fields { fraction_us: packed & 0xFF_FFFF, ..Fields::unpack(packed >> 24) }.datetime_text(6)
}

/// The text of a time in JSON.
pub(in crate::binlog) fn packed_time(packed: i64) -> String {
    let (is_negative, packed) = (packed < 0, packed.unsigned_abs() as i64 & i64::MAX);
    time_text(is_negative, packed >> 24, packed & 0xFF_FFFF, 6)
}

impl Fields {
    const ZERO: Self = Self { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0, fraction_us: 0 };

    /// 17 bits of a day's time, 5 of a day, and months of 13 a year (`TIME_from_longlong_datetime_packed`).
    fn unpack(packed: i64) -> Self {
        let months = packed >> 22;
        Self {
            year: months / 13,
            month: months % 13,
            day: packed >> 17 & 31,
            hour: packed >> 12 & 31,
            minute: packed >> 6 & 63,
            second: packed & 63,
            fraction_us: 0,
        }
    }

    /// Since 1970; none for a date of zeros, in whole or in part, and for one that no calendar has
    /// (`ALLOW_INVALID_DATES`).
    fn days(&self) -> Option<i64> {
        let is_valid = self.day >= 1 && self.day <= days_in_month(self.year, self.month)?;
        is_valid.then(|| days_since_1970(self.year, self.month, self.day))
    }

    fn datetime_cell(self, digits: u8, type_name: &str) -> Cell<'_> {
        let is_time = self.hour < 24 && self.minute < 60 && self.second < 60 && self.fraction_us < 1_000_000;
        match self.days().filter(|_| is_time) {
            Some(days) => {
                let seconds = (self.hour * 60 + self.minute) * 60 + self.second;
                Cell::TimestampUs(days * DAY_US + seconds * 1_000_000 + self.fraction_us)
            }
            None => Cell::Other { type_name, text: self.datetime_text(digits).into() },
        }
    }

    fn date_text(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn datetime_text(self, digits: u8) -> String {
        let mut text = self.date_text();
        _ = write!(text, " {:02}:{:02}:{:02}", self.hour, self.minute, self.second);
        push_fraction(&mut text, self.fraction_us, digits);
        text
    }
}

/// Zero stands for no time at all.
fn timestamp_cell(seconds: u32, fraction_us: i64, digits: u8, type_name: &str) -> Cell<'_> {
    match (seconds, fraction_us) {
        (0, 0) => Cell::Other { type_name, text: Fields::ZERO.datetime_text(digits).into() },
        _ => Cell::TimestampUs(i64::from(seconds) * 1_000_000 + fraction_us),
    }
}

/// A time is a duration too: what is no time of a day comes as its text.
pub(in crate::binlog) fn time_cell(
    is_negative: bool,
    hms: i64,
    fraction_us: i64,
    digits: u8,
    type_name: &str,
) -> Cell<'_> {
    let time_us = (((hms >> 12) * 60 + (hms >> 6 & 63)) * 60 + (hms & 63)) * 1_000_000 + fraction_us;
    match !is_negative && time_us <= DAY_US {
        true => Cell::TimeUs(time_us),
        false => Cell::Other { type_name, text: time_text(is_negative, hms, fraction_us, digits).into() },
    }
}

fn time_text(is_negative: bool, hms: i64, fraction_us: i64, digits: u8) -> String {
    let sign = if is_negative { "-" } else { "" };
    let mut text = format!("{sign}{:02}:{:02}:{:02}", hms >> 12, hms >> 6 & 63, hms & 63);
    push_fraction(&mut text, fraction_us, digits);
    text
}

fn push_fraction(text: &mut String, fraction_us: i64, digits: u8) {
    if digits > 0 {
        let shown = fraction_us / 10_i64.pow(6 - u32::from(digits.min(6)));
        _ = write!(text, ".{shown:0width$}", width = usize::from(digits));
    }
}

/// Two digits a byte, rounded up.
fn fraction_us(row: &mut Cursor<'_>, digits: u8) -> Result<i64, Error> {
    let len = digits.div_ceil(2);
    let fraction = uint_be(row.bytes(len.into(), "a fraction")?) as i64;
    Ok(fraction * 100_i64.pow(3 - u32::from(len.min(3))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(text: &str) -> Cell<'_> {
        Cell::Other { type_name: "t", text: text.into() }
    }

    #[test]
    fn a_negative_time_has_its_own_fraction() {
        let time = |bytes: &[u8], digits| time(&mut Cursor::new(bytes, "test"), digits, "t").unwrap();
        // The examples of my_time_packed_to_binary's comment.
        assert_eq!(time(&[0x80, 0, 0, 1], 2), Cell::TimeUs(10_000));
        assert_eq!(time(&[0x7F, 0xFF, 0xFF, 0xFF], 2), other("-00:00:00.01"));
        assert_eq!(time(&[0x7F, 0xFF, 0xFF, 0x9D], 2), other("-00:00:00.99"));
        assert_eq!(time(&[0x7F, 0xFF, 0xFF, 0x00], 2), other("-00:00:01.00"));
        assert_eq!(time(&[0x7F, 0xFF, 0xFE, 0xFF], 2), other("-00:00:01.01"));
        assert_eq!(time(&[0x7F, 0xFF, 0xFE, 0xF6], 1), other("-00:00:01.1"));
        assert_eq!(time(&[0x80, 0, 0], 0), Cell::TimeUs(0));
        assert_eq!(time(&[0x81, 0x80, 0], 0), Cell::TimeUs(DAY_US));
        assert_eq!(time(&[0x81, 0x80, 1], 0), other("24:00:01"));
    }

    #[test]
    fn dates_that_are_none_are_kept_as_they_are() {
        let date = |year: u32, month: u32, day: u32| {
            let [a, b, c, _] = (year << 9 | month << 5 | day).to_le_bytes();
            date([a, b, c], "t")
        };
        assert_eq!(date(1970, 1, 2), Cell::DateDays(1));
        assert_eq!(date(0, 1, 1), Cell::DateDays(-719_528));
        assert_eq!(date(0, 0, 0), other("0000-00-00"));
        assert_eq!(date(2024, 0, 7), other("2024-00-07"));
        assert_eq!(date(2023, 2, 29), other("2023-02-29"));
    }

    #[test]
    fn times_of_before_mysql_5_6() {
        let [a, b, c, _] = (-8_385_959_i32).to_le_bytes();
        assert_eq!(old_time([a, b, c], "t"), other("-838:59:59"));
        assert_eq!(
            old_datetime(19_700_102_000_001_u64.to_le_bytes(), "t"),
            Cell::TimestampUs(DAY_US + 1_000_000)
        );
        assert_eq!(old_datetime([0; 8], "t"), other("0000-00-00 00:00:00"));
        assert_eq!(old_timestamp([0; 4], "t"), other("0000-00-00 00:00:00"));
        assert_eq!(old_timestamp([1, 0, 0, 0], "t"), Cell::TimestampUs(1_000_000));
    }
}

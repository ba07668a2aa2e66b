//! One stored value to a cell.

mod decimal;
mod mask;
mod network;
mod skip;
mod temporal;

use std::borrow::Cow;
use std::fmt::Write as _;

use event::{Bytes, Cell, Mask};

use super::compressed::inflate_column;
use super::cursor::{Cursor, uint, uint_be};
use super::json;
use super::plan::{ColumnPlan, Kind, Labels};
use crate::Error;

pub(super) use decimal::decimal;
pub(super) use mask::mask;
pub(super) use temporal::{date_cell, datetime_cell, packed_date, packed_datetime, packed_time, time_cell};

impl ColumnPlan {
    /// Takes the value that is next in a row.
    #[inline]
    pub(super) fn value<'r>(&'r self, row: &mut Cursor<'r>) -> Result<Cell<'r>, Error> {
        Ok(match &self.kind {
            Kind::Int { len: 4, is_unsigned: false } => {
                Cell::Int(i32::from_le_bytes(row.array("an integer")?).into())
            }
            Kind::Int { len: 8, is_unsigned: false } => {
                Cell::Int(i64::from_le_bytes(row.array("an integer")?))
            }
            Kind::Int { len, is_unsigned } => {
                let value = uint(row.bytes((*len).into(), "an integer")?);
                if *is_unsigned { Cell::Uint(value) } else { Cell::Int(signed(value, *len)) }
            }
            Kind::Float => Cell::Double(shortest(f32::from_le_bytes(row.array("a float")?))),
            Kind::Double => Cell::Double(f64::from_le_bytes(row.array("a double")?)),
            Kind::Decimal { precision, scale } => {
                let before = row.clone();
                let bytes = row.bytes(decimal::len(*precision, *scale), "a decimal")?;
                let text = decimal(bytes, *precision, *scale).ok_or_else(|| before.error("a decimal"))?;
                Cell::Decimal(text.into())
            }
            Kind::Year => Cell::Int(match row.u8("a year")? {
                0 => 0,
                year => 1900 + i64::from(year),
            }),
            Kind::Date => temporal::date(row.array("a date")?, &self.type_name),
            Kind::Time { fraction_digits } => temporal::time(row, *fraction_digits, &self.type_name)?,
            Kind::Datetime { fraction_digits } => temporal::datetime(row, *fraction_digits, &self.type_name)?,
            Kind::Timestamp { fraction_digits } => {
                temporal::timestamp(row, *fraction_digits, &self.type_name)?
            }
            Kind::OldTime => temporal::old_time(row.array("a time")?, &self.type_name),
            Kind::OldDatetime => temporal::old_datetime(row.array("a date and time")?, &self.type_name),
            Kind::OldTimestamp => temporal::old_timestamp(row.array("a timestamp")?, &self.type_name),
            Kind::Bit { len } => Cell::Uint(uint_be(row.bytes((*len).into(), "bits")?)),
            Kind::Enum { len, labels } => {
                let before = row.clone();
                match uint(row.bytes((*len).into(), "a label's number")?) {
                    // What is no label was written without strict mode; the server shows it as an empty text.
                    0 => Cell::Other { type_name: &self.type_name, text: Cow::Borrowed("") },
                    number => labels.cell(number).ok_or_else(|| before.error("a label's number"))?,
                }
            }
            Kind::Set { len, labels } => {
                let before = row.clone();
                let members = uint(row.bytes((*len).into(), "a set's bits")?);
                labels.cells(members).ok_or_else(|| before.error("a set's bits"))?
            }
            Kind::Text { len_len, charset } => charset.cell(sized(row, *len_len)?),
            Kind::Bytes { len_len } => Cell::Bytes(Bytes::Raw(sized(row, *len_len)?.into())),
            Kind::Binary { len_len, len } => {
                Cell::Bytes(Bytes::Raw(padded(sized(row, *len_len)?, (*len).into())))
            }
            Kind::Compressed { len_len, charset } => {
                let before = row.clone();
                let bytes = inflate_column(sized(row, *len_len)?);
                let bytes = bytes.ok_or_else(|| before.error("a compressed value"))?;
                match charset.decode(&bytes) {
                    Some(text) => Cell::Text(text.into_owned().into()),
                    None => Cell::Bytes(Bytes::Raw(bytes.into())),
                }
            }
            Kind::Json { .. } => {
                let before = row.clone();
                let text = json::text(self.json(row)?).ok_or_else(|| before.error("a JSON document"))?;
                Cell::Json(text.into())
            }
            Kind::JsonText { len_len } => {
                let bytes = sized(row, *len_len)?;
                match str::from_utf8(bytes) {
                    Ok(text) => Cell::Json(text.into()),
                    Err(_) => Cell::Bytes(Bytes::Raw(bytes.into())),
                }
            }
            Kind::Vector { len_len } => {
                let before = row.clone();
                floats(sized(row, *len_len)?).ok_or_else(|| before.error("a vector of floats"))?
            }
            Kind::Uuid { len_len } => {
                let before = row.clone();
                let bytes = padded(sized(row, *len_len)?, 16);
                network::uuid(&bytes).ok_or_else(|| before.error("16 bytes of a UUID"))?
            }
            Kind::Inet6 { len_len } => {
                let before = row.clone();
                let bytes = padded(sized(row, *len_len)?, 16);
                let text = network::inet6(&bytes).ok_or_else(|| before.error("16 bytes of an address"))?;
                Cell::Other { type_name: &self.type_name, text: text.into() }
            }
            Kind::Inet4 { len_len } => {
                let before = row.clone();
                let bytes = padded(sized(row, *len_len)?, 4);
                let text = network::inet4(&bytes).ok_or_else(|| before.error("4 bytes of an address"))?;
                Cell::Other { type_name: &self.type_name, text: text.into() }
            }
        })
    }

    /// Takes the value that is next in a row; what stands for it.
    pub(super) fn masked<'r>(&'r self, by: Mask, row: &mut Cursor<'r>) -> Result<Cell<'r>, Error> {
        Ok(mask(by, self.value(row)?))
    }

    /// Takes a document of MySQL as it is stored.
    pub(super) fn json<'r>(&self, row: &mut Cursor<'r>) -> Result<&'r [u8], Error> {
        match self.kind {
            Kind::Json { len_len } => sized(row, len_len),
            _ => Err(row.error("a JSON document")),
        }
    }
}

/// Takes the difference of a document from its base; without a base, what came of it is not the document.
pub(super) fn json_difference<'r>(base: Option<&[u8]>, row: &mut Cursor<'r>) -> Result<Cell<'r>, Error> {
    let before = row.clone();
    let differences = sized(row, 4)?;
    let Some(base) = base else { return Ok(Cell::Omitted) };
    let text =
        json::applied(base, differences).ok_or_else(|| before.error("differences of its JSON document"))?;
    Ok(Cell::Json(text.into()))
}

/// Bytes with their length before them, in so many bytes.
#[inline]
fn sized<'r>(row: &mut Cursor<'r>, len_len: u8) -> Result<&'r [u8], Error> {
    let before = row.clone();
    let len = match len_len {
        1 => row.u8("a value's length")?.into(),
        2 => row.u16("a value's length")?.into(),
        _ => row.uint(len_len.into(), "a value's length")? as usize,
    };
    row.bytes(len, "a value of its length").map_err(|_| before.error("a value of its length"))
}

/// Zeros at the end are not stored (`Field_string::pack`).
fn padded(bytes: &[u8], len: usize) -> Cow<'_, [u8]> {
    if bytes.len() >= len {
        return bytes.into();
    }
    let mut whole = bytes.to_vec();
    whole.resize(len, 0);
    whole.into()
}

#[inline]
fn signed(value: u64, len: u8) -> i64 {
    let unused = 64 - 8 * u32::from(len);
    (value << unused) as i64 >> unused
}

/// The elements of a vector.
pub(super) fn floats(bytes: &[u8]) -> Option<Cell<'static>> {
    let (elements, []) = bytes.as_chunks::<4>() else { return None };
    let element = |bytes: &[u8; 4]| Cell::Double(shortest(f32::from_le_bytes(*bytes)));
    Some(Cell::Array(elements.iter().map(element).collect()))
}

/// The double nearest to the shortest text of a float rather than to its value, so that 0.1 stays 0.1. It narrows to the
/// same float.
pub(super) fn shortest(value: f32) -> f64 {
    let wide = f64::from(value);
    // Whole numbers of so many digits are their own text.
    if wide.abs() < 1e6 && wide.fract() == 0.0 {
        return wide;
    }
    let mut text = String::with_capacity(24);
    _ = write!(text, "{value:e}");
    text.parse().ok().filter(|near: &f64| (*near as f32).to_bits() == value.to_bits()).unwrap_or(wide)
}

impl Labels {
    fn cell(&self, number: u64) -> Option<Cell<'_>> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        Some(self.charset.cell(self.raw.get(place)?))
    }

    /// The labels of a set's members with commas between them; None for a member without a label.
    fn cells(&self, members: u64) -> Option<Cell<'_>> {
        let places = (0..64).filter(|place| members >> place & 1 == 1);
        let raw =
            places.map(|place| self.raw.get(place).map(|label| &**label)).collect::<Option<Vec<_>>>()?;
        if let [label] = raw[..] {
            return Some(self.charset.cell(label));
        }
        let texts: Option<Vec<_>> = raw.iter().map(|label| self.charset.decode(label)).collect();
        Some(match texts {
            Some(texts) => Cell::Text(texts.join(",").into()),
            None => Cell::Bytes(Bytes::Raw(raw.join(&b',').into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width_keep_their_sign() {
        assert_eq!((signed(0xFF, 1), signed(0x80, 1), signed(0x7F, 1)), (-1, -128, 127));
        assert_eq!((signed(0xFF_FFFF, 3), signed(0x80_0000, 3)), (-1, -8_388_608));
        assert_eq!(signed(u64::MAX, 8), -1);
    }

    #[test]
    fn floats_are_the_doubles_that_look_like_them() {
        for (float, double) in [
            (0.1_f32, 0.1_f64),
            (-3.402_823_5e38, -3.402_823_5e38),
            (1e-45, 1e-45),
            (16_777_216.0, 16_777_216.0),
        ] {
            assert_eq!(shortest(float), double);
        }
        assert_eq!(shortest(-0.0).to_bits(), (-0.0_f64).to_bits());
    }
}

use std::borrow::Cow;

use event::{Bytes, Cell, Column, Use};

use super::charset::Charset;
use super::cursor::uint_be;
use super::definition::ColumnDefinition;
use super::value::{date_cell, datetime_cell, floats, mask, shortest, time_cell};
use crate::Error;

/// A value as a client is given it in the binary protocol, where the session converts no characters
/// (`character_set_results = NULL`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Selected<'a> {
    /// SQL NULL.
    Null,
    /// An integer of a signed type.
    Int(i64),
    /// An integer of an unsigned type.
    Uint(u64),
    /// A `FLOAT`.
    Float(f32),
    /// A `DOUBLE`.
    Double(f64),
    /// What has a length of its own.
    Bytes(&'a [u8]),
    /// Of a `DATE`, the first three alone.
    Datetime {
        /// 0 to 9999.
        year: u16,
        /// 0 to 12.
        month: u8,
        /// 0 to 31.
        day: u8,
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
        /// 0 to 59.
        second: u8,
        /// Of the second.
        fraction_us: u32,
    },
    /// A `TIME`, which is a duration.
    Time {
        /// Whether it is below zero.
        is_negative: bool,
        /// With whole days.
        hours: u32,
        /// 0 to 59.
        minute: u8,
        /// 0 to 59.
        second: u8,
        /// Of the second.
        fraction_us: u32,
    },
}

/// How what a `SELECT` gives of a table becomes the cells that its rows in the log become.
#[derive(Clone, Debug)]
pub struct SelectPlan(Vec<SelectedColumn>);

#[derive(Clone, Debug)]
struct SelectedColumn {
    name: Box<str>,
    type_name: Box<str>,
    fraction_digits: u8,
    kind: Kind,
    by: Use,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Uint,
    Double,
    Decimal,
    Bit,
    Date,
    Datetime,
    Time,
    Text(Charset),
    Enum(Charset),
    Bytes,
    Json,
    Uuid,
    Address,
    Vector,
}

impl SelectPlan {
    /// The byte before an `ENUM`'s label, by which a label that is empty is told from no label: select
    /// [`enum_sql`](Self::enum_sql) of such a column.
    const LABEL: u8 = b'=';

    /// Of these columns, each with what it means and what becomes of it.
    ///
    /// # Errors
    /// Where a type is not known.
    pub fn new<'c>(
        columns: impl IntoIterator<Item = (&'c Column, &'c ColumnDefinition, Use)>,
    ) -> Result<Self, Error> {
        let columns = columns.into_iter().map(|(column, defined, by)| {
            let (name, _) = column.type_name.split_once(' ').unwrap_or((&column.type_name, ""));
            let kind = kind(name, defined).ok_or_else(|| Error::UnknownType {
                column: column.name.clone(),
                type_name: column.type_name.clone(),
            })?;
            Ok(SelectedColumn {
                name: column.name.as_str().into(),
                type_name: column.type_name.as_str().into(),
                fraction_digits: u8::try_from(column.type_modifier).unwrap_or_default(),
                kind,
                by,
            })
        });
        Ok(Self(columns.collect::<Result<_, _>>()?))
    }

    /// What is selected of an `ENUM` column of this quoted name.
    pub fn enum_sql(column: &str) -> String {
        let label = char::from(Self::LABEL);
        format!("IF({column} + 0 = 0, '', CONCAT('{label}', CAST({column} AS BINARY)))")
    }

    /// Appends a row's cells.
    ///
    /// # Errors
    /// When a value is none of its column's type, or there are too few.
    pub fn cells<'v>(
        &'v self,
        values: impl IntoIterator<Item = Selected<'v>>,
        cells: &mut Vec<Cell<'v>>,
    ) -> Result<(), Error> {
        let before = cells.len();
        for (column, value) in self.0.iter().zip(values) {
            let cell = column.cell(value).ok_or_else(|| Error::SelectedValue {
                column: column.name.to_string(),
                type_name: column.type_name.to_string(),
            })?;
            cells.push(match column.by {
                Use::Masked(by) => mask(by, cell),
                Use::Sent | Use::Excluded => cell,
            });
        }
        let found = cells.len() - before;
        let expected = self.0.len();
        if found == expected { Ok(()) } else { Err(Error::ColumnCount { expected, found }) }
    }
}

fn kind(type_name: &str, defined: &ColumnDefinition) -> Option<Kind> {
    let charset = || defined.collation.map(Charset::of_collation);
    Some(match type_name {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if defined.is_unsigned => Kind::Uint,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => Kind::Int,
        "float" | "double" => Kind::Double,
        "decimal" => Kind::Decimal,
        "bit" => Kind::Bit,
        "date" => Kind::Date,
        "datetime" | "timestamp" => Kind::Datetime,
        "time" => Kind::Time,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "set" => {
            Kind::Text(charset()?)
        }
        "enum" => Kind::Enum(charset()?),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Kind::Bytes,
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" => Kind::Bytes,
        "json" => Kind::Json,
        "uuid" => Kind::Uuid,
        "inet4" | "inet6" => Kind::Address,
        "vector" => Kind::Vector,
        _ => return None,
    })
}

impl SelectedColumn {
    fn cell<'v>(&'v self, value: Selected<'v>) -> Option<Cell<'v>> {
        Some(match (self.kind, value) {
            (_, Selected::Null) => Cell::Null,
            (Kind::Int, Selected::Int(value)) => Cell::Int(value),
            (Kind::Int, Selected::Uint(value)) => Cell::Int(value.try_into().ok()?),
            (Kind::Uint, Selected::Uint(value)) => Cell::Uint(value),
            (Kind::Uint, Selected::Int(value)) => Cell::Uint(value.try_into().ok()?),
            (Kind::Double, Selected::Float(value)) => Cell::Double(shortest(value)),
            (Kind::Double, Selected::Double(value)) => Cell::Double(value),
            (Kind::Decimal, Selected::Bytes(text)) => Cell::Decimal(decimal(str::from_utf8(text).ok()?)),
            (Kind::Bit, Selected::Bytes(bytes)) if bytes.len() <= 8 => Cell::Uint(uint_be(bytes)),
            (Kind::Date, Selected::Datetime { year, month, day, .. }) => {
                date_cell(year, month, day, &self.type_name)
            }
            (Kind::Datetime, Selected::Datetime { year, month, day, hour, minute, second, fraction_us }) => {
                let time = (hour, minute, second, fraction_us);
                datetime_cell((year, month, day), time, self.fraction_digits, &self.type_name)
            }
            (Kind::Time, Selected::Time { is_negative, hours, minute, second, fraction_us }) => {
                let hms = i64::from(hours) << 12 | i64::from(minute) << 6 | i64::from(second);
                time_cell(is_negative, hms, fraction_us.into(), self.fraction_digits, &self.type_name)
            }
            (Kind::Text(charset), Selected::Bytes(bytes)) => charset.cell(bytes),
            (Kind::Enum(charset), Selected::Bytes(bytes)) => match bytes.split_first() {
                None => Cell::Other { type_name: &self.type_name, text: Cow::Borrowed("") },
                Some((&SelectPlan::LABEL, label)) => charset.cell(label),
                Some(_) => return None,
            },
            (Kind::Bytes, Selected::Bytes(bytes)) => Cell::Bytes(Bytes::Raw(bytes.into())),
            (Kind::Json, Selected::Bytes(bytes)) => match str::from_utf8(bytes) {
                Ok(text) => Cell::Json(text.into()),
                Err(_) => Cell::Bytes(Bytes::Raw(bytes.into())),
            },
            (Kind::Uuid, Selected::Bytes(text)) => Cell::Uuid(uuid(text)?),
            (Kind::Address, Selected::Bytes(text)) => {
                Cell::Other { type_name: &self.type_name, text: str::from_utf8(text).ok()?.into() }
            }
            (Kind::Vector, Selected::Bytes(bytes)) => floats(bytes)?,
            _ => return None,
        })
    }
}

/// Without the zeros that `ZEROFILL` puts before it.
fn decimal(text: &str) -> Cow<'_, str> {
    let rest = text.trim_start_matches('0');
    let has_whole = rest.starts_with(|first: char| first.is_ascii_digit());
    let kept = if has_whole || rest.len() == text.len() { rest.len() } else { rest.len() + 1 };
    text.get(text.len() - kept..).unwrap_or(text).into()
}

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut digits = text.iter().filter(|byte| **byte != b'-').map(|byte| char::from(*byte).to_digit(16));
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = (digits.next()?? << 4 | digits.next()??) as u8;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_label_is_not_no_label() {
        let column =
            Column { name: "mood".to_owned(), type_name: "enum".to_owned(), type_oid: 0, type_modifier: -1 };
        let defined = ColumnDefinition { collation: Some(255), ..ColumnDefinition::default() };
        let plan = SelectPlan::new([(&column, &defined, Use::Sent)]).unwrap();
        let cell = |value| {
            let mut cells = Vec::new();
            plan.cells([value], &mut cells).map(|()| cells)
        };
        assert_eq!(cell(Selected::Bytes(b"=")).unwrap(), [Cell::Text("".into())]);
        assert_eq!(cell(Selected::Bytes(b"==")).unwrap(), [Cell::Text("=".into())]);
        assert_eq!(cell(Selected::Bytes(b"")).unwrap(), [Cell::Other { type_name: "enum", text: "".into() }]);
        assert!(cell(Selected::Bytes(b"x")).is_err());
        assert!(plan.cells([], &mut Vec::new()).is_err());
    }

    #[test]
    fn decimals_have_no_zeros_before_them() {
        for (shown, kept) in [
            ("000012.50", "12.50"),
            ("0000.50", "0.50"),
            ("000", "0"),
            ("-0.5", "-0.5"),
            ("0", "0"),
            ("120", "120"),
        ] {
            assert_eq!(decimal(shown), kept);
        }
    }

    #[test]
    fn a_uuid_has_sixteen_bytes() {
        let text = b"123e4567-e89b-12d3-a456-426655440000";
        assert_eq!(uuid(text).unwrap()[..4], [0x12, 0x3e, 0x45, 0x67]);
        assert_eq!(uuid(b"123e4567-e89b-12d3-a456-4266554400"), None);
        assert_eq!(uuid(b"123e4567-e89b-12d3-a456-426655440000ff"), None);
    }
}

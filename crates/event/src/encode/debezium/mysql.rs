//! What the columns of MySQL and MariaDB are to Kafka Connect, as Debezium's connectors for them have it by default.

use super::kind::{Kind, Scalar};
use super::{DebeziumDecimals, DebeziumOptions, DebeziumTimes};
use crate::Column;

/// Whether a column is one of these servers': theirs have no OID.
pub(super) fn is_theirs(column: &Column) -> bool {
    column.type_oid == 0
}

/// Integers without a sign get the next wider type; `bigint unsigned` has none, and is read as a signed one.
pub(super) fn kind(column: &Column, options: &DebeziumOptions) -> Kind {
    let adaptive = options.time == DebeziumTimes::Adaptive;
    let in_ms = (0..=3).contains(&column.type_modifier);
    let name = column.type_name.strip_suffix(" unsigned").unwrap_or(&column.type_name);
    let is_unsigned = name.len() < column.type_name.len();
    Kind::Scalar(match name {
        "tinyint" => Scalar::Int16,
        "smallint" if is_unsigned => Scalar::Int32,
        "smallint" => Scalar::Int16,
        "mediumint" => Scalar::Int32,
        "int" if is_unsigned => Scalar::Int64,
        "int" => Scalar::Int32,
        "bigint" => Scalar::Int64,
        "float" => Scalar::Float,
        "double" => Scalar::Double,
        "decimal" => match options.decimal {
            DebeziumDecimals::String => Scalar::String,
            DebeziumDecimals::Double => Scalar::Double,
            DebeziumDecimals::Precise => Scalar::decimal(column.type_modifier),
        },
        "bit" if column.type_modifier == 1 => Scalar::Boolean,
        "bit" => Scalar::Bits { len: u8::try_from(column.type_modifier).unwrap_or(64) },
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Scalar::Bytes,
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" => Scalar::Geometry,
        "vector" => return Kind::Array(Scalar::Float),
        "json" => Scalar::Json,
        "uuid" => Scalar::Uuid,
        "year" => Scalar::Year,
        "date" if adaptive => Scalar::DateDays,
        "time" if adaptive => Scalar::TimeUs,
        "datetime" if adaptive && in_ms => Scalar::TimestampMs,
        "datetime" if adaptive => Scalar::TimestampUs,
        "timestamp" => Scalar::ZonedTimestamp,
        _ => Scalar::String,
    })
}

/// The microseconds of a `time` that is no time of a day: `-838:59:59.000000`.
pub(super) fn duration_us(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    let seconds = (number(hours)? * 60 + number(minutes)?) * 60 + number(seconds)?;
    let us = number(&format!("{fraction:0<6}"))?;
    (fraction.len() <= 6 && parts.next().is_none()).then_some(sign * (seconds * 1_000_000 + us))
}

/// Whether a text is a date that no calendar has: `0000-00-00`, `2023-02-31 00:00:00`. What PostgreSQL has no number for
/// has more digits in its year, or an era.
pub(super) fn is_no_date(text: &str) -> bool {
    let date = text.get(..10).unwrap_or_default();
    let is_shaped = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    date.len() == 10 && date.bytes().enumerate().all(is_shaped) && !text.ends_with("BC")
}

#[cfg(test)]
mod tests {
    use super::super::value::write_value;
    use super::*;
    use crate::{Bytes, Cell};

    #[test]
    fn values_are_what_debezium_makes_of_them() {
        let options = DebeziumOptions {
            time: DebeziumTimes::Adaptive,
            decimal: DebeziumDecimals::Precise,
            ..DebeziumOptions::default()
        };
        let other = |text: &'static str| Cell::Other { type_name: "", text: text.into() };
        let point = Bytes::Raw([230, 16, 0, 0, 1, 1, 0, 0, 0].as_slice().into());
        let decimal = (10 << 16 | 2) + 4;
        for (type_name, type_modifier, cell, expected) in [
            ("tinyint", -1, Cell::Int(-1), "-1"),
            ("int unsigned", -1, Cell::Uint(4_294_967_295), "4294967295"),
            ("bigint unsigned", -1, Cell::Uint(u64::MAX), "-1"),
            ("bit", 1, Cell::Uint(1), "true"),
            ("bit", 9, Cell::Uint(257), "\"AQE=\""),
            ("year", -1, Cell::Int(0), "0"),
            ("decimal", decimal, Cell::Decimal("10.10".into()), "\"A/I=\""),
            ("date", -1, Cell::DateDays(1), "1"),
            ("date", -1, other("0000-00-00"), "null"),
            ("datetime", 3, Cell::TimestampUs(1_500_000), "1500"),
            ("datetime", 6, Cell::TimestampUs(1_500_000), "1500000"),
            ("datetime", 0, other("2023-02-31 00:00:00"), "null"),
            ("timestamp", 6, Cell::TimestampUs(0), "\"1970-01-01T00:00:00Z\""),
            ("time", 0, other("-00:00:01"), "-1000000"),
            ("enum", -1, other(""), "\"\""),
            ("vector", -1, Cell::Array(vec![Cell::Double(0.5)]), "[0.5]"),
            ("point", -1, Cell::Bytes(point), "{\"wkb\":\"AQEAAAA=\",\"srid\":4326}"),
        ] {
            let column = Column { name: "c".into(), type_name: type_name.into(), type_oid: 0, type_modifier };
            let mut out = Vec::new();
            write_value(&cell, Kind::of(&column, &options), &options, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{type_name} {cell:?}");
        }
    }

    #[test]
    fn durations_are_microseconds() {
        assert_eq!(duration_us("-00:00:00.5"), Some(-500_000));
        assert_eq!(duration_us("838:59:59"), Some(3_020_399_000_000));
        assert_eq!(duration_us("-838:59:59.000001"), Some(-3_020_399_000_001));
        for text in ["", "0000-00-00", "1:2", "1:2:3:4", "1:2:-3", "1:2:3.1234567"] {
            assert_eq!(duration_us(text), None, "{text}");
        }
    }
}

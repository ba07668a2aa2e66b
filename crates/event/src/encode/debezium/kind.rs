use super::{DebeziumDecimals, DebeziumOptions, DebeziumTimes, mysql};
use crate::Column;

/// What a column's values are to Kafka Connect. Decided by the column alone, never by a value: with schemas on, a
/// value of another kind than its schema's is read as zero or nothing, without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Array(Scalar),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Boolean,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    String,
    Bytes,
    Uuid,
    Json,
    Xml,
    /// The unscaled integer, of a scale that is the column's or, if it has none, each value's.
    Decimal {
        scale: Option<u16>,
        precision: u16,
    },
    DateDays,
    TimeMs,
    TimeUs,
    TimestampMs,
    TimestampUs,
    /// Text with a `Z`, whatever the times option: Debezium has no other form of it.
    ZonedTimestamp,
    Year,
    /// Bits as bytes, the lowest first.
    Bits {
        len: u8,
    },
    /// WKB and an SRID.
    Geometry,
}

impl Kind {
    /// Built-in types are called by their bare names, their arrays with an underscore before it, and domains by their
    /// base type; any other type has its namespace in its name.
    pub(super) fn of(column: &Column, options: &DebeziumOptions) -> Self {
        if mysql::is_theirs(column) {
            return mysql::kind(column, options);
        }
        match column.type_name.strip_prefix('_') {
            Some(element) => Self::Array(Scalar::of(element, column.type_modifier, options)),
            None => Self::Scalar(Scalar::of(&column.type_name, column.type_modifier, options)),
        }
    }
}

impl Scalar {
    fn of(type_name: &str, type_modifier: i32, options: &DebeziumOptions) -> Self {
        let adaptive = options.time == DebeziumTimes::Adaptive;
        let in_ms = (0..=3).contains(&type_modifier);
        match type_name {
            "bool" => Self::Boolean,
            "int2" => Self::Int16,
            "int4" => Self::Int32,
            "int8" | "oid" => Self::Int64,
            "float4" => Self::Float,
            "float8" => Self::Double,
            "bytea" => Self::Bytes,
            "uuid" => Self::Uuid,
            "json" | "jsonb" => Self::Json,
            "xml" => Self::Xml,
            "numeric" => match options.decimal {
                DebeziumDecimals::String => Self::String,
                DebeziumDecimals::Double => Self::Double,
                DebeziumDecimals::Precise => Self::decimal(type_modifier),
            },
            "date" if adaptive => Self::DateDays,
            "time" if adaptive && in_ms => Self::TimeMs,
            "time" if adaptive => Self::TimeUs,
            "timestamp" if adaptive && in_ms => Self::TimestampMs,
            "timestamp" if adaptive => Self::TimestampUs,
            "timestamptz" => Self::ZonedTimestamp,
            _ => Self::String,
        }
    }

    /// numeric's modifier is ((precision << 16) | (scale & 0x7FF)) + 4, or -1; the scale's 11 bits are signed since
    /// PostgreSQL 15 (`numerictypmodin` in numeric.c). Below zero it prints as zero.
    pub(super) fn decimal(type_modifier: i32) -> Self {
        let Some(packed) = type_modifier.checked_sub(4).filter(|packed| *packed >= 0) else {
            return Self::Decimal { scale: None, precision: 0 };
        };
        let signed = ((packed & 0x7FF) ^ 0x400) - 0x400;
        Self::Decimal { scale: Some(signed.max(0) as u16), precision: (packed >> 16) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_modifier_holds_precision_and_signed_scale() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7FF)) + 4;
        let decimal = |modifier| match Scalar::decimal(modifier) {
            Scalar::Decimal { scale, precision } => (scale, precision),
            other => panic!("{other:?}"),
        };
        assert_eq!(decimal(modifier(10, 2)), (Some(2), 10));
        assert_eq!(decimal(modifier(1000, 1000)), (Some(1000), 1000));
        assert_eq!(decimal(modifier(3, -3)), (Some(0), 3));
        assert_eq!(decimal(-1), (None, 0));
    }
}

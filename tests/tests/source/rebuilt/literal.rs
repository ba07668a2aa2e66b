//! What docs/types.md says of each arm: from a value of the envelope back to SQL.

use event::envelope::Value;
use event::envelope::value::Kind;

const DAY_US: i64 = 86_400_000_000;

/// An SQL expression for a value of that type; the type is called as a SCHEMA event calls it.
pub(super) fn literal(value: &Value, type_name: &str) -> String {
    match value.kind.as_ref().expect("a kind") {
        Kind::Null(_) => "NULL".to_owned(),
        Kind::Unchanged(_) | Kind::Omitted(_) => panic!("{type_name} was not sent"),
        Kind::Bool(value) => quoted(&value.to_string()),
        Kind::Int64(value) => quoted(&value.to_string()),
        Kind::Uint64(value) => quoted(&value.to_string()),
        Kind::Double(value) => quoted(&format!("{value:?}")),
        Kind::Decimal(text) | Kind::String(text) | Kind::Json(text) => quoted(text),
        Kind::Other(other) => {
            assert_eq!(other.r#type, type_name);
            quoted(&other.text)
        }
        Kind::Bytes(bytes) => quoted(&format!("\\x{}", hex(bytes))),
        Kind::Uuid(bytes) => quoted(&hex(bytes)),
        Kind::DateDays(days) => format!("date '1970-01-01' + ({days})"),
        Kind::TimeUs(us) => {
            let (seconds, us) = (us / 1_000_000, us % 1_000_000);
            quoted(&format!("{:02}:{:02}:{:02}.{us:06}", seconds / 3600, seconds / 60 % 60, seconds % 60))
        }
        Kind::TimestampUs(us) => {
            // Days first: of microseconds alone, a double could not hold them all.
            let local = format!(
                "timestamp '1970-01-01' + interval '1 day' * ({}) + interval '1 microsecond' * {}",
                us.div_euclid(DAY_US),
                us.rem_euclid(DAY_US)
            );
            match type_name {
                "timestamptz" => format!("({local}) AT TIME ZONE 'UTC'"),
                _ => local,
            }
        }
        Kind::Array(array) => {
            let element = type_name.strip_prefix('_').expect("an array's type");
            // Inner arrays are of the same type: an array's dimensions are no part of it.
            let elements = array.values.iter().map(|value| match value.kind {
                Some(Kind::Array(_)) => literal(value, type_name),
                _ => literal(value, element),
            });
            constructed(elements.collect(), type_name)
        }
    }
}

/// An array of these, which may be arrays.
pub(super) fn constructed(elements: Vec<String>, type_name: &str) -> String {
    match &elements[..] {
        [] => quoted("{}"),
        _ => format!("ARRAY[{}]::pg_catalog.\"{type_name}\"", elements.join(", ")),
    }
}

/// With `standard_conforming_strings`, as it is by default.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

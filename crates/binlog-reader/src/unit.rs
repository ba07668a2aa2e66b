//! What one load reads: a table, or a range of keys of a large one, so that a crash costs little and the stream never
//! waits long.

use event::{Column, KeyBound, KeyRange, TableName, TableSchema};
use mysql_async::Value;

use crate::error::Error;
use crate::session::{Session, quote_bytes, quote_name, quote_table};

/// A unit, cut into pieces that workers can read side by side: conditions over the table's rows.
#[derive(Debug)]
pub(crate) struct Plan {
    /// None: the whole table.
    pub(crate) range: Option<KeyRange>,
    /// SQL conditions that together cover the unit; an empty one covers all.
    pub(crate) pieces: Vec<String>,
}

impl Plan {
    /// The whole table, at once: there is no order of rows that can be cut without a key.
    pub(crate) fn whole() -> Self {
        Self { range: None, pieces: vec![String::new()] }
    }
}

/// The column by which a table is cut: integers alone are ordered the same everywhere, whatever their text, their collation
/// or their storage.
pub(crate) fn range_key(schema: &TableSchema) -> Option<usize> {
    let [position] = schema.key[..] else { return None };
    let (name, _) =
        schema.columns.get(position)?.type_name.split_once(' ').unwrap_or_else(|| {
            (schema.columns.get(position).map_or("", |column| column.type_name.as_str()), "")
        });
    RANGE_KEY_TYPES.contains(&name).then_some(position)
}

pub(crate) const RANGE_KEY_TYPES: [&str; 5] = ["tinyint", "smallint", "mediumint", "int", "bigint"];

/// Plans the unit that starts at `from`: walks the key's index to the unit's end, stopping at the borders between its
/// pieces.
pub(crate) async fn plan_range(
    session: &mut Session,
    name: &TableName,
    key: &Column,
    from: Option<KeyBound>,
    unit_rows: u64,
    workers: usize,
) -> Result<Plan, Error> {
    let is_unsigned = key.type_name.ends_with(" unsigned");
    let (table, key) = (quote_table(name), quote_name(&key.name));
    let step = (unit_rows / workers.max(1) as u64).max(1);
    let (mut low, mut pieces) = (from, Vec::new());
    for _ in 0..workers.max(1) {
        let lower = low.map(|bound| format!("{key} >= {}", literal(bound)));
        let condition = lower.as_ref().map(|lower| format!(" WHERE {lower}")).unwrap_or_default();
        let row = session
            .first_typed(&format!(
                "SELECT {key} FROM {table}{condition} ORDER BY {key} LIMIT 1 OFFSET {step}"
            ))
            .await?;
        let high = row.as_ref().and_then(|row| bound(row.as_ref(0)?, is_unsigned));
        let upper = high.map(|bound| format!("{key} < {}", literal(bound)));
        pieces.push([lower, upper].into_iter().flatten().collect::<Vec<_>>().join(" AND "));
        low = high;
        if high.is_none() {
            break;
        }
    }
    Ok(Plan { range: Some(KeyRange { from, to: low }), pieces })
}

/// Bounds are of their column's sign, whatever sign the value has that the driver makes of it.
fn bound(value: &Value, is_unsigned: bool) -> Option<KeyBound> {
    match (value, is_unsigned) {
        (Value::Int(value), false) => Some(KeyBound::Int(*value)),
        (Value::UInt(value), true) => Some(KeyBound::Uint(*value)),
        (Value::Int(value), true) => u64::try_from(*value).ok().map(KeyBound::Uint),
        (Value::UInt(value), false) => i64::try_from(*value).ok().map(KeyBound::Int),
        _ => None,
    }
}

fn literal(bound: KeyBound) -> String {
    match bound {
        KeyBound::Int(value) => value.to_string(),
        KeyBound::Uint(value) => value.to_string(),
        // Of other databases' keys.
        KeyBound::DateDays(days) => format!("DATE'1970-01-01' + INTERVAL {days} DAY"),
        KeyBound::Uuid(bytes) => quote_bytes(&bytes),
    }
}

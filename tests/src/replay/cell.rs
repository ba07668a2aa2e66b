use event::envelope::{Value, value::Kind};

/// A value in a form that source and sink can both be brought to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// NULL.
    Null,
    /// Any value, as text.
    Text(String),
    /// Not told: whoever knows the row from before knows it.
    Unknown,
}

impl Cell {
    /// From the envelope.
    pub(crate) fn of(value: &Value) -> Self {
        Self::Text(match &value.kind {
            Some(Kind::Null(_)) => return Self::Null,
            None | Some(Kind::Unchanged(_) | Kind::Omitted(_)) => return Self::Unknown,
            Some(Kind::Array(array)) => {
                serde_json::Value::from(array.values.iter().map(json_of).collect::<Vec<_>>()).to_string()
            }
            Some(Kind::Bool(value)) => value.to_string(),
            Some(Kind::Int64(value) | Kind::TimestampUs(value) | Kind::TimeUs(value)) => value.to_string(),
            Some(Kind::Uint64(value)) => value.to_string(),
            Some(Kind::DateDays(value)) => value.to_string(),
            Some(Kind::Double(value)) => double(*value),
            Some(Kind::Decimal(text) | Kind::String(text) | Kind::Json(text)) => text.clone(),
            Some(Kind::Bytes(bytes) | Kind::Uuid(bytes)) => {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            Some(Kind::Other(other)) => other.text.clone(),
        })
    }
}

/// All digits, and -0 other than 0.
pub(super) fn double(value: f64) -> String {
    format!("{value:?}")
}

fn json_of(value: &Value) -> serde_json::Value {
    match &value.kind {
        Some(Kind::Int64(number)) => (*number).into(),
        _ => match Cell::of(value) {
            Cell::Text(text) => text.into(),
            Cell::Null | Cell::Unknown => serde_json::Value::Null,
        },
    }
}

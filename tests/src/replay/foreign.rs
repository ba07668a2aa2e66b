use event::TableName;
use serde_json::Value;

use super::cell::double;
use super::source::compare;
use super::{Cell, Source};

/// How the rows that another program rebuilt differ from the source's: `{"tables": [{"schema", "table", "rows": [{…}]}]}`,
/// each row by its columns' names. A table without rows may be left out.
pub fn differences(source: &Source, replica: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let tables = replica["tables"].as_array().expect("tables");
    for (name, expected) in source {
        let mut found: Vec<Vec<Cell>> = tables
            .iter()
            .filter(|table| table["schema"] == *name.schema && table["table"] == *name.table)
            .flat_map(|table| table["rows"].as_array().expect("rows"))
            .map(|row| {
                let cells = expected.columns.iter().zip(&expected.types);
                cells.map(|(column, kind)| cell(&row[column], kind)).collect()
            })
            .collect();
        found.sort();
        compare(name, expected, &found, &mut faults);
    }
    for table in tables {
        let text = |key: &str| table[key].as_str().expect("a name").to_owned();
        let name = TableName::new(text("schema"), text("table"));
        if !source.contains_key(&name) {
            faults.push(format!("{name}: not in the source"));
        }
    }
    faults
}

/// Languages write numbers in their own ways; a column that the row does not have is younger than the row.
fn cell(value: &Value, kind: &str) -> Cell {
    Cell::Text(match value {
        Value::Null => return Cell::Null,
        Value::String(text) if kind == "double precision" => double(text.parse().expect("a number")),
        Value::String(text) => text.clone(),
        Value::Array(_) if kind == "integer[]" => {
            let items = value.as_array().into_iter().flatten().map(number);
            Value::from(items.collect::<Vec<_>>()).to_string()
        }
        other => other.to_string(),
    })
}

fn number(value: &Value) -> Value {
    match value {
        Value::String(text) => text.parse::<i64>().expect("a number").into(),
        other => other.clone(),
    }
}

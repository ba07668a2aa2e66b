mod mysql;
mod postgres;

use std::collections::BTreeMap;

use event::TableName;

use super::Cell;
use super::cell::double;
use crate::dialect::Dialect;
use crate::session::Session;

/// A table's rows as they are in the source, sorted.
#[derive(Debug, PartialEq, Eq)]
pub struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) types: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// The tables of a source.
pub type Source = BTreeMap<TableName, Rows>;

/// All tables of the schema `public`, or of MySQL's default database.
pub fn source_rows(session: &Session) -> Source {
    match session.dialect() {
        Dialect::Postgres => postgres::source_rows(session),
        Dialect::Mysql => mysql::source_rows(session),
    }
}

impl Rows {
    /// Each row's cells by their columns' names.
    pub(crate) fn named(&self) -> impl Iterator<Item = impl Iterator<Item = (String, Cell)>> {
        self.rows.iter().map(|row| self.columns.iter().cloned().zip(row.iter().cloned()))
    }

    /// Reads what was asked for as `forms` has it.
    fn of(columns: Vec<String>, types: Vec<String>, found: Vec<Vec<Option<String>>>) -> Self {
        let mut rows: Vec<Vec<Cell>> = found
            .into_iter()
            .map(|row| row.into_iter().zip(&types).map(|(text, kind)| read(text, kind)).collect())
            .collect();
        rows.sort();
        Self { columns, types, rows }
    }
}

fn read(text: Option<String>, kind: &str) -> Cell {
    let Some(text) = text else { return Cell::Null };
    Cell::Text(match kind {
        "double precision" | "double" => double(text.parse().expect("a number")),
        // The double nearest to the float's shortest text.
        "float" => {
            let float = text.parse::<f64>().expect("a number") as f32;
            double(float.to_string().parse().expect("a number"))
        }
        kind if kind.ends_with("[]") => {
            serde_json::from_str::<serde_json::Value>(&text).expect("an array").to_string()
        }
        _ => text,
    })
}

/// Notes how the found rows differ.
pub(super) fn compare(table: &TableName, expected: &Rows, found: &[Vec<Cell>], faults: &mut Vec<String>) {
    if expected.rows == found {
        return;
    }
    let (missing, invented) = (without(&expected.rows, found), without(found, &expected.rows));
    let show = |rows: &[&Vec<Cell>]| {
        let row = |row: &&Vec<Cell>| {
            row.iter().map(|cell| short(&format!("{cell:?}"))).collect::<Vec<_>>().join(", ")
        };
        rows.iter().take(3).map(row).collect::<Vec<_>>().join("\n    ")
    };
    faults.push(format!(
        "{table}: {} rows in the source, {} in the sink\n  {} only in the source:\n    {}\n  {} only in the sink:\n    {}",
        expected.rows.len(),
        found.len(),
        missing.len(),
        show(&missing),
        invented.len(),
        show(&invented),
    ));
}

/// What of the one is not in the other; both are sorted.
fn without<'a>(these: &'a [Vec<Cell>], those: &[Vec<Cell>]) -> Vec<&'a Vec<Cell>> {
    let mut those = those.iter().peekable();
    let is_missing = |row: &&Vec<Cell>| {
        while those.next_if(|other| *other < *row).is_some() {}
        those.next_if(|other| *other == *row).is_none()
    };
    these.iter().filter(is_missing).collect()
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

use std::collections::BTreeMap;

use event::TableName;

use super::Cell;
use super::cell::double;
use crate::session::Session;

/// A table's rows as they are in the source, sorted.
#[derive(Debug)]
pub struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) types: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// The tables of a source.
pub type Source = BTreeMap<TableName, Rows>;

/// All tables of the schema `public`; partitions are their root's.
pub fn source_rows(session: &Session) -> Source {
    let tables = session.rows(
        "SELECT relname, c.oid FROM pg_class c \
         WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace",
    );
    tables
        .into_iter()
        .map(|row| {
            let [Some(name), Some(oid)] = &row[..] else { panic!("{row:?}") };
            (TableName::new("public", name), rows(session, oid))
        })
        .collect()
}

fn rows(session: &Session, oid: &str) -> Rows {
    // Generated columns are not published before version 18, nor by default from then on.
    let columns = session.rows(&format!(
        "SELECT attname, quote_ident(attname), atttypid::regtype FROM pg_attribute \
         WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
    ));
    let cell = |column: &Vec<Option<String>>, number: usize| column[number].clone().unwrap_or_default();
    let types: Vec<String> = columns.iter().map(|column| cell(column, 2)).collect();
    let list: Vec<String> =
        columns.iter().zip(&types).map(|(column, kind)| form(&cell(column, 1), kind)).collect();
    let table = session
        .value(&format!("SELECT CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || oid::regclass FROM pg_class WHERE oid = {oid}"))
        .expect("the table's name");
    let found = session.rows(&format!("SELECT {} FROM {table}", list.join(", ")));
    let mut rows: Vec<Vec<Cell>> = found
        .into_iter()
        .map(|row| row.into_iter().zip(&types).map(|(text, kind)| read(text, kind)).collect())
        .collect();
    rows.sort();
    Rows { columns: columns.iter().map(|column| cell(column, 0)).collect(), types, rows }
}

/// The SQL that brings a column into the form of [`Cell`].
fn form(column: &str, kind: &str) -> String {
    match kind {
        "bytea" => format!("encode({column}, 'hex')"),
        "uuid" => format!("replace({column}::text, '-', '')"),
        "date" => format!("{column} - date '1970-01-01'"),
        kind if kind.starts_with("timestamp") || kind.starts_with("time without") => {
            format!("(extract(epoch FROM {column}) * 1000000)::bigint")
        }
        kind if kind.ends_with("[]") => format!("array_to_json({column})::text"),
        _ => format!("{column}::text"),
    }
}

fn read(text: Option<String>, kind: &str) -> Cell {
    let Some(text) = text else { return Cell::Null };
    Cell::Text(match kind {
        "double precision" => double(text.parse().expect("a number")),
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

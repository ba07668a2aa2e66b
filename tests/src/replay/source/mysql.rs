use event::TableName;

use super::{Rows, Source};
use crate::dialect::Dialect;
use crate::session::Session;

/// All tables of the default database.
pub(super) fn source_rows(session: &Session) -> Source {
    let schema = session.value("SELECT DATABASE()").expect("a default database");
    let tables = session.rows(
        "SELECT table_name FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    );
    let name = |row: Vec<Option<String>>| row.into_iter().next().flatten().expect("a name");
    tables
        .into_iter()
        .map(name)
        .map(|table| (TableName::new(&schema, &table), rows(session, &table)))
        .collect()
}

fn rows(session: &Session, table: &str) -> Rows {
    let columns = session.rows(&format!(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = '{}' ORDER BY ordinal_position",
        table.replace('\'', "''")
    ));
    let cell = |column: &Vec<Option<String>>, number: usize| column[number].clone().unwrap_or_default();
    let types: Vec<String> = columns.iter().map(|column| cell(column, 1)).collect();
    let list: Vec<String> = columns
        .iter()
        .zip(&types)
        .map(|(column, kind)| form(&Dialect::Mysql.quoted(&cell(column, 0)), kind))
        .collect();
    let name = Dialect::Mysql.quoted(table);
    let found = session.rows(&format!("SELECT {} FROM {name}", list.join(", ")));
    Rows::of(columns.iter().map(|column| cell(column, 0)).collect(), types, found)
}

/// The SQL that brings a column into the form of [`Cell`](super::Cell).
fn form(column: &str, kind: &str) -> String {
    const DAY_S: u32 = 86_400;
    match kind {
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry" => {
            format!("LOWER(HEX({column}))")
        }
        "date" => format!("IFNULL(DATEDIFF({column}, '1970-01-01'), CAST({column} AS CHAR))"),
        "datetime" | "timestamp" => format!(
            "IFNULL(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', {column}), CAST({column} AS CHAR))"
        ),
        // What is no time of a day is text.
        "time" => format!(
            "IF({column} >= '00:00:00' AND TIME_TO_SEC({column}) < {DAY_S}, \
               FLOOR(TIME_TO_SEC({column})) * 1000000 + MICROSECOND({column}), CAST({column} AS CHAR))"
        ),
        "uuid" => format!("REPLACE({column}, '-', '')"),
        "float" => format!("{column} * 1e0"),
        "bit" | "year" => format!("{column} + 0"),
        "double" => column.to_owned(),
        _ => format!("CONVERT({column} USING utf8mb4)"),
    }
}

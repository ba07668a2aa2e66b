use event::TableName;

use super::{Rows, Source};
use crate::session::Session;

/// All tables of the schema `public`; partitions are their root's.
pub(super) fn source_rows(session: &Session) -> Source {
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
    Rows::of(columns.iter().map(|column| cell(column, 0)).collect(), types, found)
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

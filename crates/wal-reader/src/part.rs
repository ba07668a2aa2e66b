//! A load of a part of a table: some rows, some columns.

use event::{Cell, LoadPart, SentTable, TableName, TableSchema};

use crate::Error;
use crate::load::tells_rows_apart;
use crate::refusal::Refusal;
use crate::sql::quote_table;
use crate::wire::Connection;

/// Whether the part can be read: its rows must be told apart, and its columns must be sent at all.
pub(crate) fn check(part: &LoadPart, sent: &SentTable, database: &TableSchema) -> Result<(), Refusal> {
    let refuse = |problem: String| Refusal::Part { table: database.name.clone(), problem };
    if !tells_rows_apart(sent, database) {
        let problem =
            "its rows have no key of their own, so a consumer could not tell which of its rows they are";
        return Err(refuse(problem.to_owned()));
    }
    let is_sent = |name: &String| sent.schema.columns.iter().any(|column| column.name == *name);
    match part.columns.iter().find(|name| !is_sent(name)) {
        Some(unknown) => {
            let known: Vec<_> = sent.schema.columns.iter().map(|column| column.name.as_str()).collect();
            Err(refuse(format!("\"{unknown}\" is not among the columns that are sent: {}", known.join(", "))))
        }
        None => Ok(()),
    }
}

/// The places of the columns that are read: those of the key, and those that are named; none if all are.
pub(crate) fn places(part: &LoadPart, sent: &TableSchema) -> Option<Vec<usize>> {
    let is_read = |(place, name): (usize, &String)| sent.key.contains(&place) || part.columns.contains(name);
    (!part.columns.is_empty()).then(|| {
        let names = sent.columns.iter().map(|column| &column.name).enumerate();
        names.filter(|(place, name)| is_read((*place, name))).map(|(place, _)| place).collect()
    })
}

/// The cells that were read, at their places in a row in which the others are omitted.
pub(crate) fn spread<'a>(cells: Vec<Cell<'a>>, places: &[usize], width: usize) -> Vec<Cell<'a>> {
    let mut row = vec![Cell::Omitted; width];
    for (place, cell) in places.iter().zip(cells) {
        if let Some(slot) = row.get_mut(*place) {
            *slot = cell;
        }
    }
    row
}

/// Whether the server understands a condition on the rows of a table. Reads none of them.
///
/// # Errors
/// What the server says.
pub async fn try_filter(connection: &mut Connection, table: &TableName, filter: &str) -> Result<(), Error> {
    let table = quote_table(table);
    connection.query(&format!("SELECT FROM {table} WHERE (\n{filter}\n) LIMIT 0")).await.map(drop)
}

#[cfg(test)]
mod tests {
    use event::Column;

    use super::*;

    #[test]
    fn what_was_not_read_is_omitted() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            type_name: "int4".to_owned(),
            type_oid: 23,
            type_modifier: -1,
        };
        let columns = ["a", "id", "b", "c"].map(column).to_vec();
        let schema = TableSchema { name: TableName::new("public", "t"), columns, key: vec![1] };
        let part = LoadPart { filter: None, columns: vec!["c".to_owned()] };
        let places = places(&part, &schema).unwrap();
        assert_eq!(places, [1, 3]);
        let row = spread(vec![Cell::Int(7), Cell::Null], &places, 4);
        assert_eq!(row, [Cell::Omitted, Cell::Int(7), Cell::Omitted, Cell::Null]);
        assert_eq!(super::places(&LoadPart::default(), &schema), None);
    }
}

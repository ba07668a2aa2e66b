use std::io;
use std::str::FromStr;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, RowDescriptionBody};

use crate::error::{Doing, Endpoint, Error};

/// The rows of a query, as text.
#[derive(Debug)]
pub struct Rows {
    endpoint: Endpoint,
    doing: Doing,
    columns: Vec<String>,
    cells: Vec<Vec<Option<String>>>,
}

/// One row of [`Rows`].
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    rows: &'a Rows,
    cells: &'a [Option<String>],
}

/// A column's number, from 0, or its name.
pub trait ColumnName: std::fmt::Display {
    /// The number of this column.
    fn position(&self, columns: &[String]) -> Option<usize>;
}

impl Rows {
    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The rows in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.cells.iter().map(|cells| Row { rows: self, cells })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }

    /// The only row.
    pub fn single(&self) -> Result<Row<'_>, Error> {
        match self.first() {
            Some(row) if self.len() == 1 => Ok(row),
            _ => Err(self.error(format!("{} rows instead of one", self.len()))),
        }
    }

    pub(super) fn new(endpoint: Endpoint, doing: Doing) -> Self {
        Self { endpoint, doing, columns: Vec::new(), cells: Vec::new() }
    }

    pub(super) fn describe(&mut self, description: &RowDescriptionBody) -> io::Result<()> {
        self.columns = description.fields().map(|field| Ok(field.name().to_owned())).collect()?;
        Ok(())
    }

    pub(super) fn push(&mut self, row: &DataRowBody) -> io::Result<()> {
        let text = |range: std::ops::Range<usize>| {
            let bytes = row.buffer().get(range).unwrap_or_default();
            String::from_utf8(bytes.to_vec())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        };
        self.cells.push(row.ranges().map(|range| range.map(text).transpose()).collect()?);
        Ok(())
    }

    fn error(&self, problem: String) -> Error {
        Error::Protocol { server: self.endpoint.clone(), doing: self.doing.clone(), problem }
    }
}

impl<'a> Row<'a> {
    /// The text of a cell; `None` for a null.
    pub fn get(&self, column: impl ColumnName) -> Result<Option<&'a str>, Error> {
        column
            .position(&self.rows.columns)
            .and_then(|position| self.cells.get(position))
            .map(Option::as_deref)
            .ok_or_else(|| self.rows.error(format!("there is no column {column}")))
    }

    /// The text of a cell that cannot be null.
    pub fn required(&self, column: impl ColumnName + Copy) -> Result<&'a str, Error> {
        self.get(column)?.ok_or_else(|| self.rows.error(format!("column {column} is null")))
    }

    /// A cell that cannot be null, as a number or whatever else can be read from text.
    pub fn parse<T: FromStr>(&self, column: impl ColumnName + Copy) -> Result<T, Error> {
        self.required(column)?
            .parse()
            .map_err(|_| self.rows.error(format!("column {column} is not a {}", std::any::type_name::<T>())))
    }

    /// A `boolean` cell that cannot be null.
    pub fn bool(&self, column: impl ColumnName + Copy) -> Result<bool, Error> {
        match self.required(column)? {
            "t" => Ok(true),
            "f" => Ok(false),
            _ => Err(self.rows.error(format!("column {column} is not a boolean"))),
        }
    }
}

impl ColumnName for usize {
    fn position(&self, _: &[String]) -> Option<usize> {
        Some(*self)
    }
}

impl ColumnName for &str {
    fn position(&self, columns: &[String]) -> Option<usize> {
        columns.iter().position(|column| column == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_by_name_and_number() {
        let rows = Rows {
            endpoint: Endpoint::new("u", "h", 1, "d"),
            doing: "SELECT".into(),
            columns: vec!["a".into(), "b".into(), "c".into()],
            cells: vec![vec![Some("7".into()), None, Some("t".into())]],
        };
        let row = rows.single().unwrap();
        assert_eq!(row.get("a").unwrap(), Some("7"));
        assert_eq!(row.get(1).unwrap(), None);
        assert_eq!(row.parse::<u8>("a").unwrap(), 7);
        assert!(row.bool("c").unwrap());
        assert!(row.required("b").unwrap_err().to_string().contains("column b is null"));
        assert!(row.get("d").unwrap_err().to_string().contains("no column d"));
        assert!(row.get(3).is_err());
        assert!(row.parse::<u8>("c").is_err());
        assert!(row.bool("a").is_err());
    }
}

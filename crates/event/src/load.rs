use serde::{Deserialize, Serialize};

use crate::{Cell, Fence, KeyBound, SentTable, TableName, TableSchema};

/// How a table is to be read; the default is all of it, without a word before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// Whether a TRUNCATE comes first, for consumers that can't take away at LOAD_END what is gone.
    #[serde(default)]
    pub truncate_first: bool,
    /// What is read; none: all of it.
    #[serde(default)]
    pub part: Option<LoadPart>,
    /// Whether all of it is read if the part can't be.
    #[serde(default)]
    pub or_whole: bool,
}

/// Some rows of a table, or some columns, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPart {
    /// A condition on the rows, in the database's language; none: all of them.
    #[serde(default)]
    pub filter: Option<String>,
    /// The columns, beside those of the key; empty: all of them.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl LoadPart {
    /// Why it can't be read, if it can't: its rows must be told apart, and its columns must be sent at all. `database`:
    /// the table as its database has it.
    pub fn problem(&self, sent: &SentTable, database: &TableSchema) -> Option<String> {
        if !sent.tells_rows_apart(database) {
            let problem =
                "its rows have no key of their own, so a consumer could not tell which of its rows they are";
            return Some(problem.to_owned());
        }
        let is_sent = |name: &String| sent.schema.columns.iter().any(|column| column.name == *name);
        let unknown = self.columns.iter().find(|name| !is_sent(name))?;
        let known: Vec<_> = sent.schema.columns.iter().map(|column| column.name.as_str()).collect();
        Some(format!("\"{unknown}\" is not among the columns that are sent: {}", known.join(", ")))
    }

    /// The places of the columns that are read: those of the key, and those that are named; none if all are.
    pub fn places(&self, sent: &TableSchema) -> Option<Vec<usize>> {
        let is_read =
            |(place, name): (usize, &String)| sent.key.contains(&place) || self.columns.contains(name);
        (!self.columns.is_empty()).then(|| {
            let names = sent.columns.iter().map(|column| &column.name).enumerate();
            names.filter(|(place, name)| is_read((*place, name))).map(|(place, _)| place).collect()
        })
    }

    /// The cells that were read, at their places in a row in which the others are omitted.
    pub fn spread<'a>(cells: Vec<Cell<'a>>, places: &[usize], width: usize) -> Vec<Cell<'a>> {
        let mut row = vec![Cell::Omitted; width];
        for (place, cell) in places.iter().zip(cells) {
            if let Some(slot) = row.get_mut(*place) {
                *slot = cell;
            }
        }
        row
    }
}

/// Whether a unit's reading has begun.
#[derive(Debug)]
pub enum Begun {
    /// It has: read it.
    Reading,
    /// Not yet, for this reason: try again a little later.
    NotYet(String),
    /// The table is gone, or is not sent any more.
    Gone,
}

/// How far a unit's reading is.
#[derive(Debug)]
// One is made a batch, and none is kept.
#[allow(clippy::large_enum_variant)]
pub enum Read {
    /// The batch is full, or nothing more is there just now.
    More,
    /// The last row is in the batch.
    Finished(Finished),
}

/// A unit that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Whose.
    pub table: TableName,
    /// What the reading contains.
    pub fence: Fence,
    /// Where the table's next unit starts; none: the table is done.
    pub next: Option<KeyBound>,
    /// How many rows it had.
    pub rows: u64,
    /// How the table looks from the fence's limit on, as the reader writes it down for a log whose rows don't say it:
    /// for [`Shapes`](crate::Shapes).
    pub shape: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

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
        let places = part.places(&schema).unwrap();
        assert_eq!(places, [1, 3]);
        let row = LoadPart::spread(vec![Cell::Int(7), Cell::Null], &places, 4);
        assert_eq!(row, [Cell::Omitted, Cell::Int(7), Cell::Omitted, Cell::Null]);
        assert_eq!(LoadPart::default().places(&schema), None);
    }
}

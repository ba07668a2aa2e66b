use super::columns::Stored;
use super::cursor::{Cursor, bit};
use super::definition::TableDefinition;
use super::format::Format;
use crate::Error;

/// How the rows of a table are stored. Its number stands for it in the rows events that follow, until another map has the
/// number, and in one file only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMap<'a> {
    /// What rows events call it by.
    pub table_id: u64,
    /// The database.
    pub database: &'a str,
    /// The table.
    pub table: &'a str,
    /// How each column's values are stored.
    pub columns: Vec<Stored>,
    nullable: &'a [u8],
    /// What is only there under `binlog_row_metadata`.
    metadata: &'a [u8],
}

impl<'a> TableMap<'a> {
    /// Bytes of a table's number, in the event's own header.
    pub(super) const TABLE_ID_LEN: usize = 6;

    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body, "table map");
        let table_id = cursor.uint(Self::TABLE_ID_LEN, "a table's number")?;
        cursor.u16("flags")?;
        let database = cursor.packed_str("a database's name")?;
        cursor.zero("the name's end")?;
        let table = cursor.packed_str("a table's name")?;
        cursor.zero("the name's end")?;
        let count = cursor.packed_len("a count of columns")?;
        let kinds = cursor.bytes(count, "the columns' types")?;
        let mut stored = Cursor::new(cursor.packed_bytes("the types' metadata")?, "table map");
        let columns = kinds
            .iter()
            .enumerate()
            .map(|(column, kind)| Stored::parse(*kind, column, &mut stored))
            .collect::<Result<_, _>>()?;
        stored.end()?;
        let nullable = cursor.bytes(count.div_ceil(8), "which columns can be null")?;
        Ok(Self { table_id, database, table, columns, nullable, metadata: cursor.take_rest() })
    }

    /// Whether the column at this place can be null.
    pub fn is_nullable(&self, column: usize) -> bool {
        bit(self.nullable, column)
    }

    /// What its columns mean, as far as the server tells it (`binlog_row_metadata`); [`TableDefinition::is_full`] says
    /// whether that is all. The format is that of the log the map is in.
    pub fn definition(&self, format: &Format) -> Result<TableDefinition, Error> {
        TableDefinition::of_metadata(self, format, self.metadata)
    }
}

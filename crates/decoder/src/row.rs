use event::Cell;

use crate::pgoutput::{ColumnData, Tuple};
use crate::{ColumnType, Error};

/// Appends a row image's cells, one a column that is not excluded.
pub fn row<'a>(types: &'a [ColumnType], tuple: Tuple<'a>, cells: &mut Vec<Cell<'a>>) -> Result<(), Error> {
    check_count(types, tuple)?;
    cells.reserve(types.len());
    for (column_type, data) in types.iter().zip(tuple.columns()).filter(|(of, _)| !of.is_excluded()) {
        cells.push(cell(column_type, data)?);
    }
    Ok(())
}

/// Appends the cells of the image of a key, one a column that is not excluded: a column that is not part of the key is `Omitted`.
pub fn key_row<'a>(
    types: &'a [ColumnType],
    is_key: &[bool],
    tuple: Tuple<'a>,
    cells: &mut Vec<Cell<'a>>,
) -> Result<(), Error> {
    check_count(types, tuple)?;
    let is_key = is_key.iter().copied().chain(std::iter::repeat(false));
    for ((column_type, data), is_key) in types.iter().zip(tuple.columns()).zip(is_key) {
        if !column_type.is_excluded() {
            cells.push(if is_key { cell(column_type, data)? } else { Cell::Omitted });
        }
    }
    Ok(())
}

fn check_count(types: &[ColumnType], tuple: Tuple<'_>) -> Result<(), Error> {
    if types.len() == tuple.len() {
        return Ok(());
    }
    Err(Error::ColumnCount { expected: types.len(), found: tuple.len() })
}

#[inline]
fn cell<'a>(column_type: &'a ColumnType, data: ColumnData<'a>) -> Result<Cell<'a>, Error> {
    match data {
        ColumnData::Text(text) => Ok(column_type.cell(text)),
        ColumnData::Null => Ok(Cell::Null),
        ColumnData::Unchanged => Ok(Cell::Unchanged),
        ColumnData::Binary(_) => Err(binary(column_type)),
    }
}

#[cold]
fn binary(column_type: &ColumnType) -> Error {
    Error::BinaryColumn { type_name: column_type.name().to_owned() }
}

use std::fmt;

use super::cursor::Cursor;
use crate::Error;

/// A row image within a message: a view whose bytes were checked when the message was parsed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tuple<'a> {
    columns: u16,
    bytes: &'a [u8],
}

/// One column of a row image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnData<'a> {
    /// SQL NULL; in the image of a key, also what is not part of the key.
    Null,
    /// A TOASTed value that the statement did not change.
    Unchanged,
    /// The value's text, as the type's output function writes it.
    Text(&'a [u8]),
    /// The value's binary form, as the type's send function writes it.
    Binary(&'a [u8]),
}

/// The columns of a [`Tuple`].
#[derive(Clone)]
pub struct Columns<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Tuple<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let columns = cursor.u16("a count of columns")?;
        let bytes = cursor.rest();
        let mut rest = bytes;
        for _ in 0..columns {
            match split_column(rest) {
                Some((_, after)) => rest = after,
                None => {
                    cursor.skip_to(rest);
                    return Err(explain(cursor));
                }
            }
        }
        cursor.skip_to(rest);
        Ok(Self { columns, bytes: bytes.get(..bytes.len() - rest.len()).unwrap_or_default() })
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.columns.into()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    /// The columns, in the table's order.
    pub fn columns(&self) -> Columns<'a> {
        Columns { left: self.columns, rest: self.bytes }
    }
}

/// Without values: they do not belong in a log.
impl fmt::Debug for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tuple({} columns, {} bytes)", self.columns, self.bytes.len())
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = ColumnData<'a>;

    #[inline]
    fn next(&mut self) -> Option<ColumnData<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (column, rest) = split_column(self.rest)?;
        self.rest = rest;
        Some(column)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

impl ExactSizeIterator for Columns<'_> {}

/// The first column, and what stands after it; none if it is not whole.
#[inline]
fn split_column(bytes: &[u8]) -> Option<(ColumnData<'_>, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let is_text = match kind {
        b't' => true,
        b'b' => false,
        b'n' => return Some((ColumnData::Null, rest)),
        b'u' => return Some((ColumnData::Unchanged, rest)),
        _ => return None,
    };
    let (len, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    Some((if is_text { ColumnData::Text(value) } else { ColumnData::Binary(value) }, rest))
}

/// What is wrong with a column that can't be split off.
#[cold]
fn explain(cursor: &mut Cursor<'_>) -> Error {
    const KIND: &str = "a column's kind: n, u, t or b";
    let before = cursor.clone();
    match cursor.u8(KIND) {
        Ok(b't') => cursor.error("a length and that many bytes of text"),
        Ok(b'b') => cursor.error("a length and that many binary bytes"),
        Ok(_) => before.error(KIND),
        Err(error) => error,
    }
}

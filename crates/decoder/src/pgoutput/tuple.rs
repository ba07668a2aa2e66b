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
    cursor: Cursor<'a>,
}

impl<'a> Tuple<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let columns = cursor.u16("a count of columns")?;
        let bytes = cursor.rest();
        for _ in 0..columns {
            column(cursor)?;
        }
        let len = bytes.len() - cursor.rest().len();
        Ok(Self { columns, bytes: bytes.get(..len).unwrap_or_default() })
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
        Columns { left: self.columns, cursor: Cursor::new(self.bytes, "tuple") }
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
        column(&mut self.cursor).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

impl ExactSizeIterator for Columns<'_> {}

#[inline]
fn column<'a>(cursor: &mut Cursor<'a>) -> Result<ColumnData<'a>, Error> {
    const KIND: &str = "a column's kind: n, u, t or b";
    let before = cursor.clone();
    match cursor.u8(KIND)? {
        b'n' => Ok(ColumnData::Null),
        b'u' => Ok(ColumnData::Unchanged),
        b't' => cursor.counted_bytes("a length and that many bytes of text").map(ColumnData::Text),
        b'b' => cursor.counted_bytes("a length and that many binary bytes").map(ColumnData::Binary),
        _ => Err(before.error(KIND)),
    }
}

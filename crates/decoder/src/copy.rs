//! The text format of `COPY … TO STDOUT`, which loads read, to the same cells as the stream's rows.

use std::borrow::Cow;

use event::Cell;
use memchr::memchr;

use crate::{ColumnType, Error};

/// The lines of a CopyData payload, without their line ends. The server sends one at a time.
///
/// A line end within a value is escaped, so that a bare one always ends a row.
pub fn lines(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let line;
        (line, rest) = split(rest, b'\n').unwrap_or((rest, &[]));
        Some(line)
    })
}

/// Appends a line's cells, one a column.
pub fn row<'a>(types: &'a [ColumnType], line: &'a [u8], cells: &mut Vec<Cell<'a>>) -> Result<(), Error> {
    let count_error = |found| Error::ColumnCount { expected: types.len(), found };
    cells.reserve(types.len());
    // A table without columns has empty lines; one with a single column has them for its empty texts.
    let mut rest = (!types.is_empty()).then_some(line);
    for (number, column_type) in types.iter().enumerate() {
        let from = rest.ok_or_else(|| count_error(number))?;
        let field = match split(from, b'\t') {
            Some((field, after)) => {
                rest = Some(after);
                field
            }
            None => {
                rest = None;
                from
            }
        };
        let in_line = |offset| line.len() - from.len() + offset;
        cells.push(
            cell(column_type, field)
                .map_err(|(offset, expected)| Error::MalformedCopy { offset: in_line(offset), expected })?,
        );
    }
    match rest {
        None if types.is_empty() && !line.is_empty() => Err(count_error(1)),
        None => Ok(()),
        Some(_) => Err(count_error(types.len() + 1)),
    }
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memchr(at, text)?)?;
    Some((before, after.get(1..).unwrap_or_default()))
}

type Malformed = (usize, &'static str);

fn cell<'a>(column_type: &'a ColumnType, field: &'a [u8]) -> Result<Cell<'a>, Malformed> {
    if field == b"\\N" {
        return Ok(Cell::Null);
    }
    match memchr(b'\\', field) {
        None => Ok(column_type.cell(field)),
        Some(_) => match after_the_first(field) {
            Some(text) => Ok(column_type.cell(text)),
            None => Ok(column_type.cell_of(Cow::Owned(unescape(field)?))),
        },
    }
}

/// A field whose first backslash is its only one is as it stands, but for the second of the two that COPY writes for
/// it: so is every `bytea`, however large, and need not be copied.
fn after_the_first(field: &[u8]) -> Option<&[u8]> {
    let text = field.strip_prefix(b"\\")?;
    let rest = text.strip_prefix(b"\\")?;
    memchr(b'\\', rest).is_none().then_some(text)
}

/// COPY writes the control characters 8 to 13 as a letter and the backslash twice (`CopyAttributeOutText`).
fn unescape(field: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, escaped)) = split(rest, b'\\') {
        text.extend_from_slice(before);
        let byte = match escaped.first() {
            Some(b'\\') => b'\\',
            Some(b'b') => 8,
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(b'v') => 11,
            Some(b'f') => 12,
            Some(b'r') => b'\r',
            _ => return Err((field.len() - escaped.len(), "one of \\ b t n v f r after a backslash")),
        };
        text.push(byte);
        rest = escaped.get(1..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use event::Bytes;

    use super::*;

    fn types(names: &[&str]) -> Vec<ColumnType> {
        names.iter().map(|name| ColumnType::new(name)).collect()
    }

    #[test]
    fn fields_become_the_cells_that_the_stream_has() {
        let types = types(&["int8", "text", "text", "bytea", "_text"]);
        let mut cells = Vec::new();
        row(&types, b"-7\t\\N\ta\\tb\\\\N\\n\t\\\\x00ff\t{\"a\\\\\\\\b\"}", &mut cells).unwrap();
        let expected = [
            Cell::Int(-7),
            Cell::Null,
            Cell::Text("a\tb\\N\n".into()),
            Cell::Bytes(Bytes::Raw(Cow::Borrowed(&[0, 255]))),
            Cell::Array(vec![Cell::Text("a\\b".into())]),
        ];
        assert_eq!(cells, expected);
    }

    #[test]
    fn lines_end_at_bare_line_ends() {
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(lines(b"\n").collect::<Vec<_>>(), [b""]);
        assert_eq!(lines(b"a\\n\tb\nc").collect::<Vec<_>>(), [&b"a\\n\tb"[..], b"c"]);
    }

    #[test]
    fn an_empty_line_is_no_column_or_one() {
        let mut cells = Vec::new();
        row(&[], b"", &mut cells).unwrap();
        assert_eq!(cells, []);
        let one = types(&["text"]);
        row(&one, b"", &mut cells).unwrap();
        assert_eq!(cells, [Cell::Text("".into())]);
    }

    #[test]
    fn another_count_of_columns_is_an_error() {
        let count = |types: &[ColumnType], line| row(types, line, &mut Vec::new()).unwrap_err();
        let two = types(&["text", "text"]);
        assert_eq!(count(&two, b"a"), Error::ColumnCount { expected: 2, found: 1 });
        assert_eq!(count(&two, b"a\tb\tc"), Error::ColumnCount { expected: 2, found: 3 });
        assert_eq!(count(&[], b"a"), Error::ColumnCount { expected: 0, found: 1 });
    }

    #[test]
    fn an_escape_that_copy_does_not_write_is_an_error() {
        for (line, offset) in [(&b"a\tb\\"[..], 4), (b"a\tb\\q", 4), (b"\\.\tb", 1), (b"a\t\\Nx", 3)] {
            let error = row(&types(&["text", "text"]), line, &mut Vec::new()).unwrap_err();
            assert!(matches!(error, Error::MalformedCopy { offset: at, .. } if at == offset), "{error}");
        }
    }
}

use std::borrow::Cow;

use event::Cell;

use super::ColumnType;

/// The server's own limit on dimensions, and thereby on recursion here.
const MAX_DIMENSIONS: u32 = 6;

/// The elements of an array's text; none if it has other lower bounds than 1, written before it as `[0:1]=`, or is
/// not what `array_out` writes.
pub(super) fn cells<'a>(
    element: &'a ColumnType,
    delimiter: u8,
    text: &Cow<'a, [u8]>,
) -> Option<Vec<Cell<'a>>> {
    let lasting = match text {
        Cow::Borrowed(text) => Some(*text),
        Cow::Owned(_) => None,
    };
    let mut parser = Parser { element, delimiter, text, at: 0, lasting };
    parser.expect(b'{')?;
    let cells = parser.dimension(1)?;
    (parser.at == text.len()).then_some(cells)
}

struct Parser<'a, 't> {
    element: &'a ColumnType,
    delimiter: u8,
    text: &'t [u8],
    at: usize,
    /// The same text, if elements may borrow from it.
    lasting: Option<&'a [u8]>,
}

impl<'a> Parser<'a, '_> {
    /// From after its opening brace to after its closing one.
    fn dimension(&mut self, depth: u32) -> Option<Vec<Cell<'a>>> {
        let mut cells = Vec::new();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(cells);
        }
        let of_arrays = self.peek()? == b'{';
        loop {
            if of_arrays {
                self.expect(b'{').filter(|()| depth < MAX_DIMENSIONS)?;
                cells.push(Cell::Array(self.dimension(depth + 1)?));
            } else if self.peek()? == b'"' {
                self.at += 1;
                cells.push(self.quoted()?);
            } else {
                cells.push(self.unquoted()?);
            }
            let next = self.peek()?;
            self.at += 1;
            if next == b'}' {
                return Some(cells);
            }
            if next != self.delimiter {
                return None;
            }
        }
    }

    /// What holds nothing that would need quotes.
    fn unquoted(&mut self) -> Option<Cell<'a>> {
        let rest = self.text.get(self.at..)?;
        let len = rest.iter().position(|byte| *byte == self.delimiter || *byte == b'}')?;
        let text = rest.get(..len)?;
        let special =
            |byte: &u8| matches!(byte, b'"' | b'\\' | b'{') || byte.is_ascii_whitespace() || *byte == 11;
        if text.is_empty() || text.iter().any(special) {
            return None;
        }
        let cell = match text {
            b"NULL" => Cell::Null,
            _ => self.element.cell_of(self.slice(len)?),
        };
        self.at += len;
        Some(cell)
    }

    /// From after the opening quote to after the closing one.
    fn quoted(&mut self) -> Option<Cell<'a>> {
        let rest = self.text.get(self.at..)?;
        let first = memchr::memchr2(b'"', b'\\', rest)?;
        if rest.get(first) == Some(&b'"') {
            let text = self.slice(first)?;
            self.at += first + 1;
            return Some(self.element.cell_of(text));
        }
        let mut text = Vec::with_capacity(rest.len().min(2 * first + 16));
        let mut rest = rest;
        loop {
            let special = memchr::memchr2(b'"', b'\\', rest)?;
            text.extend_from_slice(rest.get(..special)?);
            match rest.get(special..)? {
                [b'"', after @ ..] => {
                    self.at = self.text.len() - after.len();
                    return Some(self.element.cell_of(Cow::Owned(text)));
                }
                [b'\\', escaped, after @ ..] => {
                    text.push(*escaped);
                    rest = after;
                }
                _ => return None,
            }
        }
    }

    /// The next bytes as an element's text.
    fn slice(&self, len: usize) -> Option<Cow<'a, [u8]>> {
        let range = self.at..self.at.checked_add(len)?;
        match self.lasting {
            Some(lasting) => lasting.get(range).map(Cow::Borrowed),
            None => self.text.get(range).map(|text| Cow::Owned(text.to_vec())),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }
}

#[cfg(test)]
mod tests {
    use event::Cell;

    use crate::ColumnType;

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(text.into())
    }

    #[test]
    fn elements_are_read_by_their_own_type() {
        let ints = ColumnType::new("_int4");
        assert_eq!(ints.cell(b"{}"), Cell::Array(vec![]));
        assert_eq!(ints.cell(b"{1,NULL,-3}"), Cell::Array(vec![Cell::Int(1), Cell::Null, Cell::Int(-3)]));
        let row = |left, right| Cell::Array(vec![Cell::Int(left), Cell::Int(right)]);
        assert_eq!(ints.cell(b"{{1,2},{3,4}}"), Cell::Array(vec![row(1, 2), row(3, 4)]));
        let times = ColumnType::new("_timestamptz");
        assert_eq!(
            times.cell(br#"{"1970-01-01 00:00:01+00"}"#),
            Cell::Array(vec![Cell::TimestampUs(1_000_000)])
        );
    }

    #[test]
    fn quotes_tell_null_and_the_empty_text_apart() {
        let texts = ColumnType::new("_text");
        let written = br#"{a,"",NULL,"NULL","a,b","c\"d","e\\f","{}"," "}"#;
        let expected = [
            text("a"),
            text(""),
            Cell::Null,
            text("NULL"),
            text("a,b"),
            text("c\"d"),
            text("e\\f"),
            text("{}"),
            text(" "),
        ];
        assert_eq!(texts.cell(written), Cell::Array(expected.to_vec()));
        assert_eq!(
            texts.cell_of(written.to_vec().into()),
            Cell::Array(expected.to_vec()),
            "unescaped before"
        );
    }

    #[test]
    fn boxes_are_separated_by_semicolons() {
        let boxes = ColumnType::new("_box");
        let of = |text: &'static str| Cell::Other { type_name: "box", text: text.into() };
        let expected = vec![of("(2,2),(1,1)"), of("(4,4),(3,3)")];
        assert_eq!(boxes.cell(b"{(2,2),(1,1);(4,4),(3,3)}"), Cell::Array(expected));
    }

    #[test]
    fn what_an_array_cannot_hold_stays_text() {
        let ints = ColumnType::new("_int4");
        for text in [
            "[0:1]={1,2}",
            "{",
            "}",
            "{1",
            "{1,",
            "{1,}",
            "{,1}",
            "{1}2",
            "{1 }",
            "{\"1}",
            "{{1},2}",
            "{1,{2}}",
            "{\"\\",
            "",
            "{1;2",
            "{{{{{{{1}}}}}}}",
            "{\"1\"2}",
        ] {
            let cell = ints.cell(text.as_bytes());
            assert_eq!(cell, Cell::Other { type_name: "_int4", text: text.into() });
        }
        assert!(matches!(ints.cell("{".repeat(100_000).as_bytes()), Cell::Other { .. }));
        assert!(matches!(ints.cell(b"{{{{{{1}}}}}}"), Cell::Array(_)));
    }
}

use super::float::canonical;
use super::{Datum, Kind, Tuple};

/// One line of `test_decoding`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Begin { xid: String },
    Commit { time: String },
    Change { table: Name, kind: Kind },
    Truncate { tables: Vec<Name> },
    Message { is_transactional: bool, prefix: String, content: String },
}

/// Schema and table.
type Name = (String, String);

/// After contrib/test_decoding/test_decoding.c.
///
/// # Panics
/// On anything else.
pub(super) fn parse(data: &str) -> Line {
    if let Some(xid) = data.strip_prefix("BEGIN ") {
        return Line::Begin { xid: xid.to_owned() };
    }
    if let Some(rest) = data.strip_prefix("COMMIT ") {
        let time = rest.split_once(" (at ").map(|(_, time)| time.trim_end_matches(')'));
        return Line::Commit { time: time.unwrap_or_default().to_owned() };
    }
    if let Some(rest) = data.strip_prefix("message: transactional: ") {
        return message(rest).unwrap_or_else(|| panic!("{data}"));
    }
    change(data).unwrap_or_else(|| panic!("{data}"))
}

fn message(rest: &str) -> Option<Line> {
    let (is_transactional, rest) = rest.split_once(" prefix: ")?;
    let (prefix, rest) = rest.split_once(", sz: ")?;
    let (_, content) = rest.split_once(" content:")?;
    Some(Line::Message {
        is_transactional: is_transactional == "1",
        prefix: prefix.to_owned(),
        content: content.to_owned(),
    })
}

fn change(data: &str) -> Option<Line> {
    let mut rest = Cursor(data.strip_prefix("table ")?);
    let mut tables = Vec::new();
    loop {
        let schema = rest.identifier();
        rest.skip(".")?;
        tables.push((schema, rest.identifier()));
        if rest.skip(", ").is_none() {
            break;
        }
    }
    rest.skip(": ")?;
    if rest.skip("TRUNCATE:").is_some() {
        return Some(Line::Truncate { tables });
    }
    let table = tables.pop()?;
    let kind = if rest.skip("INSERT:").is_some() {
        Kind::Insert { new: rest.tuple()? }
    } else if rest.skip("UPDATE:").is_some() {
        let old = match rest.skip(" old-key:") {
            Some(()) => Some(rest.tuple()?),
            None => None,
        };
        if old.is_some() {
            rest.skip(" new-tuple:")?;
        }
        Kind::Update { old, new: rest.tuple()? }
    } else {
        rest.skip("DELETE:")?;
        Kind::Delete { old: rest.tuple()? }
    };
    rest.0.is_empty().then_some(Line::Change { table, kind })
}

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// As `quote_identifier` writes it.
    fn identifier(&mut self) -> String {
        if self.skip("\"").is_some() {
            return self.quoted('"');
        }
        self.until(|c| !(c.is_alphanumeric() || c == '_')).to_owned()
    }

    /// Up to the closing quote; a doubled one is one.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        loop {
            text += self.until(|c| c == quote);
            self.0 = &self.0[1..];
            if self.0.starts_with(quote) {
                text.push(quote);
                self.0 = &self.0[1..];
            } else {
                return text;
            }
        }
    }

    fn until(&mut self, is_end: impl Fn(char) -> bool) -> &str {
        let (text, rest) = self.0.split_at(self.0.find(is_end).unwrap_or(self.0.len()));
        self.0 = rest;
        text
    }

    /// ` name[type]:value …`, up to the end or what is no column.
    fn tuple(&mut self) -> Option<Tuple> {
        let mut tuple = Tuple::new();
        if self.skip(" (no-tuple-data)").is_some() {
            return Some(tuple);
        }
        while !self.0.is_empty() && !self.0.starts_with(" new-tuple:") {
            self.skip(" ")?;
            let name = self.identifier();
            self.skip("[")?;
            let (type_name, rest) = self.0.split_once("]:")?;
            self.0 = rest;
            tuple.insert(name, canonical(type_name, self.datum()));
        }
        Some(tuple)
    }

    fn datum(&mut self) -> Datum {
        if self.skip("'").is_some() || self.skip("B'").is_some() {
            return Datum::Text(self.quoted('\''));
        }
        match self.until(|c| c == ' ') {
            "null" => Datum::Null,
            "unchanged-toast-datum" => Datum::Unchanged,
            // As SQL has them.
            "true" => Datum::Text("t".to_owned()),
            "false" => Datum::Text("f".to_owned()),
            text => Datum::Text(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(columns: &[(&str, Datum)]) -> Tuple {
        columns.iter().map(|(name, datum)| ((*name).to_owned(), datum.clone())).collect()
    }

    fn text(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    #[test]
    fn reads_what_test_decoding_writes() {
        let table = ("public".to_owned(), "T 1, ß".to_owned());
        assert_eq!(
            parse(
                r#"table public."T 1, ß": UPDATE: old-key: id[integer]:7 new-tuple: id[integer]:8 "a ""b"[text[]]:'{''x'' ]:'',null}' flag[boolean]:true bits[bit]:B'101' big[text]:unchanged-toast-datum gone[text]:null"#
            ),
            Line::Change {
                table: table.clone(),
                kind: Kind::Update {
                    old: Some(tuple(&[("id", text("7"))])),
                    new: tuple(&[
                        ("id", text("8")),
                        ("a \"b", text("{'x' ]:',null}")),
                        ("flag", text("t")),
                        ("bits", text("101")),
                        ("big", Datum::Unchanged),
                        ("gone", Datum::Null),
                    ]),
                }
            }
        );
        assert_eq!(
            parse("table public.a, public.\"T 1, ß\": TRUNCATE: (no-flags)"),
            Line::Truncate { tables: vec![("public".to_owned(), "a".to_owned()), table] }
        );
        assert_eq!(
            parse("message: transactional: 1 prefix: p, sz: 5 content:a b:c"),
            Line::Message { is_transactional: true, prefix: "p".to_owned(), content: "a b:c".to_owned() }
        );
        assert_eq!(
            parse("COMMIT 7 (at 2026-11-21 10:00:00.5+00)"),
            Line::Commit { time: "2026-11-21 10:00:00.5+00".to_owned() }
        );
    }
}

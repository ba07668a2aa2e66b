//! Names of topics and subjects, made of a pattern and a table's name so that no two tables share one by accident.

use std::fmt::Write as _;

use event::TableName;

/// A pattern like `{source}.{schema}.{table}`, its source filled in.
#[derive(Clone, Debug)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Schema,
    Table,
}

/// How the characters that a name must not hold are written: the mark and two hexadecimal digits for each byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escape {
    /// Stands before the digits; never left as it is itself.
    pub(crate) mark: char,
    /// What stays as it is beside letters and digits.
    pub(crate) kept: &'static [u8],
}

impl Template {
    /// Reads a pattern. `is_literal` says which characters the pattern itself may hold.
    pub(crate) fn parse(
        pattern: &str,
        source: &str,
        is_literal: impl Fn(char) -> bool,
    ) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = pattern;
        while let Some(next) = rest.chars().next() {
            if next != '{' {
                if !is_literal(next) {
                    return Err(format!("`{pattern}` holds `{next}`, which is not allowed in such a name"));
                }
                literal.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
                continue;
            }
            let (name, after) = rest
                .get(1..)
                .and_then(|rest| rest.split_once('}'))
                .ok_or_else(|| format!("`{pattern}` has a `{{` without its `}}`"))?;
            rest = after;
            let piece = match name {
                "source" => {
                    literal.push_str(source);
                    continue;
                }
                "schema" => Piece::Schema,
                "table" => Piece::Table,
                _ => {
                    return Err(format!(
                        "`{pattern}` has `{{{name}}}`; known are {{source}}, {{schema}}, {{table}}"
                    ));
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        if pieces.is_empty() {
            return Err("it is empty".to_owned());
        }
        let template = Self(pieces);
        template.check_separated(pattern)?;
        Ok(template)
    }

    /// Without a dot between them, schema `a` with table `bc` could not be told from schema `ab` with table `c`.
    fn check_separated(&self, pattern: &str) -> Result<(), String> {
        let mut since_name: Option<bool> = None;
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => since_name = since_name.map(|dot| dot || text.contains('.')),
                Piece::Schema | Piece::Table if since_name == Some(false) => {
                    return Err(format!("`{pattern}` needs a dot between {{schema}} and {{table}}"));
                }
                Piece::Schema | Piece::Table => since_name = Some(false),
            }
        }
        Ok(())
    }

    /// What every name begins with.
    pub(crate) fn prefix(&self) -> &str {
        match self.0.first() {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// Whether all tables share one name.
    pub(crate) fn is_constant(&self) -> bool {
        !self.0.iter().any(|piece| matches!(piece, Piece::Schema | Piece::Table))
    }

    /// A table's name, with `escape` for the names of schema and table.
    pub(crate) fn fill(&self, table: &TableName, escape: Escape) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Schema => escape.append(&table.schema, &mut out),
                Piece::Table => escape.append(&table.table, &mut out),
            }
        }
        out
    }
}

impl Escape {
    fn append(self, name: &str, out: &mut String) {
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || self.kept.contains(&byte) {
                out.push(byte.into());
            } else {
                _ = write!(out, "{}{byte:02X}", self.mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ESCAPE: Escape = Escape { mark: '-', kept: b"_" };

    fn parse(pattern: &str) -> Result<Template, String> {
        Template::parse(pattern, "shop", |c| c.is_ascii_alphanumeric() || "._-".contains(c))
    }

    #[test]
    fn patterns_are_checked() {
        let name = parse("cdc.{source}.{schema}.{table}")
            .unwrap()
            .fill(&TableName::new("public", "Orders 2"), ESCAPE);
        assert_eq!(name, "cdc.shop.public.Orders-202");
        assert!(parse("all").unwrap().is_constant());
        assert_eq!(parse("a.{source}.{table}").unwrap().prefix(), "a.shop.");
        for (pattern, part) in [
            ("{topic}", "known are"),
            ("{source", "without its"),
            ("a b", "` `"),
            ("a}", "`}`"),
            ("", "empty"),
            ("{schema}{table}", "a dot"),
            ("{schema}-{table}", "a dot"),
        ] {
            let reason = parse(pattern).unwrap_err();
            assert!(reason.contains(part), "{pattern}: {reason}");
        }
    }

    proptest! {
        /// Two tables never get one name.
        #[test]
        fn names_differ(
            one in ("[a.=_\u{e9}-]{1,4}", "[b.2D_-]{1,4}"),
            other in ("[a.=_\u{e9}-]{1,4}", "[b.2D_-]{1,4}"),
        ) {
            let template = parse("{schema}.{table}").unwrap();
            let name = |(schema, table): &(String, String)| template.fill(&TableName::new(schema, table), ESCAPE);
            prop_assert_eq!(name(&one) == name(&other), one == other);
        }
    }
}

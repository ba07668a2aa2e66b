//! Which tables: `public.*`, `public.orders`, `*.*`, `"Odd Schema"."Odd.Table"`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

/// Matches tables by schema and name. `*` stands for any characters, `?` for one; inside double quotes every
/// character stands for itself, and `""` for a quote. Case counts, as it does in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) struct TablePattern {
    schema: Vec<Glyph>,
    table: Vec<Glyph>,
    text: String,
}

/// The text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TablePatternError {
    #[error("`{0}` names no schema: write schema.table, for example `public.{0}`")]
    NoSchema(String),
    #[error("`{0}` has an empty schema or table name")]
    Empty(String),
    #[error("`{0}` has more than two parts: quote a name that has a dot in it, for example `public.\"a.b\"`")]
    TooManyParts(String),
    #[error("`{0}` opens a double quote and does not close it")]
    OpenQuote(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glyph {
    Exactly(char),
    AnyOne,
    AnyMany,
}

impl TablePattern {
    /// Whether the table is meant.
    pub(crate) fn matches(&self, schema: &str, table: &str) -> bool {
        glob(&self.schema, schema) && glob(&self.table, table)
    }

    /// The one table it names, when it has no wildcard.
    pub(crate) fn exact(&self) -> Option<event::TableName> {
        let name = |glyphs: &[Glyph]| {
            glyphs
                .iter()
                .map(|glyph| match glyph {
                    Glyph::Exactly(character) => Some(*character),
                    Glyph::AnyOne | Glyph::AnyMany => None,
                })
                .collect::<Option<String>>()
        };
        Some(event::TableName::new(name(&self.schema)?, name(&self.table)?))
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for TablePattern {
    type Err = TablePatternError;

    fn from_str(text: &str) -> Result<Self, TablePatternError> {
        let mut parts = vec![Vec::new()];
        let mut characters = text.trim().chars().peekable();
        let mut quoted = false;
        while let Some(character) = characters.next() {
            let glyph = match character {
                '"' if quoted && characters.peek() == Some(&'"') => {
                    characters.next();
                    Glyph::Exactly('"')
                }
                '"' => {
                    quoted = !quoted;
                    continue;
                }
                '.' if !quoted => {
                    parts.push(Vec::new());
                    continue;
                }
                '*' if !quoted => Glyph::AnyMany,
                '?' if !quoted => Glyph::AnyOne,
                other => Glyph::Exactly(other),
            };
            if let Some(part) = parts.last_mut() {
                part.push(glyph);
            }
        }
        if quoted {
            return Err(TablePatternError::OpenQuote(text.to_owned()));
        }
        if parts.iter().any(Vec::is_empty) {
            return Err(TablePatternError::Empty(text.to_owned()));
        }
        match <[Vec<Glyph>; 2]>::try_from(parts) {
            Ok([schema, table]) => Ok(Self { schema, table, text: text.trim().to_owned() }),
            Err(parts) if parts.len() < 2 => Err(TablePatternError::NoSchema(text.to_owned())),
            Err(_) => Err(TablePatternError::TooManyParts(text.to_owned())),
        }
    }
}

impl TryFrom<String> for TablePattern {
    type Error = TablePatternError;

    fn try_from(text: String) -> Result<Self, TablePatternError> {
        text.parse()
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Wildcard matching in linear space: on a mismatch, the last `*` takes one character more.
fn glob(pattern: &[Glyph], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut in_name) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(character) = name.get(in_name) {
        match pattern.get(at) {
            Some(Glyph::AnyMany) => {
                retry = Some((at, in_name));
                at += 1;
            }
            Some(Glyph::AnyOne) => (at, in_name) = (at + 1, in_name + 1),
            Some(Glyph::Exactly(expected)) if expected == character => (at, in_name) = (at + 1, in_name + 1),
            _ => {
                let Some((star, taken)) = retry else { return false };
                (at, in_name) = (star + 1, taken + 1);
                retry = Some((star, taken + 1));
            }
        }
    }
    pattern.iter().skip(at).all(|glyph| *glyph == Glyph::AnyMany)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> TablePattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_as_they_read() {
        for (text, schema, table, expected) in [
            ("public.*", "public", "orders", true),
            ("public.*", "audit", "orders", false),
            ("*.*", "Odd Schema", "Odd.Table", true),
            ("public.orders", "public", "Orders", false),
            ("public.audit_*", "public", "audit_", true),
            ("public.*_log", "public", "a_log_log", true),
            ("public.*_log", "public", "a_log_", false),
            ("public.part_????", "public", "part_2024", true),
            ("public.part_????", "public", "part_24", false),
            ("\"Odd Schema\".\"Odd.Table\"", "Odd Schema", "Odd.Table", true),
            ("public.\"a*b\"", "public", "axb", false),
            ("public.\"a*b\"*", "public", "a*bc", true),
            ("public.\"say \"\"hi\"\"\"", "public", "say \"hi\"", true),
            ("日本.注文", "日本", "注文", true),
        ] {
            assert_eq!(pattern(text).matches(schema, table), expected, "{text} {schema} {table}");
        }
    }

    #[test]
    fn what_is_not_a_pattern_says_why() {
        for (text, message) in [
            ("orders", "`orders` names no schema: write schema.table, for example `public.orders`"),
            (
                "a.b.c",
                "`a.b.c` has more than two parts: quote a name that has a dot in it, for example `public.\"a.b\"`",
            ),
            ("public.", "`public.` has an empty schema or table name"),
            ("", "`` has an empty schema or table name"),
            ("public.\"x", "`public.\"x` opens a double quote and does not close it"),
        ] {
            assert_eq!(text.parse::<TablePattern>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn only_a_pattern_without_wildcards_names_one_table() {
        assert_eq!(pattern("public.\"a*\"").exact(), Some(event::TableName::new("public", "a*")));
        assert_eq!(pattern("public.a*").exact(), None);
    }

    fn quoted(name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    proptest! {
        /// Any name at all, quoted, means itself and nothing else.
        #[test]
        fn a_quoted_name_means_itself(schema in ".{1,20}", table in ".{1,20}", other in ".{1,20}") {
            let pattern = pattern(&format!("{}.{}", quoted(&schema), quoted(&table)));
            prop_assert!(pattern.matches(&schema, &table));
            prop_assert_eq!(pattern.matches(&schema, &other), other == table);
            prop_assert_eq!(pattern.exact(), Some(event::TableName::new(schema, table)));
        }

        /// The fast matcher agrees with the definition of `*` and `?`, by recursion.
        #[test]
        fn globs_mean_what_the_definition_says(glob_text in "[ab*?]{1,8}", name in "[ab]{0,8}") {
            fn definition(glyphs: &[char], name: &[char]) -> bool {
                match (glyphs.split_first(), name.split_first()) {
                    (None, None) => true,
                    (Some(('*', rest)), _) => (0..=name.len()).any(|skipped| definition(rest, &name[skipped..])),
                    (Some(('?', rest)), Some((_, name))) => definition(rest, name),
                    (Some((glyph, rest)), Some((first, name))) => glyph == first && definition(rest, name),
                    _ => false,
                }
            }
            let glyphs: Vec<char> = glob_text.chars().collect();
            let characters: Vec<char> = name.chars().collect();
            prop_assert_eq!(
                pattern(&format!("s.{glob_text}")).matches("s", &name),
                definition(&glyphs, &characters)
            );
        }

        /// No text makes the parser panic.
        #[test]
        fn any_text_is_a_pattern_or_an_error(text in ".*") {
            let _ = text.parse::<TablePattern>();
        }
    }
}

//! Names and values inside of statements. The simple query protocol knows no parameters.

use event::TableName;

/// A name between double quotes.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name with its schema, quoted.
pub(crate) fn quote_table(name: &TableName) -> String {
    format!("{}.{}", quote_name(&name.schema), quote_name(&name.table))
}

/// Tables as rows of two texts, schema and name, for IN or VALUES.
pub(crate) fn name_rows<'t>(names: impl IntoIterator<Item = &'t TableName>) -> String {
    let row = |name: &TableName| format!("({}, {})", quote_text(&name.schema), quote_text(&name.table));
    names.into_iter().map(row).collect::<Vec<_>>().join(", ")
}

/// A text as a literal, whatever `standard_conforming_strings` says.
pub(crate) fn quote_text(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        // The E form needs its backslashes doubled; without the E they would mean what the setting says.
        format!(" E'{}'", escaped.replace('\\', "\\\\"))
    } else {
        format!("'{escaped}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_broken_out_of() {
        assert_eq!(quote_name(r#"a"b"#), r#""a""b""#);
        assert_eq!(quote_table(&TableName::new("Odd \"s\"", "ü.t")), r#""Odd ""s"""."ü.t""#);
        assert_eq!(quote_text("it's"), "'it''s'");
        assert_eq!(quote_text(r"a\'b"), r" E'a\\''b'");
    }
}

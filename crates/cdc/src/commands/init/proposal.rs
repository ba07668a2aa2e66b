use std::collections::BTreeMap;

use event::TableName;

/// Patterns that match exactly the tables that can be sent, as few as there can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) tables: Vec<String>,
    pub(super) exclude_tables: Vec<String>,
}

impl Proposal {
    /// By schemas, without those that can't be sent. A schema of which more would be left out than sent is named table by
    /// table.
    pub(super) fn of<'t>(tables: impl IntoIterator<Item = (&'t TableName, bool)>) -> Self {
        let mut schemas: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for (table, is_usable) in tables {
            let (usable, unusable) = schemas.entry(&table.schema).or_default();
            let name = format!("{}.{}", quoted(&table.schema), quoted(&table.table));
            if is_usable { usable.push(name) } else { unusable.push(name) }
        }
        let mut proposal = Self { tables: Vec::new(), exclude_tables: Vec::new() };
        for (schema, (usable, unusable)) in schemas {
            if unusable.len() > usable.len() {
                proposal.tables.extend(usable);
            } else {
                proposal.tables.push(format!("{}.*", quoted(schema)));
                proposal.exclude_tables.extend(unusable);
            }
        }
        if proposal.tables.is_empty() {
            proposal.tables.push("public.*".to_owned());
        }
        proposal
    }
}

/// As a pattern that matches this name alone.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(is_plain) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TablePattern;

    #[test]
    fn exactly_the_usable_tables_are_proposed() {
        let names = [
            ("public", "a", true),
            ("public", "b", true),
            ("public", "Odd.\"*", false),
            ("log", "x", false),
            ("log", "y*", true),
            ("log", "z", false),
        ];
        let tables = names.map(|(schema, table, is_usable)| (TableName::new(schema, table), is_usable));
        let proposal = Proposal::of(tables.iter().map(|(name, is_usable)| (name, *is_usable)));
        assert_eq!(proposal.tables, ["log.\"y*\"", "public.*"]);
        assert_eq!(proposal.exclude_tables, ["public.\"Odd.\"\"*\""]);
        let matches = |patterns: &[String], name: &TableName| {
            patterns.iter().any(|p| p.parse::<TablePattern>().unwrap().matches(&name.schema, &name.table))
        };
        for (name, is_usable) in &tables {
            let is_sent = matches(&proposal.tables, name) && !matches(&proposal.exclude_tables, name);
            assert_eq!(is_sent, *is_usable, "{name}");
        }
        assert_eq!(Proposal::of([]).tables, ["public.*"]);
    }
}

use std::collections::BTreeMap;

use event::{Mask, TableName, TableRules};
use schemars::JsonSchema;
use serde::Deserialize;
use sinks::OwnNames;

use super::table_pattern::TablePattern;

/// The `[[table]]` sections, in the file's order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables(pub(super) Vec<TableSection>);

/// `[[table]]`: what is sent of the tables that match, and where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct TableSection {
    /// Which tables: `public.orders`, `public.audit_*`.
    #[serde(rename = "match")]
    pattern: TablePattern,
    /// Columns that are left out.
    #[serde(default)]
    exclude_columns: Vec<String>,
    /// Columns whose values are replaced, and by what.
    #[serde(default)]
    mask: BTreeMap<String, MaskName>,
    /// The columns of the message key.
    key: Option<KeyColumns>,
    /// Kafka's topic or NATS's subject, in place of the sink's.
    topic: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MaskName {
    Sha256,
    Null,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
struct KeyColumns(Vec<String>);

impl Tables {
    /// What is sent of a table. The first section that matches counts, and no other.
    pub(crate) fn rules(&self, name: &TableName) -> TableRules {
        self.section(name).map_or_else(TableRules::default, TableSection::rules)
    }

    /// Where some tables' events go, in place of where the sink says.
    pub(crate) fn own_names(self) -> OwnNames {
        let topics = self.0.iter().filter_map(|section| section.topic.clone()).collect();
        OwnNames::new(topics, move |name| {
            let number =
                self.0.iter().position(|section| section.pattern.matches(&name.schema, &name.table))?;
            let (before, rest) = self.0.split_at_checked(number)?;
            rest.first()?.topic.as_ref()?;
            Some(before.iter().filter(|section| section.topic.is_some()).count())
        })
    }

    /// Stands for all that is said of a table, so that a checkpoint notices a change; empty for nothing.
    pub(crate) fn digest(&self, name: &TableName) -> String {
        let Some(section) = self.section(name) else { return String::new() };
        let mut excluded = section.exclude_columns.clone();
        excluded.sort_unstable();
        let key = section.key.as_ref().map(|key| &key.0);
        let parts = (!excluded.is_empty()
            || !section.mask.is_empty()
            || key.is_some()
            || section.topic.is_some())
        .then(|| {
            format!("without {excluded:?} masked {:?} key {key:?} topic {:?}", section.mask, section.topic)
        });
        parts.unwrap_or_default()
    }

    fn section(&self, name: &TableName) -> Option<&TableSection> {
        self.0.iter().find(|section| section.pattern.matches(&name.schema, &name.table))
    }
}

impl TableSection {
    fn rules(&self) -> TableRules {
        let mask = |(column, mask): (&String, &MaskName)| {
            let mask = match mask {
                MaskName::Sha256 => Mask::Sha256,
                MaskName::Null => Mask::Null,
            };
            (column.clone(), mask)
        };
        TableRules {
            excluded: self.exclude_columns.clone(),
            masked: self.mask.iter().map(mask).collect(),
            key: self.key.as_ref().map(|key| key.0.clone()),
            is_exact: self.pattern.exact().is_some(),
        }
    }
}

impl TryFrom<Vec<String>> for KeyColumns {
    type Error = &'static str;

    fn try_from(columns: Vec<String>) -> Result<Self, Self::Error> {
        if columns.is_empty() {
            return Err("a key needs a column at least; leave it out for the table's own");
        }
        Ok(Self(columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        table: Vec<TableSection>,
    }

    fn tables(text: &str) -> Tables {
        Tables(toml::from_str::<File>(text).unwrap().table)
    }

    #[test]
    fn the_first_match_counts() {
        let tables = tables(
            "[[table]]\nmatch = \"public.orders\"\nkey = [\"tenant\", \"id\"]\ntopic = \"orders\"\n\
             [[table]]\nmatch = \"public.*\"\nexclude_columns = [\"card\"]\nmask = { email = \"sha256\", age = \"null\" }",
        );
        let orders = tables.rules(&TableName::new("public", "orders"));
        assert_eq!(orders.key.unwrap(), ["tenant", "id"]);
        assert!(orders.is_exact && orders.excluded.is_empty());
        let people = tables.rules(&TableName::new("public", "people"));
        assert!(!people.is_exact && people.excluded == ["card"]);
        assert_eq!(people.masked, [("age".to_owned(), Mask::Null), ("email".to_owned(), Mask::Sha256)]);
        assert_eq!(tables.rules(&TableName::new("sales", "x")), TableRules::default());
    }

    #[test]
    fn the_digest_changes_with_what_is_sent() {
        let digest = |more: &str| {
            tables(&format!("[[table]]\nmatch = \"public.*\"\n{more}")).digest(&TableName::new("public", "t"))
        };
        assert_eq!(digest(""), "");
        assert_eq!(digest("exclude_columns = [\"a\", \"b\"]"), digest("exclude_columns = [\"b\", \"a\"]"));
        let all = [
            "",
            "exclude_columns = [\"a\"]",
            "mask = { a = \"null\" }",
            "mask = { a = \"sha256\" }",
            "key = [\"a\"]",
            "topic = \"a\"",
        ]
        .map(digest);
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::{Secret, SecretUrl};
use super::source::{KeyChanges, filter_hash};
use super::table_pattern::TablePattern;

/// `[source.mysql]`: which server of MySQL or MariaDB, which tables.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Mysql {
    /// `mysql://user@host:port/?ssl-mode=…`, with the options of MySQL's own clients.
    pub(crate) url: SecretUrl,
    /// Holds the password.
    pub(crate) password_file: Option<PathBuf>,
    /// The password itself: from the environment only.
    pub(crate) password: Option<Secret>,
    /// What this pipeline calls itself towards the server, unlike any other reader. Default: one that is free.
    pub(crate) server_id: Option<NonZeroU32>,
    /// Which tables are sent, as database.table.
    #[serde(default = "default_tables")]
    pub(crate) tables: Vec<TablePattern>,
    /// And which of them not.
    #[serde(default)]
    pub(crate) exclude_tables: Vec<TablePattern>,
    /// What becomes of a row whose key changes.
    #[serde(default)]
    pub(crate) key_changes: KeyChanges,
    /// Changes by these origins are not sent.
    #[serde(default)]
    pub(crate) drop_origins: Vec<String>,
}

/// The server's own.
const OWN_DATABASES: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

impl Mysql {
    /// Whether the table's changes are sent.
    pub(crate) fn wants(&self, database: &str, table: &str) -> bool {
        !OWN_DATABASES.contains(&database)
            && self.tables.iter().any(|pattern| pattern.matches(database, table))
            && !self.exclude_tables.iter().any(|pattern| pattern.matches(database, table))
    }

    pub(super) fn filter_hash(&self) -> u64 {
        filter_hash(&self.tables, &self.exclude_tables, &self.drop_origins, self.key_changes)
    }
}

fn default_tables() -> Vec<TablePattern> {
    "*.*".parse().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_own_tables_are_never_meant() {
        let source: Mysql =
            toml::from_str("url = \"mysql://h/\"\nexclude_tables = [\"shop.audit_*\"]").unwrap();
        assert!(source.wants("shop", "orders") && source.wants("other", "t"));
        assert!(!source.wants("mysql", "user") && !source.wants("shop", "audit_1"));
    }
}

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::mysql::Mysql;
use super::odbc::Odbc;
use super::pipeline::PipelineName;
use super::secret::{Secret, SecretUrl};
use super::table_pattern::TablePattern;

/// The one source of a pipeline.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `[source.postgres]`.
    Postgres(Postgres),
    /// `[source.mysql]`.
    Mysql(Mysql),
    /// `[source.odbc]`.
    Odbc(Odbc),
}

/// `[source.postgres]`: which database, by which slot and publication, which tables.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Postgres {
    /// As libpq has it: `postgres://user@host:port/database?sslmode=…`.
    pub(crate) url: SecretUrl,
    /// Holds the password.
    pub(crate) password_file: Option<PathBuf>,
    /// The password itself: from the environment only.
    pub(crate) password: Option<Secret>,
    /// Default: `cdc_<pipeline.name>`.
    pub(crate) slot: Option<SlotName>,
    /// Same default.
    pub(crate) publication: Option<PublicationName>,
    /// Which tables are sent.
    #[serde(default = "default_tables")]
    pub(crate) tables: Vec<TablePattern>,
    /// And which of them not.
    #[serde(default)]
    pub(crate) exclude_tables: Vec<TablePattern>,
    /// What becomes of tables that match, and come while the pipeline has begun already.
    #[serde(default)]
    pub(crate) new_tables: NewTables,
    /// What becomes of values that an update left out of the log, because they did not change.
    #[serde(default)]
    pub(crate) unchanged: Unchanged,
    /// What becomes of a row whose key changes.
    #[serde(default)]
    pub(crate) key_changes: KeyChanges,
    /// Whether the server sends large transactions while they still run: they are kept on disk here until they commit.
    #[serde(default)]
    pub(crate) streaming: bool,
    /// Changes by these replication origins are not sent.
    #[serde(default)]
    pub(crate) drop_origins: Vec<String>,
}

/// What becomes of tables that match the patterns, and come while the pipeline has begun already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NewTables {
    /// They are published, loaded and sent.
    #[default]
    Auto,
    /// They are named, in the log and by `cdc status`; `cdc snapshot --tables` takes one in.
    Announce,
    /// Nothing, until `cdc snapshot --tables` takes one in.
    Off,
}

/// What becomes of values that an update left out of the log: large ones, stored out of line (TOAST).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unchanged {
    /// They are said to be unchanged.
    #[default]
    Keep,
    /// They are asked of the table, and marked as fetched.
    Fetch,
}

/// What becomes of a row whose key changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyChanges {
    /// A delete of the old key, and an insert of the new one.
    #[default]
    Split,
    /// One update, under the new key, with the old one in `before`.
    Update,
}

/// A replication slot's name: `[a-z0-9_]`, at most 63 (`ReplicationSlotValidateName` in slot.c).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub(crate) struct SlotName(String);

/// Any identifier of at most 63 bytes; the server would cut a longer one short without an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub(crate) struct PublicationName(String);

impl Source {
    /// Stands for all that decides which events are sent, so that a checkpoint notices a change: counts per table
    /// go on only while the same changes are counted. Order and repetition of patterns make no difference.
    pub(crate) fn filter_hash(&self) -> u64 {
        match self {
            Self::Postgres(postgres) => postgres.filter_hash(),
            Self::Mysql(mysql) => mysql.filter_hash(),
            // What is known of its rows says by itself which columns they have.
            Self::Odbc(_) => 0,
        }
    }

    /// Whether the table's changes are sent.
    pub(crate) fn wants(&self, schema: &str, table: &str) -> bool {
        match self {
            Self::Postgres(postgres) => postgres.wants(schema, table),
            Self::Mysql(mysql) => mysql.wants(schema, table),
            Self::Odbc(odbc) => odbc
                .resources
                .iter()
                .any(|resource| resource.name.schema == schema && resource.name.table == table),
        }
    }

    /// What becomes of tables that come later.
    pub(crate) fn new_tables(&self) -> NewTables {
        match self {
            Self::Postgres(postgres) => postgres.new_tables,
            // All of them is in the log, or named one by one.
            Self::Mysql(_) | Self::Odbc(_) => NewTables::Auto,
        }
    }
}

impl Postgres {
    /// The slot's name.
    pub(crate) fn slot(&self, pipeline: &PipelineName) -> String {
        self.slot.as_ref().map_or_else(|| pipeline.slot(), |slot| slot.0.clone())
    }

    /// The publication's name.
    pub(crate) fn publication(&self, pipeline: &PipelineName) -> String {
        self.publication.as_ref().map_or_else(|| pipeline.slot(), |publication| publication.0.clone())
    }

    /// Whether the table's changes are sent.
    pub(crate) fn wants(&self, schema: &str, table: &str) -> bool {
        self.tables.iter().any(|pattern| pattern.matches(schema, table))
            && !self.exclude_tables.iter().any(|pattern| pattern.matches(schema, table))
    }

    fn filter_hash(&self) -> u64 {
        filter_hash(&self.tables, &self.exclude_tables, &self.drop_origins, self.key_changes)
    }
}

/// The same number for the same choice, whatever its order.
pub(super) fn filter_hash(
    tables: &[TablePattern],
    exclude_tables: &[TablePattern],
    drop_origins: &[String],
    key_changes: KeyChanges,
) -> u64 {
    let mut hash = Sha256::new();
    for (name, list) in [
        ("tables", tables.iter().map(TablePattern::as_str).collect::<Vec<_>>()),
        ("exclude_tables", exclude_tables.iter().map(TablePattern::as_str).collect()),
        ("drop_origins", drop_origins.iter().map(String::as_str).collect()),
    ] {
        let mut list = list;
        list.sort_unstable();
        list.dedup();
        for text in [name].into_iter().chain(list) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
    // The default leaves the number as it was before there was a choice.
    if key_changes == KeyChanges::Update {
        hash.update("key_changes");
    }
    hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl TryFrom<String> for SlotName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 63 || !name.chars().all(allowed) {
            return Err(format!(
                "`{name}` can't name a slot: PostgreSQL takes 1 to 63 lower-case letters, digits and `_`"
            ));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for PublicationName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.is_empty() || name.len() > 63 || name.contains('\0') {
            return Err(format!("`{name}` can't name a publication: PostgreSQL takes 1 to 63 bytes"));
        }
        Ok(Self(name))
    }
}

fn default_tables() -> Vec<TablePattern> {
    "public.*".parse().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(more: &str) -> Postgres {
        toml::from_str(&format!("url = \"postgres://h/d\"\n{more}")).unwrap()
    }

    #[test]
    fn tables_are_those_wanted_and_not_excluded() {
        let source =
            postgres("tables = [\"public.*\", \"sales.orders\"]\nexclude_tables = [\"public.audit_*\"]");
        assert!(source.wants("public", "orders") && source.wants("sales", "orders"));
        assert!(!source.wants("public", "audit_2024") && !source.wants("sales", "items"));
        assert!(postgres("").wants("public", "anything"));
    }

    #[test]
    fn the_filter_hash_changes_with_what_is_sent_and_with_nothing_else() {
        let hash = |more: &str| Source::Postgres(postgres(more)).filter_hash();
        let plain = hash("");
        assert_eq!(plain, hash("tables = [\"public.*\", \"public.*\"]\nslot = \"other\""));
        assert_eq!(hash("tables = [\"a.b\", \"c.d\"]"), hash("tables = [\"c.d\", \"a.b\"]"));
        let all = [
            plain,
            hash("tables = [\"a.b\"]"),
            hash("tables = [\"public.*\", \"a.b\"]"),
            hash("exclude_tables = [\"a.b\"]"),
            hash("drop_origins = [\"a.b\"]"),
            hash("key_changes = \"update\""),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        // Kept in checkpoints: must be the same number in every version.
        assert_eq!(plain, 2_670_725_840_565_879_671);
    }
}

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use event::{TableName, TableRules};
use poll_reader::{Beat, Child, Dialect, Overlap, QuietHours, Relation, Resource, Schedule, Since};
use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::Secret;

/// `[source.odbc]`: which database without a log, by which driver. What is read of it: `[[source.odbc.resource]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Odbc {
    /// For the ODBC driver manager, without the password: `Driver=…;Server=…;Database=…;UID=…`.
    pub(crate) connection_string: Option<ConnectionString>,
    /// Holds it, if that is rather kept in a file; there it may have the password.
    pub(crate) connection_string_file: Option<PathBuf>,
    /// Holds the password.
    pub(crate) password_file: Option<PathBuf>,
    /// The password itself: from the environment only.
    pub(crate) password: Option<Secret>,
    /// How the database is spoken to. Default: as its driver says.
    pub(crate) dialect: Option<DialectName>,
    #[serde(skip)]
    pub(crate) resources: Vec<Resource>,
}

/// Without a password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub(crate) struct ConnectionString(pub(crate) String);

/// How a kind of database is spoken to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DialectName {
    SqlAnywhere,
    Postgres,
    Mysql,
    Sqlite,
    Mssql,
    Generic,
}

/// `[[source.odbc.resource]]`: a table, or a query with what belongs to each of its rows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ResourceSection {
    /// What its events are called, as schema.table. Default: the table's name.
    name: Option<String>,
    /// The table, as it is called in the database.
    table: Option<String>,
    /// In place of a table: a query.
    root: Option<String>,
    /// Queries whose rows belong to the root's.
    #[serde(default)]
    children: Vec<ChildSection>,
    /// The columns that tell its rows apart. Default: the primary key's.
    #[serde(default)]
    key: Vec<String>,
    /// How long after the beginning of a scan the next one begins, in seconds.
    every_s: Option<NonZeroU32>,
    /// In place of an interval: when scans begin, as cron has it, in the machine's time zone.
    cron: Option<String>,
    /// A scan begins up to so many seconds later, by chance.
    #[serde(default)]
    jitter_s: u32,
    /// When nothing is read: 22:00-06:00.
    #[serde(default)]
    quiet_hours: Vec<String>,
    /// The column that grows with every change: between full scans, what is new is read alone.
    since: Option<String>,
    /// How many seconds before the latest time seen is read again.
    overlap_s: Option<u64>,
    /// The same for a column of numbers.
    overlap: Option<u64>,
    /// With since: how often all rows are read nevertheless, in seconds.
    full_every_s: Option<NonZeroU32>,
    /// How long a scan may take, in seconds.
    #[serde(default = "default_timeout_s")]
    statement_timeout_s: NonZeroU32,
    /// How fast, to spare the database.
    max_rows_per_second: Option<NonZeroU32>,
    /// How long a scan takes at least, in seconds, to spare the database.
    #[serde(default)]
    min_scan_s: u32,
    /// Which part of the rows may be gone at once.
    #[serde(default = "default_max_delete_fraction")]
    max_delete_fraction: f64,
}

/// A query whose rows belong to a root's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChildSection {
    /// The column that they come in.
    name: String,
    /// The query.
    query: String,
    /// Its columns that hold the root's key, in that order.
    parent: Vec<String>,
    /// Its columns that tell the rows of one root apart.
    key: Vec<String>,
}

/// A name without a dot stands in this schema.
const DEFAULT_SCHEMA: &str = "main";
const DEFAULT_EVERY_S: u64 = 60;
const DEFAULT_FULL_EVERY_S: u64 = 3600;
const DEFAULT_OVERLAP_S: u64 = 300;

impl Odbc {
    /// The whole string for the driver manager, with the password.
    pub(crate) fn connection_string(&self) -> Result<String, poll_reader::Error> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path)
                .map_err(|source| poll_reader::Error::Secret { path: path.clone(), source })?;
            Ok(text.trim_end_matches(['\n', '\r']).to_owned())
        };
        let whole = match (&self.connection_string, &self.connection_string_file) {
            (Some(ConnectionString(text)), _) => text.clone(),
            (None, Some(path)) => read(path)?.trim().to_owned(),
            (None, None) => String::new(),
        };
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => Some(password.expose().to_owned()),
            (None, Some(path)) => Some(read(path)?),
            (None, None) => None,
        };
        Ok(match password {
            Some(password) => format!("{};PWD={}", whole.trim_end_matches(';'), braced(&password)),
            None => whole,
        })
    }
}

impl ResourceSection {
    /// What is to be read; or what is wrong, and the remedy.
    pub(super) fn resource(self) -> Result<Resource, (String, &'static str)> {
        let relation = match (&self.table, &self.root) {
            (Some(table), None) => Relation::Table(table.split('.').map(str::to_owned).collect()),
            (None, Some(query)) => Relation::Query(query.clone()),
            (None, None) => {
                return Err(("it reads nothing".to_owned(), "name a `table`, or write a query as `root`"));
            }
            (Some(_), Some(_)) => {
                return Err(("it has a `table` and a `root`".to_owned(), "leave one of them out"));
            }
        };
        let is_query = self.root.is_some();
        if is_query && self.key.is_empty() {
            return Err((
                "a query has no primary key".to_owned(),
                "name the columns that tell its rows apart by `key`",
            ));
        }
        if !is_query && !self.children.is_empty() {
            return Err((
                "`children` belong to a `root`".to_owned(),
                "write the table's query as `root`, with its `key`",
            ));
        }
        let Some(name) = self.name.as_ref().or(self.table.as_ref()) else {
            return Err((
                "a query has no name".to_owned(),
                "say by `name` what its events are called: \"crm.customer\"",
            ));
        };
        let (schema, table) = name.rsplit_once('.').unwrap_or((DEFAULT_SCHEMA, name));
        let name = TableName::new(schema, table);
        if !(0.0..=1.0).contains(&self.max_delete_fraction) {
            return Err(("`max_delete_fraction` is a part of 1".to_owned(), "write it as 0.2"));
        }
        let schedule = self.schedule()?;
        let since = self.since()?;
        let mut names = BTreeSet::new();
        for child in &self.children {
            if child.parent.len() != self.key.len() || child.key.is_empty() {
                return Err((
                    format!("`{}` does not say whose its rows are", child.name),
                    "`parent` names as many columns as the root's `key`, and its own `key` at least one",
                ));
            }
            if !names.insert(&child.name) {
                return Err((format!("two children are called `{}`", child.name), "give each its own name"));
            }
        }
        let children = self.children.iter().map(|child| Child {
            name: child.name.clone(),
            query: child.query.clone(),
            parent: child.parent.clone(),
            key: child.key.clone(),
        });
        Ok(Resource {
            name,
            relation,
            children: children.collect(),
            key: self.key.clone(),
            rules: TableRules::default(),
            since,
            schedule,
            statement_timeout: seconds(self.statement_timeout_s),
            max_rows_per_second: self.max_rows_per_second,
            min_scan: Duration::from_secs(self.min_scan_s.into()),
            max_delete_fraction: self.max_delete_fraction,
        })
    }

    fn schedule(&self) -> Result<Schedule, (String, &'static str)> {
        let beat = match (self.every_s, &self.cron) {
            (Some(_), Some(_)) => {
                return Err(("it has `every_s` and `cron`".to_owned(), "leave one of them out"));
            }
            (None, Some(pattern)) => Beat::cron(pattern).map_err(|error| {
                (
                    format!("`cron`: {error}"),
                    "five fields: minute, hour, day, month, weekday, as in \"*/15 7-19 * * 1-5\"",
                )
            })?,
            (every_s, None) => Beat::Every(every_s.map_or(Duration::from_secs(DEFAULT_EVERY_S), seconds)),
        };
        let quiet = self.quiet_hours.iter().map(|hours| hours.parse::<QuietHours>());
        let quiet_hours = quiet
            .collect::<Result<_, _>>()
            .map_err(|error| (format!("`quiet_hours`: {error}"), "write them as [\"22:00-06:00\"]"))?;
        Ok(Schedule { beat, jitter: Duration::from_secs(self.jitter_s.into()), quiet_hours })
    }

    fn since(&self) -> Result<Option<Since>, (String, &'static str)> {
        let Some(column) = &self.since else {
            return match self.overlap_s.is_some() || self.overlap.is_some() || self.full_every_s.is_some() {
                true => Err((
                    "without `since`, every scan is a full one".to_owned(),
                    "name the column by `since`",
                )),
                false => Ok(None),
            };
        };
        let overlap = match (self.overlap_s, self.overlap) {
            (Some(_), Some(_)) => {
                return Err((
                    "it has `overlap_s` and `overlap`".to_owned(),
                    "the one is for times, the other for numbers",
                ));
            }
            (None, Some(number)) => Overlap::Number(number),
            (time_s, None) => Overlap::Time(Duration::from_secs(time_s.unwrap_or(DEFAULT_OVERLAP_S))),
        };
        let full_every = self.full_every_s.map_or(Duration::from_secs(DEFAULT_FULL_EVERY_S), seconds);
        Ok(Some(Since { column: column.clone(), overlap, full_every }))
    }
}

impl TryFrom<String> for ConnectionString {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let names = text.split(';').filter_map(|part| part.split_once('='));
        let has_password =
            names.map(|(name, _)| name.trim().to_lowercase()).any(|name| name == "pwd" || name == "password");
        match has_password {
            true => Err("a password does not belong here: write it to a file of its own and name that by \
                         `password_file`, or name one with the whole string by `connection_string_file`"
                .to_owned()),
            false => Ok(Self(text)),
        }
    }
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::SqlAnywhere => Self::SqlAnywhere,
            DialectName::Postgres => Self::Postgres,
            DialectName::Mysql => Self::Mysql,
            DialectName::Sqlite => Self::Sqlite,
            DialectName::Mssql => Self::SqlServer,
            DialectName::Generic => Self::Generic,
        }
    }
}

/// A value with characters that mean something in a connection string stands in braces.
fn braced(value: &str) -> String {
    match value.contains(['[', ']', '{', '}', '(', ')', ',', ';', '?', '*', '=', '!', '@', ' ']) {
        true => format!("{{{}}}", value.replace('}', "}}")),
        false => value.to_owned(),
    }
}

fn seconds(seconds: NonZeroU32) -> Duration {
    Duration::from_secs(seconds.get().into())
}

fn default_timeout_s() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(3599)
}

fn default_max_delete_fraction() -> f64 {
    0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> Result<Resource, (String, &'static str)> {
        toml::from_str::<ResourceSection>(text).unwrap().resource()
    }

    #[test]
    fn a_table_needs_no_more_than_its_name() {
        let resource = resource("table = \"crm.customers\"").unwrap();
        assert_eq!(resource.name, TableName::new("crm", "customers"));
        assert_eq!(resource.relation, Relation::Table(vec!["crm".to_owned(), "customers".to_owned()]));
        assert!(resource.since.is_none() && resource.key.is_empty());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (text, part) in [
            ("", "reads nothing"),
            ("table = \"t\"\nroot = \"SELECT 1\"", "`table` and a `root`"),
            ("root = \"SELECT 1\"\nname = \"a.b\"", "no primary key"),
            ("root = \"SELECT 1\"\nkey = [\"id\"]", "no name"),
            ("table = \"t\"\nevery_s = 1\ncron = \"* * * * *\"", "`every_s` and `cron`"),
            ("table = \"t\"\ncron = \"now and then\"", "`cron`"),
            ("table = \"t\"\nquiet_hours = [\"night\"]", "`quiet_hours`"),
            ("table = \"t\"\noverlap_s = 3", "without `since`"),
            ("table = \"t\"\nmax_delete_fraction = 20.0", "part of 1"),
            (
                "root = \"SELECT 1\"\nname = \"a.b\"\nkey = [\"id\"]\n\
                 children = [{ name = \"c\", query = \"SELECT 2\", parent = [], key = [\"id\"] }]",
                "whose its rows are",
            ),
        ] {
            let (message, _) = resource(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_password_is_refused_without_being_repeated() {
        for text in ["Driver=x;PWD=hunter2", "dsn=crm; Password = hunter2"] {
            let error = ConnectionString::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains("password_file") && !error.contains("hunter2"), "{error}");
        }
        assert!(ConnectionString::try_from("Driver=x;UID=cdc".to_owned()).is_ok());
    }
}

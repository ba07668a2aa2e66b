//! What databases say in different words.

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL's.
    Postgres,
    /// MySQL's and MariaDB's, as the session is told to write them.
    Mysql,
}

impl Dialect {
    /// Makes a session read literals as standard SQL has them, and values go in as far as they fit. Sessions get into each
    /// other's way all the time: they notice soon.
    pub(crate) const MYSQL_SESSION: &str = "SET sql_mode = 'NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT', \
         time_zone = '+00:00', lock_wait_timeout = 20, innodb_lock_wait_timeout = 10";

    /// A column `n` of the numbers from 0 on, in no database that is read from.
    pub(crate) const MYSQL_NUMBERS: &str = "CREATE DATABASE helper; CREATE TABLE helper.numbers (n int PRIMARY KEY); \
         INSERT INTO helper.numbers WITH RECURSIVE counted (n) AS \
           (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < 990) SELECT n FROM counted; \
         INSERT INTO helper.numbers SELECT a.n + 991 * b.n FROM helper.numbers a, helper.numbers b WHERE b.n BETWEEN 1 AND 3";

    pub(crate) fn of(url: &str) -> Self {
        if url.starts_with("mysql:") { Self::Mysql } else { Self::Postgres }
    }

    /// A name as SQL has it.
    pub fn quoted(self, name: &str) -> String {
        match self {
            Self::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// Inserts rows, but those whose key is taken. `rows` is VALUES or a SELECT.
    pub(crate) fn insert_new(self, table: &str, columns: &str, rows: &str) -> String {
        match self {
            Self::Postgres => format!("INSERT INTO {table} ({columns}) {rows} ON CONFLICT DO NOTHING"),
            Self::Mysql => format!("INSERT IGNORE INTO {table} ({columns}) {rows}"),
        }
    }

    /// Inserts a row, or sets these columns of the one that has its key.
    pub(crate) fn upsert(
        self,
        table: &str,
        columns: &str,
        row: &str,
        key: &[String],
        set: &[String],
    ) -> String {
        let assign = |value: &dyn Fn(&String) -> String| {
            set.iter().map(|column| format!("{column} = {}", value(column))).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Postgres => format!(
                "INSERT INTO {table} ({columns}) VALUES {row} ON CONFLICT ({}) DO UPDATE SET {}",
                key.join(", "),
                assign(&|column| format!("excluded.{column}"))
            ),
            Self::Mysql => format!(
                "INSERT INTO {table} ({columns}) VALUES {row} ON DUPLICATE KEY UPDATE {}",
                assign(&|column| format!("VALUES({column})"))
            ),
        }
    }

    /// A relation with one column `g`, of all numbers from the first to the last.
    pub(crate) fn series(self, first: u64, last: u64) -> String {
        match self {
            Self::Postgres => format!("generate_series({first}, {last}) g"),
            Self::Mysql => {
                format!("(SELECT n AS g FROM helper.numbers WHERE n BETWEEN {first} AND {last}) series")
            }
        }
    }

    /// Changes a key of one row, unless the new one is taken. `set` and `is_at` are of the old row, `is_taken` of the new.
    pub(crate) fn change_key(self, table: &str, set: &str, is_at: &str, is_taken: Option<&str>) -> String {
        match (self, is_taken) {
            (Self::Postgres, Some(is_taken)) => format!(
                "UPDATE {table} SET {set} WHERE {is_at} AND NOT EXISTS (SELECT FROM {table} WHERE {is_taken})"
            ),
            (Self::Postgres, None) => format!("UPDATE {table} SET {set} WHERE {is_at}"),
            // No subquery may look at the table that is changed.
            (Self::Mysql, _) => format!("UPDATE IGNORE {table} SET {set} WHERE {is_at}"),
        }
    }
}

//! How each kind of database is asked: the one place where SQL differs.
//!
//! Whatever can be, is read as text that the database itself wrote: drivers round numbers, shift times and shorten blobs
//! when they convert, and each in its own way. What comes of it is told by [`Reading`].

mod mysql;
mod postgres;
mod sql_anywhere;
mod sql_server;
mod sqlite;

use std::time::Duration;

use decoder::ColumnType;
use event::Column;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SAP SQL Anywhere, 11 and later.
    SqlAnywhere,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
    /// Microsoft SQL Server.
    SqlServer,
    /// Any other, by ODBC's own means alone.
    Generic,
}

/// How a column is asked for, and what to make of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// As the schema has it.
    pub(crate) column: Column,
    /// The expression of the select list.
    pub(crate) expression: String,
    /// What its text is.
    pub(crate) reading: Reading,
}

/// What the text of a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As PostgreSQL writes the type, which is ISO 8601 for times: what does not fit comes as `other`.
    Text(ColumnType),
    /// Hexadecimal digits.
    Hex,
    /// A letter that tells the type of this very value, then the value (SQLite).
    Tagged,
    /// `0` or `1`, or whatever the driver has in their place.
    Bit,
}

/// What the driver and the server say of isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// All statements of a scan see the same rows.
    Consistent,
    /// Committed rows alone; a row that moves meanwhile may be seen twice, or not at all.
    Committed,
    /// Nobody knows.
    Unknown,
}

impl Dialect {
    /// By what a driver calls its database.
    pub(crate) fn of_product(name: &str) -> Self {
        let name = name.to_lowercase();
        let known = [
            ("postgres", Self::Postgres),
            ("mariadb", Self::Mysql),
            ("mysql", Self::Mysql),
            ("sqlite", Self::Sqlite),
            ("sql anywhere", Self::SqlAnywhere),
            ("adaptive server anywhere", Self::SqlAnywhere),
            ("sql server", Self::SqlServer),
        ];
        known.iter().find(|(part, _)| name.contains(part)).map_or(Self::Generic, |(_, dialect)| *dialect)
    }

    /// What its drivers have to be told, unless the connection string says otherwise: rows as they come rather than all
    /// of them at once, and text in UTF-8.
    pub(crate) fn connection_defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Postgres => postgres::CONNECTION,
            Self::Mysql => mysql::CONNECTION,
            Self::Sqlite => sqlite::CONNECTION,
            Self::SqlAnywhere => sql_anywhere::CONNECTION,
            Self::SqlServer | Self::Generic => &[],
        }
    }

    /// What a session begins with: read-only, formats pinned, no dirty reads.
    pub(crate) fn session(self, timeout: Duration) -> Vec<String> {
        match self {
            Self::Postgres => postgres::session(timeout),
            Self::Mysql => mysql::session(timeout),
            Self::Sqlite => sqlite::session(),
            Self::SqlAnywhere => sql_anywhere::session(),
            Self::SqlServer => sql_server::session(),
            Self::Generic => Vec::new(),
        }
    }

    /// A query for what the session's isolation depends on, where it is for the server to say.
    pub(crate) fn isolation_query(self) -> Option<&'static str> {
        match self {
            Self::SqlAnywhere => Some(sql_anywhere::SNAPSHOT_STATE),
            Self::SqlServer => Some(sql_server::SNAPSHOT_STATE),
            _ => None,
        }
    }

    /// The statements that set the isolation, and what it then is. `answer`: to [`isolation_query`](Self::isolation_query).
    pub(crate) fn isolation(self, answer: Option<&str>) -> (&'static [&'static str], View) {
        match self {
            Self::Postgres | Self::Mysql | Self::Sqlite => (&[], View::Consistent),
            Self::SqlAnywhere => sql_anywhere::isolation(answer),
            Self::SqlServer => sql_server::isolation(answer),
            Self::Generic => (&[], View::Unknown),
        }
    }

    /// Begins the scan's transaction, where turning off autocommit does not.
    pub(crate) fn begin(self) -> Option<&'static str> {
        match self {
            Self::Mysql => Some("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"),
            Self::Sqlite => Some("BEGIN"),
            _ => None,
        }
    }

    /// Ends it.
    pub(crate) fn end(self) -> Option<&'static str> {
        self.begin().map(|_| "ROLLBACK")
    }

    /// An identifier, as it stands.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
            Self::SqlServer => format!("[{}]", name.replace(']', "]]")),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// A table, by the parts of its name.
    pub(crate) fn table(self, parts: &[String]) -> String {
        parts.iter().map(|part| self.quote(part)).collect::<Vec<_>>().join(".")
    }

    /// A query for a table's columns: name, type, PostgreSQL's OID and modifier, and place in the primary key or NULL. None
    /// where ODBC's own catalog must do.
    pub(crate) fn columns_query(self, parts: &[String]) -> Option<String> {
        match self {
            Self::Postgres => Some(postgres::columns(parts)),
            Self::Mysql => Some(mysql::columns(parts)),
            Self::Sqlite => Some(sqlite::columns(parts)),
            Self::SqlAnywhere => Some(sql_anywhere::columns(parts)),
            Self::SqlServer | Self::Generic => None,
        }
    }

    /// A query for the types of a query's columns, in one row; none where the driver's word must do.
    pub(crate) fn types_query(self, query: &str, names: &[String]) -> Option<String> {
        (self == Self::Postgres).then(|| postgres::types(query, names))
    }

    /// How a column is read.
    pub(crate) fn ask(self, column: Column) -> Asked {
        let quoted = self.quote(&column.name);
        let (expression, reading) = match self {
            Self::Postgres => postgres::read(&quoted, &column),
            Self::Mysql => mysql::read(&quoted, &column),
            Self::Sqlite => (sqlite::tagged(&quoted), Reading::Tagged),
            Self::SqlAnywhere | Self::SqlServer | Self::Generic => (quoted, by_name(&column.type_name)),
        };
        Asked { column, expression, reading }
    }

    /// A text as a literal.
    pub(crate) fn literal(self, text: &str) -> String {
        let doubled = text.replace('\'', "''");
        match self {
            // Backslashes escape there.
            Self::Mysql => format!("'{}'", doubled.replace('\\', "\\\\")),
            _ => format!("'{doubled}'"),
        }
    }
}

/// By the usual names of types, where a driver's conversion to text is all there is.
fn by_name(type_name: &str) -> Reading {
    let text = |name| Reading::Text(ColumnType::new(name));
    match type_name.to_lowercase().as_str() {
        "bit" => Reading::Bit,
        "tinyint" | "smallint" | "integer" | "int" | "bigint" => text("int8"),
        "unsigned int" | "unsigned bigint" | "unsigned smallint" => text("oid"),
        "decimal" | "numeric" | "money" | "smallmoney" => text("numeric"),
        "real" => text("float4"),
        "double" | "float" => text("float8"),
        "date" => text("date"),
        "time" => text("time"),
        "timestamp" | "datetime" | "datetime2" | "smalldatetime" => text("timestamp"),
        "uniqueidentifier" => text("uuid"),
        "binary" | "varbinary" | "long binary" | "image" | "long varbinary" => Reading::Hex,
        _ => text("text"),
    }
}

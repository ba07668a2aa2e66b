use std::time::Duration;

use event::{Column, TableName};
use odbc_api::buffers::TextRowSet;
use odbc_api::{Connection, ConnectionOptions, Cursor, DataType, ResultSetMetadata};

use crate::dialect::{Dialect, View};
use crate::error::Error;
use crate::options::Relation;

/// A read-only session of the database.
pub(crate) struct Session {
    pub(crate) connection: Connection<'static>,
    pub(crate) dialect: Dialect,
    /// What its isolation promises.
    pub(crate) view: View,
    /// What the database calls itself.
    pub(crate) product: String,
}

/// The columns of a relation, and which of them are its primary key.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<Column>,
    /// In key order.
    pub(crate) key: Vec<usize>,
}

const LOGIN_TIMEOUT_S: u32 = 30;
/// Longer than any name or type's name.
const CATALOG_TEXT_BYTES: usize = 512;
/// Longer than any plan.
const PLAN_TEXT_BYTES: usize = 4 << 20;

impl Session {
    /// Opens one. `dialect`: as configured, or none for what the driver says.
    pub(crate) fn open(
        connection_string: &str,
        dialect: Option<Dialect>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let environment = odbc_api::environment().map_err(|error| match error {
            odbc_api::Error::FailedAllocatingEnvironment => Error::NoDriverManager,
            other => Error::Connect(other.into()),
        })?;
        let connect = |connection_string: &str| {
            let options = ConnectionOptions {
                login_timeout_sec: Some(LOGIN_TIMEOUT_S),
                ..ConnectionOptions::default()
            };
            environment
                .connect_with_connection_string(connection_string, options)
                .map_err(|error| Error::Connect(error.into()))
        };
        // What its driver has to be told depends on the dialect, which the driver tells once it is connected. Its name
        // in the connection string nearly always tells it before.
        let guessed = dialect.unwrap_or_else(|| Dialect::of_product(connection_string));
        let mut connection = connect(&with_defaults(connection_string, guessed))?;
        let product =
            connection.database_management_system_name().map_err(|error| Error::Connect(error.into()))?;
        let dialect = dialect.unwrap_or_else(|| Dialect::of_product(&product));
        if dialect != guessed {
            drop(connection);
            connection = connect(&with_defaults(connection_string, dialect))?;
        }
        let mut session = Self { connection, dialect, view: View::Unknown, product };
        for statement in dialect.session(timeout) {
            session.run(&statement).map_err(|error| session.judged(error))?;
        }
        let answer = match dialect.isolation_query() {
            // Who may not ask gets the level that is always there.
            Some(query) => {
                session.texts(query).ok().and_then(|rows| rows.into_iter().flatten().next()).flatten()
            }
            None => None,
        };
        let (statements, view) = dialect.isolation(answer.as_deref());
        for statement in statements {
            session.run(statement).map_err(|error| session.judged(error))?;
        }
        session.view = view;
        Ok(session)
    }

    /// Begins the transaction that a scan of these reads in.
    pub(crate) fn begin<'r>(&self, relations: impl Iterator<Item = &'r Relation>) -> Result<(), Error> {
        let lock = match self.dialect {
            Dialect::Postgres => self.lock_statement(relations)?,
            _ => None,
        };
        match self.dialect.begin() {
            Some(statement) => self.run(statement)?,
            None => {
                self.connection.set_autocommit(false).map_err(Error::statement("beginning a transaction"))?;
            }
        }
        lock.map_or(Ok(()), |statement| self.run(&statement))
    }

    /// PostgreSQL fixes the view of a transaction at its first query, before that waits for the table. One that was
    /// rewritten in between (ALTER TABLE … TYPE) shows no rows at all, without an error. `LOCK TABLE` takes no view: so it
    /// comes first. Neither servers that refuse such a reading nor those that lock by themselves need this.
    fn lock_statement<'r>(
        &self,
        relations: impl Iterator<Item = &'r Relation>,
    ) -> Result<Option<String>, Error> {
        let mut tables = Vec::new();
        for relation in relations {
            match relation {
                Relation::Table(parts) => tables.push(self.dialect.table(parts)),
                Relation::Query(query) => {
                    let plan =
                        self.texts_of(&format!("EXPLAIN (VERBOSE, FORMAT JSON) {query}"), PLAN_TEXT_BYTES)?;
                    let lines = plan.into_iter().flatten().flatten().collect::<Vec<_>>().join("\n");
                    scanned_tables(
                        &serde_json::from_str(&lines).unwrap_or_default(),
                        self.dialect,
                        &mut tables,
                    );
                }
            }
        }
        let mut lockable = Vec::new();
        for table in tables {
            let query = format!(
                "SELECT 1 FROM pg_class WHERE oid = to_regclass({}) AND relkind IN ('r', 'p', 'v')",
                self.dialect.literal(&table)
            );
            if !lockable.contains(&table) && !self.texts(&query)?.is_empty() {
                lockable.push(table);
            }
        }
        Ok((!lockable.is_empty()).then(|| format!("LOCK TABLE {} IN ACCESS SHARE MODE", lockable.join(", "))))
    }

    /// Ends it. What was only read can't fail to be kept.
    pub(crate) fn end(&self) -> Result<(), Error> {
        match self.dialect.end() {
            Some(statement) => self.run(statement),
            None => {
                self.connection.rollback().map_err(Error::statement("ending the transaction"))?;
                self.connection.set_autocommit(true).map_err(Error::statement("ending the transaction"))
            }
        }
    }

    /// The failure of a statement, after which the transaction was ended: the connection's, if nothing else works either.
    pub(crate) fn judged(&self, error: Error) -> Error {
        match error {
            Error::Statement { what, refused } if self.texts("SELECT 1").is_err() => {
                Error::Lost { what, refused }
            }
            other => other,
        }
    }

    fn run(&self, statement: &str) -> Result<(), Error> {
        self.connection.execute(statement, (), None).map(drop).map_err(Error::statement(statement))
    }

    /// The rows of a small query, as texts.
    pub(crate) fn texts(&self, query: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.texts_of(query, CATALOG_TEXT_BYTES)
    }

    fn texts_of(&self, query: &str, width: usize) -> Result<Vec<Vec<Option<String>>>, Error> {
        let failed = || Error::statement("asking for the catalog");
        let mut rows = Vec::new();
        let Some(mut cursor) = self.connection.execute(query, (), None).map_err(failed())? else {
            return Ok(rows);
        };
        let columns = usize::try_from(cursor.num_result_cols().map_err(failed())?).unwrap_or_default();
        let widths = std::iter::repeat_n(width, columns);
        let buffer = TextRowSet::from_max_str_lens(if width > CATALOG_TEXT_BYTES { 1 } else { 64 }, widths)
            .map_err(failed())?;
        let mut cursor = cursor.bind_buffer(buffer).map_err(failed())?;
        while let Some(page) = cursor.fetch_with_truncation_check(true).map_err(failed())? {
            for row in 0..page.num_rows() {
                let text =
                    |column| page.at(column, row).map(|text| String::from_utf8_lossy(text).into_owned());
                rows.push((0..columns).map(text).collect());
            }
        }
        Ok(rows)
    }

    /// What a relation's columns are.
    pub(crate) fn shape(&self, resource: &TableName, relation: &Relation) -> Result<Shape, Error> {
        let shape = match relation {
            Relation::Table(parts) => match self.dialect.columns_query(parts) {
                Some(query) => self.shape_by_catalog(&query)?,
                None => self.shape_by_driver(parts)?,
            },
            Relation::Query(query) => Shape { columns: self.of_query(query)?, key: Vec::new() },
        };
        match (shape.columns.is_empty(), relation) {
            (true, Relation::Table(parts)) => Err(Error::NoTable { table: parts.join(".") }),
            (true, Relation::Query(_)) => Err(Error::Columns {
                resource: resource.clone(),
                problem: "the query has no columns".to_owned(),
            }),
            (false, _) => Ok(shape),
        }
    }

    fn shape_by_catalog(&self, query: &str) -> Result<Shape, Error> {
        let mut columns = Vec::new();
        let mut key = Vec::new();
        for (position, row) in self.texts(query)?.into_iter().enumerate() {
            let mut fields = row.into_iter();
            let mut field = || fields.next().flatten();
            let (name, type_name, oid, modifier, place) = (field(), field(), field(), field(), field());
            columns.push(Column {
                name: name.unwrap_or_default(),
                type_name: type_name.unwrap_or_default(),
                type_oid: number(oid).unwrap_or(0),
                type_modifier: number(modifier).unwrap_or(-1),
            });
            if let Some(place) = number::<u32>(place) {
                key.push((place, position));
            }
        }
        key.sort_unstable();
        Ok(Shape { columns, key: key.into_iter().map(|(_, position)| position).collect() })
    }

    /// ODBC's own catalog.
    fn shape_by_driver(&self, parts: &[String]) -> Result<Shape, Error> {
        let query = format!("SELECT * FROM {} WHERE 1 = 0", self.dialect.table(parts));
        let columns = self.of_query(&query)?;
        let failed = || Error::statement("asking for the primary key");
        let (schema, table) = match parts {
            [.., schema, table] => (Some(schema.as_str()), table.as_str()),
            [table] => (None, table.as_str()),
            [] => (None, ""),
        };
        let mut key = Vec::new();
        for row in self.connection.primary_keys(None, schema, table).map_err(failed())? {
            let row = row.map_err(failed())?;
            let name = row.column.as_str().ok().flatten().unwrap_or_default();
            if let Some(position) = columns.iter().position(|column| column.name == name) {
                key.push((row.key_seq, position));
            }
        }
        key.sort_unstable();
        Ok(Shape { columns, key: key.into_iter().map(|(_, position)| position).collect() })
    }

    fn of_query(&self, query: &str) -> Result<Vec<Column>, Error> {
        let failed = || Error::statement("preparing the query");
        let mut prepared = self.connection.prepare(query).map_err(failed())?;
        let count = u16::try_from(prepared.num_result_cols().map_err(failed())?).unwrap_or_default();
        let mut columns = Vec::new();
        for number in 1..=count {
            let name = prepared.col_name(number).map_err(failed())?;
            let data_type = prepared.col_data_type(number).map_err(failed())?;
            let is_unsigned = prepared.column_is_unsigned(number).unwrap_or(false);
            let type_name = usual_name(data_type, is_unsigned && self.dialect == Dialect::Mysql);
            columns.push(Column { name, type_name, type_oid: 0, type_modifier: -1 });
        }
        drop(prepared);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        if let Some(query) = self.dialect.types_query(query, &names) {
            let types = self.texts(&query)?.into_iter().next().unwrap_or_default();
            for (column, type_name) in columns.iter_mut().zip(types) {
                column.type_name = type_name.unwrap_or_else(|| "text".to_owned());
            }
        }
        Ok(columns)
    }
}

/// The connection string with what the driver has to be told, where it says nothing else.
fn with_defaults(connection_string: &str, dialect: Dialect) -> String {
    let mut whole = connection_string.trim_end_matches(';').to_owned();
    let lower = whole.to_lowercase();
    for (key, value) in dialect.connection_defaults() {
        let is_there = lower
            .split(';')
            .any(|part| part.split_once('=').is_some_and(|(name, _)| name.trim() == key.to_lowercase()));
        if !is_there {
            whole.push_str(&format!(";{key}={value}"));
        }
    }
    whole
}

/// The tables that a plan reads.
fn scanned_tables(plan: &serde_json::Value, dialect: Dialect, tables: &mut Vec<String>) {
    match plan {
        serde_json::Value::Array(parts) => {
            parts.iter().for_each(|part| scanned_tables(part, dialect, tables))
        }
        serde_json::Value::Object(node) => {
            let name = |key: &str| node.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
            if let (Some(schema), Some(table)) = (name("Schema"), name("Relation Name")) {
                tables.push(dialect.table(&[schema, table]));
            }
            node.values().for_each(|part| scanned_tables(part, dialect, tables));
        }
        _ => {}
    }
}

fn number<N: std::str::FromStr>(text: Option<String>) -> Option<N> {
    text?.trim().parse().ok()
}

/// What ODBC's types are usually called in SQL.
fn usual_name(data_type: DataType, is_unsigned: bool) -> String {
    let name = match data_type {
        DataType::Bit => "bit",
        DataType::TinyInt => "tinyint",
        DataType::SmallInt => "smallint",
        DataType::Integer => "int",
        DataType::BigInt => "bigint",
        DataType::Numeric { .. } | DataType::Decimal { .. } => "decimal",
        DataType::Real => "real",
        DataType::Float { .. } | DataType::Double => "double",
        DataType::Date => "date",
        DataType::Time { .. } => "time",
        DataType::Timestamp { .. } => "timestamp",
        DataType::Binary { .. } | DataType::Varbinary { .. } | DataType::LongVarbinary { .. } => "varbinary",
        _ => "varchar",
    };
    if is_unsigned { format!("{name} unsigned") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_told_what_it_was_not_told_already() {
        assert_eq!(
            with_defaults("Driver=SQLite3;Database=/tmp/x;StepApi=0;", Dialect::Sqlite),
            "Driver=SQLite3;Database=/tmp/x;StepApi=0;Timeout=10000"
        );
        assert_eq!(with_defaults("DSN=crm", Dialect::Generic), "DSN=crm");
    }
}

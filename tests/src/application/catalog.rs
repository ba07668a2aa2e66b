use super::column;
use crate::client::{Client, Error, Rows};
use crate::dialect::Dialect;
use crate::random::Random;

/// The tables as they were when last asked for.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// When that was.
    generation: Option<u64>,
    pub(super) tables: Vec<Table>,
}

/// A table, or the root of a partitioned one.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) dialect: Dialect,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) has_primary_key: bool,
    pub(super) has_key: bool,
    pub(super) is_partitioned: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    dialect: Dialect,
    pub(super) name: String,
    pub(super) type_name: String,
}

/// One row a column.
const POSTGRES: &str = "SELECT relname, relkind, \
      EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary), \
      EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisunique), attname, format_type(atttypid, atttypmod) \
    FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped \
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \
    ORDER BY relname, attnum";
const MYSQL: &str = "SELECT table_name, IF(create_options LIKE '%partitioned%', 'p', 'r'), \
      IF(EXISTS (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = DATABASE() \
        AND s.table_name = t.table_name AND index_name = 'PRIMARY'), 't', 'f'), \
      IF(EXISTS (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = DATABASE() \
        AND s.table_name = t.table_name AND non_unique = 0), 't', 'f'), column_name, column_type \
    FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name) \
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name <> 'marks' \
    ORDER BY table_name, ordinal_position";

impl Catalog {
    /// Asks again if any shape has changed.
    pub(super) async fn refresh(&mut self, client: &mut Client, generation: u64) -> Result<(), Error> {
        if self.generation != Some(generation) {
            let dialect = client.dialect();
            self.tables = of_rows(dialect, client.rows(sql(dialect)).await?);
            self.generation = Some(generation);
        }
        Ok(())
    }
}

/// Asks for all tables; [`of_rows`] reads the answer.
pub(super) fn sql(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    }
}

/// Reads what [`sql`] found.
pub(super) fn of_rows(dialect: Dialect, rows: Rows) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        let text = |at: usize| row[at].clone().expect("no nulls");
        if tables.last().is_none_or(|table| table.name != text(0)) {
            tables.push(Table {
                dialect,
                name: text(0),
                columns: Vec::new(),
                has_primary_key: text(2) == "t",
                has_key: text(3) == "t",
                is_partitioned: text(1) == "p",
            });
        }
        let table = tables.last_mut().expect("pushed just now");
        table.columns.push(Column { dialect, name: text(4), type_name: text(5) });
    }
    tables
}

/// The names of prepared transactions, in the order of their preparation, as far as the server tells it.
pub(super) async fn prepared(client: &mut Client) -> Result<Vec<String>, Error> {
    let (sql, column) = match client.dialect() {
        Dialect::Postgres => ("SELECT gid FROM pg_prepared_xacts ORDER BY prepared", 0),
        Dialect::Mysql => ("XA RECOVER", 3),
    };
    let rows = client.rows(sql).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().nth(column).flatten()).collect())
}

impl Table {
    /// By which its rows are addressed: their names say so.
    pub(super) fn address(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.is_address())
    }

    pub(super) fn values(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| !column.is_address() && !column.is_generated()).collect()
    }

    pub(super) fn quoted(&self) -> String {
        self.dialect.quoted(&self.name)
    }

    /// Those that take values.
    pub(super) fn written(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.is_generated())
    }
}

impl Column {
    pub(super) fn is_address(&self) -> bool {
        self.name.starts_with('k')
    }

    fn is_generated(&self) -> bool {
        self.name.starts_with('g')
    }

    pub(super) fn quoted(&self) -> String {
        self.dialect.quoted(&self.name)
    }

    /// The value that addresses a row by this number.
    pub(super) fn address(&self, number: &str) -> String {
        match self.dialect {
            Dialect::Postgres => column::address(&self.type_name, number),
            Dialect::Mysql => column::mysql::address(&self.type_name, number),
        }
    }

    /// A value as SQL.
    pub(super) fn value(&self, random: &mut Random) -> String {
        match self.dialect {
            Dialect::Postgres => column::value(&self.type_name, random),
            Dialect::Mysql => column::mysql::value(&self.type_name, random),
        }
    }

    /// A type that it can become without another text for any value.
    pub(super) fn wider(&self) -> Option<String> {
        match self.dialect {
            Dialect::Postgres => column::wider(&self.type_name).map(str::to_owned),
            Dialect::Mysql => column::mysql::wider(&self.type_name),
        }
    }
}

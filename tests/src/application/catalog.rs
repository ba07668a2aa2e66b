use tokio_postgres::{Client, Error, SimpleQueryMessage};

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
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) has_primary_key: bool,
    pub(super) has_key: bool,
    pub(super) is_partitioned: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_name: String,
}

/// One row a column.
pub(super) const SQL: &str = "SELECT relname, relkind, \
      EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary), \
      EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisunique), attname, format_type(atttypid, atttypmod) \
    FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped \
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \
    ORDER BY relname, attnum";

impl Catalog {
    /// Asks again if any shape has changed.
    pub(super) async fn refresh(&mut self, client: &Client, generation: u64) -> Result<(), Error> {
        if self.generation != Some(generation) {
            self.tables = of_rows(rows(client, SQL).await?);
            self.generation = Some(generation);
        }
        Ok(())
    }
}

/// Reads what [`SQL`] found.
pub(super) fn of_rows(rows: Vec<Vec<Option<String>>>) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        let text = |at: usize| row[at].clone().expect("no nulls");
        if tables.last().is_none_or(|table| table.name != text(0)) {
            tables.push(Table {
                name: text(0),
                columns: Vec::new(),
                has_primary_key: text(2) == "t",
                has_key: text(3) == "t",
                is_partitioned: text(1) == "p",
            });
        }
        let table = tables.last_mut().expect("pushed just now");
        table.columns.push(Column { name: text(4), type_name: text(5) });
    }
    tables
}

/// The names of prepared transactions, in the order of their preparation.
pub(super) async fn prepared(client: &Client) -> Result<Vec<String>, Error> {
    let rows = rows(client, "SELECT gid FROM pg_prepared_xacts ORDER BY prepared").await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// Whether somebody streams what is written.
pub(super) async fn is_read(client: &Client) -> Result<bool, Error> {
    let sql =
        "SELECT FROM pg_replication_slots WHERE plugin = 'pgoutput' AND confirmed_flush_lsn IS NOT NULL";
    Ok(!rows(client, sql).await?.is_empty())
}

async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
    let messages = client.simple_query(sql).await?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

impl Table {
    /// By which its rows are addressed: their names say so.
    pub(super) fn address(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.is_address())
    }

    pub(super) fn values(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| !column.is_address()).collect()
    }

    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }
}

impl Column {
    pub(super) fn is_address(&self) -> bool {
        self.name.starts_with('k')
    }

    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

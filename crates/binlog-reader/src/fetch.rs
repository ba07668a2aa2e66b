//! Asking the database for what the log leaves out of a row that nobody has seen before.
//!
//! With `binlog_row_image` set to `MINIMAL` or `NOBLOB`, a row that is inserted comes without the columns that took their
//! defaults, and one whose key changes without those that did not change. Under its key a consumer has never seen such a
//! row, so it is looked up.

use std::collections::HashMap;

use decoder::binlog::{RowPlan, Rows, SelectPlan, TableDefinition};
use event::{Bytes, Cell, Column, TableName, TableSchema, Use};
use mysql_async::Row;
use mysql_async::prelude::Queryable as _;

use crate::config::Config;
use crate::error::{Error, LOCK_WAIT_TIMEOUT};
use crate::load::{self, selected};
use crate::refusal::Refusal;
use crate::session::{Session, quote_bytes, quote_name, quote_table};

/// How a table's rows are looked up.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Gives the cells of `keys` alone.
    plan: RowPlan,
    /// In the table's order.
    keys: Vec<KeyColumn>,
    /// The columns that are sent, in the table's order.
    sent: Vec<usize>,
    name: TableName,
    /// What is selected.
    columns: String,
    /// None: what is selected of a column would not be understood.
    cells: Option<SelectPlan>,
}

#[derive(Debug)]
struct KeyColumn {
    quoted: String,
    position: usize,
    /// Of the primary key, by which rows are found.
    is_primary: bool,
    /// Of the message key, by which consumers know them.
    is_message_key: bool,
}

/// Rows of one event that are to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    name: TableName,
    statements: Vec<String>,
    /// Whether there are more that can't be: their table is to be loaded.
    pub(crate) needs_load: bool,
}

/// Rows that were looked up, by their number in their event.
pub(crate) type Found = HashMap<u64, Row>;

/// Opened when it is first needed.
#[derive(Debug)]
pub(crate) struct Fetcher {
    config: Config,
    session: Option<Session>,
}

/// So many rows are asked for at once.
const ROWS_A_STATEMENT: usize = 100;
/// `ER_BAD_DB_ERROR`, `ER_BAD_FIELD_ERROR`, `ER_NO_SUCH_TABLE`.
const GONE: [u16; 3] = [1049, 1054, 1146];

impl Lookup {
    /// Of a table whose columns go out as `uses` says.
    pub(crate) fn new(
        schema: &TableSchema,
        definition: &TableDefinition,
        plan: &RowPlan,
        uses: &[Use],
        message_key: &[&str],
    ) -> Self {
        let is_sent = |position: &usize| uses.get(*position).is_some_and(|by| *by != Use::Excluded);
        let sent: Vec<usize> = (0..schema.columns.len()).filter(is_sent).collect();
        let chosen = sent.iter().filter_map(|position| {
            Some((schema.columns.get(*position)?, definition.columns.get(*position)?, *uses.get(*position)?))
        });
        let cells = SelectPlan::new(chosen).ok();
        let key = |(position, column): (usize, &Column)| KeyColumn {
            quoted: quote_name(&column.name),
            position,
            is_primary: definition.primary_key.contains(&position),
            is_message_key: message_key.contains(&column.name.as_str()),
        };
        let keys: Vec<_> = schema.columns.iter().enumerate().map(key).collect();
        let keys: Vec<_> = keys.into_iter().filter(|key| key.is_primary || key.is_message_key).collect();
        let mut key_uses = vec![Use::Excluded; schema.columns.len()];
        for key in &keys {
            if let Some(by) = key_uses.get_mut(key.position) {
                *by = Use::Sent;
            }
        }
        let selected = sent.iter().filter_map(|position| schema.columns.get(*position));
        let columns = selected.map(load::selected_sql).collect::<Vec<_>>().join(", ");
        Self { plan: plan.clone().used(&key_uses), keys, sent, name: schema.name.clone(), columns, cells }
    }

    /// Those of the rows that nobody has seen before under their key, and that are not whole.
    pub(crate) fn wanted(&self, rows: &Rows<'_>) -> Result<Wanted, decoder::Error> {
        let mut wanted = Wanted { name: self.name.clone(), statements: Vec::new(), needs_load: false };
        let has_new_keys = rows.is_insert()
            || self.keys.iter().any(|key| key.is_message_key && rows.has_after(key.position));
        if !has_new_keys || self.sent.iter().all(|column| rows.tells(*column)) {
            return Ok(wanted);
        }
        let mut changes = rows.changes(&self.plan)?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut conditions = Vec::new();
        let mut number: u64 = 0;
        while changes.read(&mut before, &mut after)? {
            if self.is_new(&before, &after) {
                match self.condition(&before, &after) {
                    Some(condition) => conditions.push((number, condition)),
                    None => wanted.needs_load = true,
                }
            }
            number += 1;
            before.clear();
            after.clear();
        }
        wanted.statements = conditions.chunks(ROWS_A_STATEMENT).map(|rows| self.statement(rows)).collect();
        Ok(wanted)
    }

    /// A row's cells.
    pub(crate) fn cells<'r>(&'r self, row: &'r Row) -> Result<Vec<Cell<'r>>, decoder::Error> {
        let mut cells = Vec::with_capacity(self.sent.len());
        // The first column is the row's number.
        let Some(plan) = &self.cells else { return Ok(cells) };
        plan.cells((1..row.len()).map(|column| selected(row.as_ref(column))), &mut cells)?;
        Ok(cells)
    }

    fn is_new(&self, before: &[Cell<'_>], after: &[Cell<'_>]) -> bool {
        let changed = |(at, key): (usize, &KeyColumn)| {
            let after = after.get(at).filter(|cell| **cell != Cell::Omitted);
            key.is_message_key && after.is_some() && after != before.get(at)
        };
        before.is_empty() || self.keys.iter().enumerate().any(changed)
    }

    /// By which the row is found now; none: its key can't be written in SQL.
    fn condition(&self, before: &[Cell<'_>], after: &[Cell<'_>]) -> Option<String> {
        let mut conditions = Vec::new();
        self.cells.as_ref()?;
        for (at, key) in self.keys.iter().enumerate().filter(|(_, key)| key.is_primary) {
            let cell = after.get(at).filter(|cell| **cell != Cell::Omitted).or_else(|| before.get(at))?;
            conditions.push(format!("{} = {}", key.quoted, literal(cell)?));
        }
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    fn statement(&self, rows: &[(u64, String)]) -> String {
        let cases: Vec<_> =
            rows.iter().map(|(number, condition)| format!("WHEN {condition} THEN {number}")).collect();
        let any: Vec<_> = rows.iter().map(|(_, condition)| format!("({condition})")).collect();
        format!(
            "SELECT CASE {} END, {} FROM {} WHERE {}",
            cases.join(" "),
            self.columns,
            quote_table(&self.name),
            any.join(" OR ")
        )
    }
}

impl Wanted {
    /// Whether there is nothing to ask for.
    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }
}

impl Fetcher {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, session: None }
    }

    /// The rows as they are now, which may be newer than the change. One that is gone is not there: a later change in
    /// the log says so.
    ///
    /// The log shows a commit before others can see it, so the rows are locked for a moment: that waits for whoever is
    /// between the two (`process_commit_stage_queue` in binlog.cc comes after the log's own stages).
    pub(crate) async fn fetch(&mut self, wanted: &Wanted) -> Result<Found, Error> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => load::session(&self.config).await?,
        };
        let mut found = Found::new();
        for statement in &wanted.statements {
            // Where it needs no more than the right to select.
            let lock = if session.is_mariadb() { "LOCK IN SHARE MODE" } else { "FOR SHARE" };
            let statement = format!("{statement} {lock}");
            let rows = loop {
                match session.conn().exec::<Row, _, _>(&*statement, ()).await {
                    Ok(rows) => break rows,
                    Err(error) => match session.error(error, "SELECT of rows that the log has in part") {
                        error if error.number().is_some_and(|number| GONE.contains(&number)) => {
                            break Vec::new();
                        }
                        error if error.number() == Some(LOCK_WAIT_TIMEOUT) => {
                            tracing::warn!(
                                table = %wanted.name,
                                "a row that the log has in part is locked by a transaction: the stream waits for it"
                            );
                        }
                        error => return Err(Refusal::of_denied(error, &wanted.name, self.config.user())),
                    },
                }
            };
            let number_of = |row: &Row| row.get::<Option<u64>, _>(0).flatten();
            found.extend(rows.into_iter().filter_map(|row| Some((number_of(&row)?, row))));
        }
        self.session = Some(session);
        Ok(found)
    }
}

/// A key's value in SQL; none: it is not equal to what it is written as, or nobody can write it.
fn literal(cell: &Cell<'_>) -> Option<String> {
    let text = |text: &str| format!("_utf8mb4 {}", quote_bytes(text.as_bytes()));
    Some(match cell {
        Cell::Int(value) => value.to_string(),
        Cell::Uint(value) => value.to_string(),
        Cell::Decimal(value) => value.to_string(),
        Cell::Text(value) => text(value),
        Cell::Other { text: value, .. } => text(value),
        Cell::Bytes(Bytes::Raw(value)) => quote_bytes(value),
        Cell::DateDays(days) => format!("DATE'1970-01-01' + INTERVAL {days} DAY"),
        Cell::TimestampUs(us) => format!("TIMESTAMP'1970-01-01 00:00:00' + INTERVAL {us} MICROSECOND"),
        Cell::TimeUs(us) => {
            let (seconds, us) = (us / 1_000_000, us % 1_000_000);
            format!("TIME'{}:{:02}:{:02}.{us:06}'", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }
        Cell::Uuid(value) => quote_bytes(value),
        _ => return None,
    })
}

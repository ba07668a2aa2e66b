//! Rows as they come over one cursor, as texts, in pieces of a bounded size.

use odbc_api::Cursor;
use odbc_api::buffers::TextRowSet;

use crate::dialect::{Asked, Reading};
use crate::error::Error;
use crate::plan::Plan;
use crate::session::Session;

/// How long the longest text of each column may be just now. What is longer makes room for itself, and the scan begins
/// anew: drivers don't know how long their values are, and some say so only by cutting them short.
#[derive(Clone, Debug, Default)]
pub(crate) struct Widths(Vec<usize>);

/// Why reading ended early.
pub(crate) enum Interrupted {
    /// A value was longer than thought; there is room for it now.
    Widened,
    Failed(Error),
}

/// What is bound at once: it stays in a processor's cache between the driver, which fills it, and us.
const BUFFER_BYTES: usize = 512 << 10;
const ROWS_AT_ONCE: usize = 4096;
/// A longer value can't be read.
const LONGEST_BYTES: usize = 256 << 20;

impl From<Error> for Interrupted {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads the rows of a statement, and hands them on piece by piece.
pub(crate) fn rows(
    session: &Session,
    plan: &Plan,
    sql: &str,
    widths: &mut Widths,
    mut take: impl FnMut(&TextRowSet) -> Result<(), Interrupted>,
) -> Result<(), Interrupted> {
    let name = &plan.schema.name;
    let failed = || Error::statement(format!("reading {name}"));
    if widths.0.len() != plan.columns.len() {
        widths.0 = plan.columns.iter().map(first_width).collect();
    }
    let row_bytes: usize = widths.0.iter().map(|width| width + 9).sum();
    let capacity = (BUFFER_BYTES / row_bytes.max(1)).clamp(1, ROWS_AT_ONCE);
    let buffer = TextRowSet::from_max_str_lens(capacity, widths.0.iter().copied())
        .map_err(failed())
        .map_err(Interrupted::from)?;
    let cursor = session.connection.execute(sql, (), None).map_err(failed()).map_err(Interrupted::from)?;
    let Some(cursor) = cursor else { return Ok(()) };
    let mut cursor = cursor.bind_buffer(buffer).map_err(failed()).map_err(Interrupted::from)?;
    loop {
        match cursor.fetch_with_truncation_check(true) {
            Ok(Some(page)) => take(page)?,
            Ok(None) => return Ok(()),
            Err(odbc_api::Error::TooLargeValueForBuffer { indicator, buffer_index }) => {
                widths.widen(plan, buffer_index, indicator)?;
                return Err(Interrupted::Widened);
            }
            Err(error) => return Err(Interrupted::Failed(failed()(error))),
        }
    }
}

impl Widths {
    fn widen(&mut self, plan: &Plan, column: usize, indicator: Option<usize>) -> Result<(), Error> {
        let Some(width) = self.0.get_mut(column) else { return Ok(()) };
        let wanted = indicator.unwrap_or(0).max(2 * *width);
        if wanted > LONGEST_BYTES {
            return Err(Error::Value {
                resource: plan.schema.name.clone(),
                column: plan.columns.get(column).map(|asked| asked.column.name.clone()).unwrap_or_default(),
                problem: "longer than 256 MB",
            });
        }
        *width = wanted.next_power_of_two();
        Ok(())
    }
}

/// What is enough for nearly all values of the type.
fn first_width(asked: &Asked) -> usize {
    match &asked.reading {
        Reading::Text(column_type) => match column_type.name() {
            "bool" => 8,
            "int2" | "int4" | "int8" | "oid" => 24,
            "float4" | "float8" | "date" | "time" => 32,
            "timestamp" | "timestamptz" | "uuid" => 48,
            "numeric" => 64,
            _ => 254,
        },
        Reading::Bit => 8,
        Reading::Tagged => 126,
        Reading::Hex => 254,
    }
}

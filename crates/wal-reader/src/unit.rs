//! What one load reads: a table, or a range of keys of a large one, so that a crash costs little and the stream never
//! waits long.

use std::borrow::Cow;

use event::{Column, KeyBound, KeyRange, TableName, TableSchema};

use crate::catalog::Shape;
use crate::sql::{quote_name, quote_table};
use crate::wire::Connection;
use crate::{Error, Options};

/// Blocks (8 KiB) of one worker's turn at a table that is read whole.
const PIECE_BLOCKS: u64 = 4096;

/// A unit, cut into pieces that workers can read side by side: conditions over the table's rows.
#[derive(Debug)]
pub(crate) struct Plan {
    /// None: the whole table.
    pub(crate) range: Option<KeyRange>,
    /// SQL conditions that together cover the unit; an empty one covers all.
    pub(crate) pieces: Vec<String>,
}

/// Plans the unit that starts at `from`. `range_key`: the column by which it may be cut.
pub(crate) async fn plan(
    connection: &mut Connection,
    name: &TableName,
    shape: &Shape,
    range_key: Option<usize>,
    from: Option<KeyBound>,
    options: &Options,
) -> Result<Plan, Error> {
    match range_key {
        Some(key) if from.is_some() || is_large(shape, options.load_unit_rows) => {
            plan_range(connection, name, shape, key, from, options).await
        }
        _ => Ok(Plan { range: None, pieces: block_pieces(shape) }),
    }
}

/// The column whose order the database and this program agree on. Text is ordered by the database's own rules.
pub(crate) fn range_key(schema: &TableSchema) -> Option<usize> {
    let [position] = schema.key[..] else { return None };
    let column = schema.columns.get(position)?;
    RANGE_KEY_TYPES.contains(&column.type_oid).then_some(position)
}

/// int8, int2, int4, date, uuid. By OID: a domain may have its own opinion of the bound's literal.
pub(crate) const RANGE_KEY_TYPES: [u32; 5] = [20, 21, 23, 1082, 2950];

/// Whether relation `c` has such a key, as SQL: what a look at many tables can tell.
pub(crate) fn has_range_key_sql() -> String {
    let types: Vec<String> = RANGE_KEY_TYPES.iter().map(u32::to_string).collect();
    format!(
        "(c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a \
           ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
           WHERE i.indrelid = c.oid AND i.indimmediate AND i.indnkeyatts = 1 AND a.atttypid IN ({}) \
             AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END))",
        types.join(", ")
    )
}

/// A table that was never analysed is judged by its size: about 60 rows fit a block.
fn is_large(shape: &Shape, unit_rows: u64) -> bool {
    let rows = if shape.estimated_rows >= 0.0 { shape.estimated_rows } else { shape.blocks as f64 * 60.0 };
    rows > 1.5 * unit_rows as f64 && !shape.is_partitioned
}

/// Walks the key's index to the unit's end, stopping at the borders between its pieces.
async fn plan_range(
    connection: &mut Connection,
    name: &TableName,
    shape: &Shape,
    key: usize,
    from: Option<KeyBound>,
    options: &Options,
) -> Result<Plan, Error> {
    let Some(column) = shape.schema.columns.get(key) else {
        return Ok(Plan { range: None, pieces: block_pieces(shape) });
    };
    let key_name = quote_name(&column.name);
    let key_type = decoder::ColumnType::new(&column.type_name);
    let workers = options.load_workers.max(1);
    let step = (options.load_unit_rows / workers as u64).max(1);
    let (mut low, mut pieces) = (from, Vec::new());
    for _ in 0..workers {
        let lower = low.map(|bound| format!("{key_name} >= {}", literal(bound)));
        let condition = lower.as_ref().map(|lower| format!("WHERE {lower}")).unwrap_or_default();
        let rows = connection
            .query(&format!(
                "SELECT {key_name} FROM ONLY {table} {condition} ORDER BY {key_name} OFFSET {step} LIMIT 1",
                table = quote_table(name)
            ))
            .await?;
        // Past the end, or at an infinite date: the rest has no upper bound.
        let high = match rows.first() {
            Some(row) => KeyBound::of(&key_type.cell(row.required(0)?.as_bytes())),
            None => None,
        };
        let upper = high.map(|bound| format!("{key_name} < {}", literal(bound)));
        pieces.push([lower, upper].into_iter().flatten().collect::<Vec<_>>().join(" AND "));
        low = high;
        if high.is_none() {
            break;
        }
    }
    Ok(Plan { range: Some(KeyRange { from, to: low }), pieces })
}

/// Ranges of blocks; the last has no end, as the table grows.
fn block_pieces(shape: &Shape) -> Vec<String> {
    let count = if shape.is_partitioned { 1 } else { shape.blocks.div_ceil(PIECE_BLOCKS).max(1) };
    (0..count)
        .map(|piece| {
            let lower = (piece > 0).then(|| format!("ctid >= '({},0)'", piece * PIECE_BLOCKS));
            let upper = (piece + 1 < count).then(|| format!("ctid < '({},0)'", (piece + 1) * PIECE_BLOCKS));
            [lower, upper].into_iter().flatten().collect::<Vec<_>>().join(" AND ")
        })
        .collect()
}

fn literal(bound: KeyBound) -> String {
    match bound {
        // Parenthesised: `-` binds weaker than `::` would.
        KeyBound::Int(value) => format!("({value})"),
        // Of other databases' keys.
        KeyBound::Uint(value) => value.to_string(),
        KeyBound::DateDays(days) => format!("(date '1970-01-01' + ({days}))"),
        KeyBound::Uuid(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("uuid '{digits}'")
        }
    }
}

/// The COPY statement for one piece: these columns of the published rows. `with_row_id`: the rows' places come first.
/// `part`: a condition that somebody asked for.
pub(crate) fn copy_sql(
    shape: &Shape,
    columns: &[Column],
    with_row_id: bool,
    piece: &str,
    part: Option<&str>,
) -> String {
    // Each partition has places of its own.
    let row_id = if shape.is_partitioned { "pg_catalog.concat(tableoid, ctid)" } else { "ctid" };
    let row_id = with_row_id.then_some(Cow::Borrowed(row_id));
    let columns = columns.iter().map(|column| Cow::Owned(quote_name(&column.name)));
    let columns: Vec<Cow<'_, str>> = row_id.into_iter().chain(columns).collect();
    let filter = shape.row_filter.as_ref().map(|filter| format!("({filter})"));
    // On lines of its own: it may end with a comment.
    let part = part.map(|part| format!("(\n{part}\n)"));
    let piece = Some(piece.to_owned()).filter(|piece| !piece.is_empty());
    let conditions: Vec<String> = [piece, filter, part].into_iter().flatten().collect();
    let only = if shape.is_partitioned { "" } else { "ONLY " };
    let condition =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!(
        "COPY (SELECT {} FROM {only}{}{condition}) TO STDOUT",
        columns.join(", "),
        quote_table(&shape.schema.name)
    )
}

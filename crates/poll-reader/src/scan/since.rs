//! What is new alone, by a column that grows.

use decoder::ColumnType;
use event::Cell;
use jiff::Timestamp;

use crate::canonical;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::options::{Overlap, Resource, Since};
use crate::plan::Plan;
use crate::state::Known;

/// Where the column is, if one is named.
pub(super) fn position(resource: &Resource, root: &Plan) -> Result<Option<usize>, Error> {
    let Some(since) = &resource.since else { return Ok(None) };
    let position = root.columns.iter().position(|asked| asked.column.name == since.column);
    position.map(Some).ok_or_else(|| Error::Columns {
        resource: resource.name.clone(),
        problem: format!("there is no column \"{}\", which `since` names", since.column),
    })
}

/// Its values are of no use.
pub(super) fn refused(resource: &Resource) -> Error {
    let column = resource.since.as_ref().map(|since| since.column.clone()).unwrap_or_default();
    Error::Since { resource: resource.name.clone(), column }
}

/// The condition that keeps rows out which were read before; none where all are to be read.
pub(super) fn lower_bound(
    dialect: Dialect,
    resource: &Resource,
    root: &Plan,
    known: &Known,
    now_s: i64,
) -> Result<Option<String>, Error> {
    let (Some(since), Some(full_scan_s), Some(last)) = (&resource.since, known.full_scan_s, &known.since)
    else {
        return Ok(None);
    };
    // A clock that was set back makes a full scan due as well: nobody knows when the last one was.
    let age_s = now_s - full_scan_s;
    if age_s < 0 || age_s.unsigned_abs() >= since.full_every.as_secs() || known.deletes_confirmed {
        return Ok(None);
    }
    position(resource, root)?;
    let last = canonical::read(last).and_then(|cells| cells.into_iter().next());
    let bound = last.and_then(|last| bound(dialect, &last, since));
    let bound = bound.ok_or_else(|| refused(resource))?;
    Ok(Some(format!("{} >= {bound}", dialect.quote(&since.column))))
}

fn bound(dialect: Dialect, last: &Cell<'_>, since: &Since) -> Option<String> {
    match (last, since.overlap) {
        (Cell::Int(last), Overlap::Number(overlap)) => {
            Some(last.saturating_sub_unsigned(overlap).to_string())
        }
        (Cell::TimestampUs(last), Overlap::Time(overlap)) => {
            let us = last.checked_sub(i64::try_from(overlap.as_micros()).ok()?)?;
            let time = Timestamp::from_microsecond(us).ok()?;
            // As short as databases write it that keep times as texts, and compare them so.
            let format = if us % 1_000_000 == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
            Some(dialect.literal(&time.strftime(format).to_string()))
        }
        _ => None,
    }
}

/// Errs on values of a kind that can't be compared.
pub(super) fn keep_greatest(greatest: &mut Option<Cell<'static>>, cell: Option<&Cell<'_>>) -> Result<(), ()> {
    let value = match cell {
        Some(Cell::Int(value)) => Cell::Int(*value),
        Some(Cell::TimestampUs(value)) => Cell::TimestampUs(*value),
        // SQLite has no type for times.
        Some(Cell::Text(text)) => match ColumnType::new("timestamp").cell(text.as_bytes()) {
            Cell::TimestampUs(value) => Cell::TimestampUs(value),
            _ => return Err(()),
        },
        Some(Cell::Null) | None => return Ok(()),
        Some(_) => return Err(()),
    };
    let is_greater = match (&value, &greatest) {
        (_, None) => true,
        (Cell::Int(new), Some(Cell::Int(old))) | (Cell::TimestampUs(new), Some(Cell::TimestampUs(old))) => {
            new > old
        }
        _ => return Err(()),
    };
    if is_greater {
        *greatest = Some(value);
    }
    Ok(())
}

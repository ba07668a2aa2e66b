//! What a person asks of the state: rows to be sent again, deletes to be let pass.

use std::path::Path;

use event::{Cell, TableName};
use rusqlite::params;

use crate::canonical;
use crate::diff::kept;
use crate::error::Error;
use crate::state::{State, known, rows_table};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resync {
    /// The next scan sends every row again, as an update that names no columns. Never a delete.
    All,
    /// The same for the one row with this key: the texts of its columns.
    Key(Vec<String>),
    /// The next full scan may delete as many rows as are gone.
    ConfirmDeletes,
}

/// Notes it in the state of a pipeline, whether that runs or not; how many known rows it concerns, or none if nothing is
/// known of such a resource.
pub fn resync(folder: &Path, resource: &TableName, what: &Resync) -> Result<Option<u64>, Error> {
    if !State::file(folder).exists() {
        return Ok(None);
    }
    let mut state = State::open(folder)?;
    let name = resource.to_string();
    if !state.is_known(&name)? {
        return Ok(None);
    }
    state
        .write(|transaction| {
            let known = known(transaction, &name)?;
            match what {
                Resync::All => {
                    transaction.execute(
                        "UPDATE resource SET hash_version = hash_version + 1, since = NULL WHERE name = ?1",
                        [&name],
                    )?;
                    Ok(known.rows)
                }
                Resync::ConfirmDeletes => {
                    transaction
                        .execute("UPDATE resource SET deletes_confirmed = 1 WHERE name = ?1", [&name])?;
                    Ok(known.rows)
                }
                Resync::Key(wanted) => {
                    let table = rows_table(known.id);
                    let mut select = transaction.prepare(&format!("SELECT key, row FROM {table}"))?;
                    let mut rows = select.query([])?;
                    let mut found = Vec::new();
                    while let Some(row) = rows.next()? {
                        let key = row.get_ref(0)?.as_blob()?;
                        let cells = canonical::read(key).unwrap_or_default();
                        if cells.iter().map(text).eq(wanted.iter().cloned()) {
                            found.push((key.to_vec(), row.get_ref(1)?.as_blob()?.to_vec()));
                        }
                    }
                    let count = found.len() as u64;
                    for (key, mut row) in found {
                        kept::forget_hash(&mut row);
                        transaction.execute(
                            &format!("UPDATE {table} SET row = ?2 WHERE key = ?1"),
                            params![key, row],
                        )?;
                    }
                    transaction.execute("UPDATE resource SET since = NULL WHERE name = ?1", [&name])?;
                    Ok(count)
                }
            }
        })
        .map(Some)
}

/// As a person would write it.
fn text(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Int(value) => value.to_string(),
        Cell::Uint(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
        Cell::Double(value) => value.to_string(),
        Cell::Text(text) | Cell::Decimal(text) | Cell::Json(text) | Cell::Other { text, .. } => {
            text.clone().into_owned()
        }
        Cell::Uuid(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let parts = [0..8, 8..12, 12..16, 16..20, 20..32]
                .map(|part| hex.get(part).unwrap_or_default().to_owned());
            parts.join("-")
        }
        other => format!("{other:?}"),
    }
}

//! What was found and is not written yet: what is known of rows from now on, and their events, in one transaction.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Transaction, params};

use super::Found;
use crate::error::Error;
use crate::outbox::{DELETE, INSERT, UPDATE};
use crate::state::{Known, State, rows_table};

/// The changes of one scan, written some at a time.
pub(super) struct Findings {
    reader: i64,
    name: String,
    shape: i64,
    scan: u64,
    /// Of the last one that was written.
    seq: u64,
    changes: Vec<Change>,
    bytes: usize,
}

/// A change that is not written yet.
pub(super) struct Change {
    pub(super) op: i64,
    pub(super) key: Vec<u8>,
    /// What is known of the row from now on; empty for a deleted one.
    pub(super) row: Vec<u8>,
    /// What the event holds: the row, or the key of a deleted one.
    pub(super) cells: Vec<u8>,
    pub(super) changed: Option<Vec<u8>>,
    pub(super) slot: u32,
}

pub(super) const CHANGES_AT_ONCE: usize = 5000;
const BYTES_AT_ONCE: usize = 8 << 20;

impl Findings {
    /// None yet.
    pub(super) fn new(reader: i64, name: String, shape: i64, scan: u64) -> Self {
        Self { reader, name, shape, scan, seq: 0, changes: Vec::new(), bytes: 0 }
    }

    /// The scan's number.
    pub(super) fn scan(&self) -> u64 {
        self.scan
    }

    pub(super) fn push(&mut self, change: Change) {
        self.bytes += change.key.len() + change.cells.len() + change.row.len();
        self.changes.push(change);
    }

    /// Whether it is time to write them.
    pub(super) fn are_many(&self) -> bool {
        self.changes.len() >= CHANGES_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    /// Writes them with their events, counting them in what is known and in what was found.
    pub(super) fn write(
        &mut self,
        state: &mut State,
        known: &mut Known,
        found: &mut Found,
    ) -> Result<(), Error> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.changes);
        self.bytes = 0;
        if !state.write(|transaction| self.write_in(transaction, &changes, known))? {
            return Err(Error::Superseded);
        }
        for change in &changes {
            let count = match change.op {
                INSERT => &mut found.inserted,
                UPDATE => &mut found.updated,
                _ => &mut found.deleted,
            };
            *count += 1;
        }
        Ok(())
    }

    /// Whether the state is still this reader's to write.
    fn write_in(
        &mut self,
        transaction: &Transaction<'_>,
        changes: &[Change],
        known: &mut Known,
    ) -> rusqlite::Result<bool> {
        let current: i64 =
            transaction.query_row("SELECT value FROM meta WHERE key = 'reader'", [], |row| row.get(0))?;
        if current != self.reader {
            return Ok(false);
        }
        let captured_us = now_us();
        let table = rows_table(known.id);
        let mut put = transaction.prepare_cached(&format!(
            "INSERT INTO {table} (key, row) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET row = excluded.row"
        ))?;
        let mut delete = transaction.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?1"))?;
        let mut take =
            transaction.prepare_cached("DELETE FROM free_slot WHERE resource = ?1 AND slot = ?2")?;
        let mut free = transaction.prepare_cached("INSERT OR IGNORE INTO free_slot VALUES (?1, ?2)")?;
        let mut event = transaction.prepare_cached(
            "INSERT INTO outbox (shape, op, scan, seq, table_seq, captured_us, cells, changed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for change in changes {
            self.seq += 1;
            known.table_seq += 1;
            match change.op {
                DELETE => {
                    delete.execute([&change.key])?;
                    free.execute(params![known.id, change.slot])?;
                    known.rows -= 1;
                }
                op => {
                    put.execute(params![change.key, change.row])?;
                    if op == INSERT {
                        take.execute(params![known.id, change.slot])?;
                        known.rows += 1;
                    }
                }
            }
            event.execute(params![
                self.shape,
                change.op,
                self.scan,
                self.seq,
                known.table_seq,
                captured_us,
                change.cells,
                change.changed
            ])?;
        }
        transaction.execute(
            "UPDATE resource SET next_slot = ?2, rows = ?3, table_seq = ?4 WHERE name = ?1",
            params![self.name, known.next_slot, known.rows, known.table_seq],
        )?;
        Ok(true)
    }

    /// Notes that the scan is over, and all is written. `since`: the greatest value it saw, in canonical form;
    /// `full_scan_s`: when it began, if it read everything.
    pub(super) fn end(
        self,
        state: &mut State,
        since: Option<&[u8]>,
        full_scan_s: Option<i64>,
    ) -> Result<(), Error> {
        state.write(|transaction| {
            transaction.execute(
                "UPDATE resource SET since = coalesce(?2, since), full_scan_s = coalesce(?3, full_scan_s), \
                 deletes_confirmed = CASE WHEN ?3 IS NULL THEN deletes_confirmed ELSE 0 END \
                 WHERE name = ?1 AND ?4 = (SELECT value FROM meta WHERE key = 'reader')",
                params![self.name, since, full_scan_s, self.reader],
            )
        })?;
        Ok(())
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

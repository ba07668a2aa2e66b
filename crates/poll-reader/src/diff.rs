//! What a scan finds, against what is known.
//!
//! The one idea: **look up, never merge.** Two databases, or two versions of one, do not agree on the order of texts, so
//! rows are not expected in any. A piece of a scan is sorted by the bytes of its keys, and walked beside the known rows
//! from there on: where neighbours in one are neighbours in the other, as with keys that count up, that costs one step
//! per row, and a look-up otherwise.
//!
//! A known row ([`kept`]) has a place in a bitmap of those that this scan has seen. Those without a mark are gone, and that is
//! said only at the end of a scan that saw everything.

mod findings;
pub(crate) mod kept;
mod piece;

use std::collections::HashSet;

use rusqlite::Connection;
use xxhash_rust::xxh3::xxh3_64;

use self::findings::{CHANGES_AT_ONCE, Change, Findings};
pub(crate) use self::piece::Piece;
use self::piece::Row;
use crate::bitmap::Bitmap;
use crate::error::Error;
use crate::outbox::{DELETE, INSERT, UPDATE, positions_bytes};
use crate::state::{Known, State, rows_table};
use crate::{canonical, hash};

/// One scan of one resource.
pub(crate) struct Diff<'s> {
    state: &'s mut State,
    known: Known,
    /// Whether a row can't be seen twice: in one view of the database.
    is_strict: bool,
    seen: Bitmap,
    /// Of the rows that were known when the scan began, how many it has seen.
    found_again: u64,
    known_before: u64,
    free: Vec<u32>,
    findings: Findings,
    /// Of new rows among them, by a hash of the key.
    unwritten: HashSet<u64>,
    /// What this scan came to.
    pub(crate) found: Found,
}

/// What a scan came to, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Rows that it read.
    pub rows: u64,
    /// That were not there before.
    pub inserted: u64,
    /// That differ.
    pub updated: u64,
    /// That are gone.
    pub deleted: u64,
}

/// A row of a piece that is new or differs, and what is known of it.
type Verdict = (usize, Option<Vec<u8>>);

/// Why a piece could not be taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Two rows with one key, in one view of the database.
    SameKey,
    Failed(Error),
}

/// So many known rows are stepped over before one is looked up.
const STEPS: usize = 8;

impl<'s> Diff<'s> {
    /// Begins a scan, under a number of its own.
    pub(crate) fn begin(
        state: &'s mut State,
        reader: i64,
        name: String,
        shape: i64,
        known: Known,
        is_strict: bool,
    ) -> Result<Self, Error> {
        let scan = state.next_scan()?;
        let free = free_slots(&state.connection, known.id).map_err(state.failed())?;
        Ok(Self {
            state,
            is_strict,
            seen: Bitmap::default(),
            found_again: 0,
            known_before: known.rows,
            known,
            free,
            findings: Findings::new(reader, name, shape, scan),
            unwritten: HashSet::new(),
            found: Found::default(),
        })
    }

    /// Its number.
    pub(crate) fn scan(&self) -> u64 {
        self.findings.scan()
    }

    /// Seeds the hashes of its rows.
    pub(crate) fn hash_version(&self) -> u64 {
        self.known.hash_version
    }

    /// Compares some rows; whether anything was written.
    pub(crate) fn take(&mut self, piece: &Piece) -> Result<bool, Refused> {
        self.found.rows += piece.len() as u64;
        let verdicts = self.compare(piece)?;
        for (number, verdict) in verdicts {
            self.note(piece, number, verdict);
        }
        if self.findings.are_many() {
            self.flush().map_err(Refused::Failed)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Of the rows that are new or differ: what is known of them.
    fn compare(&mut self, piece: &Piece) -> Result<Vec<Verdict>, Refused> {
        let order = piece.sorted();
        let Self { state, known, seen, found_again, unwritten, is_strict, .. } = self;
        let failed = state.failed();
        let mut run = || -> rusqlite::Result<Option<Vec<Verdict>>> {
            let mut verdicts = Vec::new();
            let table = rows_table(known.id);
            // One for all look-ups: each would lock the file for itself.
            let transaction = state.connection.unchecked_transaction()?;
            let mut select = transaction
                .prepare_cached(&format!("SELECT key, row FROM {table} WHERE key >= ?1 ORDER BY key"))?;
            let mut ours =
                order.iter().copied().filter_map(|number| Some((number, piece.rows.get(number)?))).peekable();
            let mut last_key: Option<&[u8]> = None;
            let mut is_first = |row: &Row, last_key: Option<&[u8]>| {
                let key = piece.key(row);
                last_key != Some(key) && unwritten.insert(xxh3_64(key))
            };
            'seek: while let Some((_, first)) = ours.peek() {
                let mut stored = select.query([piece.key(first)])?;
                let mut steps = 0;
                while let Some(entry) = stored.next()? {
                    let stored_key = entry.get_ref(0)?.as_blob()?;
                    loop {
                        let Some((number, row)) = ours.peek().copied() else { break 'seek };
                        let key = piece.key(row);
                        match key.cmp(stored_key) {
                            std::cmp::Ordering::Less => {
                                if is_first(row, last_key) {
                                    verdicts.push((number, None));
                                } else if *is_strict {
                                    return Ok(None);
                                }
                            }
                            std::cmp::Ordering::Equal => {
                                let before = entry.get_ref(1)?.as_blob()?;
                                if !seen.insert(kept::slot_of(before)) {
                                    *found_again += 1;
                                    if !kept::is_same(before, known.generation, &row.hash) {
                                        verdicts.push((number, Some(before.to_vec())));
                                    }
                                } else if *is_strict {
                                    return Ok(None);
                                }
                            }
                            std::cmp::Ordering::Greater => break,
                        }
                        last_key = Some(key);
                        steps = 0;
                        ours.next();
                    }
                    steps += 1;
                    if steps > STEPS {
                        continue 'seek;
                    }
                }
                // Nothing is known from here on.
                for (number, row) in ours.by_ref() {
                    if is_first(row, last_key) {
                        verdicts.push((number, None));
                    } else if *is_strict {
                        return Ok(None);
                    }
                    last_key = Some(piece.key(row));
                }
            }
            Ok(Some(verdicts))
        };
        run().map_err(|error| Refused::Failed(failed(error)))?.ok_or(Refused::SameKey)
    }

    fn note(&mut self, piece: &Piece, number: usize, before: Option<Vec<u8>>) {
        let Some(row) = piece.rows.get(number) else { return };
        let cells = piece.cells(row);
        let columns: Vec<[u8; 2]> = canonical::split(cells).map(hash::column).collect();
        let (op, slot, changed) = match &before {
            None => (INSERT, self.take_slot(), None),
            Some(before) => {
                let changed = kept::changed(before, self.known.generation, &columns);
                // All alike: it is sent again because somebody asked for that.
                (UPDATE, kept::slot_of(before), changed.filter(|changed| !changed.is_empty()))
            }
        };
        self.seen.insert(slot);
        self.findings.push(Change {
            op,
            key: piece.key(row).to_vec(),
            row: kept::row(self.known.generation, slot, &row.hash, &columns),
            cells: cells.to_vec(),
            changed: changed.map(|positions| positions_bytes(&positions)),
            slot,
        });
    }

    fn take_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.known.next_slot += 1;
            self.known.next_slot - 1
        })
    }

    /// How many rows that were known are not there any more, and how many were known. After all were read.
    pub(crate) fn gone(&self) -> (u64, u64) {
        (self.known_before.saturating_sub(self.found_again), self.known_before)
    }

    /// Whether somebody said that so many may go.
    pub(crate) fn deletes_are_confirmed(&self) -> bool {
        self.known.deletes_confirmed
    }

    /// Says of all known rows that were not seen that they are gone. Only after a scan that read everything.
    pub(crate) fn delete_unseen(&mut self, mut wrote: impl FnMut()) -> Result<(), Error> {
        self.flush()?;
        if self.gone().0 == 0 {
            return Ok(());
        }
        let mut after: Vec<u8> = Vec::new();
        loop {
            let (last, unseen) = self.unseen(&after).map_err(self.state.failed())?;
            for (key, slot) in unseen {
                self.findings.push(Change {
                    op: DELETE,
                    cells: key.clone(),
                    key,
                    row: Vec::new(),
                    changed: None,
                    slot,
                });
            }
            self.flush()?;
            wrote();
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    /// Some of those after a key, and the last one that was looked at, if that was not the last of all.
    #[allow(clippy::type_complexity)]
    fn unseen(&self, after: &[u8]) -> rusqlite::Result<(Option<Vec<u8>>, Vec<(Vec<u8>, u32)>)> {
        let table = rows_table(self.known.id);
        let mut select = self
            .state
            .connection
            .prepare_cached(&format!("SELECT key, row FROM {table} WHERE key > ?1 ORDER BY key"))?;
        let mut unseen = Vec::new();
        let mut rows = select.query([after])?;
        while let Some(entry) = rows.next()? {
            let slot = kept::slot_of(entry.get_ref(1)?.as_blob()?);
            if !self.seen.contains(slot) {
                let key = entry.get_ref(0)?.as_blob()?.to_vec();
                unseen.push((key.clone(), slot));
                if unseen.len() >= CHANGES_AT_ONCE {
                    return Ok((Some(key), unseen));
                }
            }
        }
        Ok((None, unseen))
    }

    /// Writes what was found so far.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.unwritten.clear();
        self.findings.write(self.state, &mut self.known, &mut self.found)
    }

    /// Notes that the scan is over. `since`: the greatest value it saw, in canonical form; `full_scan_s`: when it began, if
    /// it read everything.
    pub(crate) fn finish(mut self, since: Option<&[u8]>, full_scan_s: Option<i64>) -> Result<Found, Error> {
        self.flush()?;
        self.findings.end(self.state, since, full_scan_s)?;
        Ok(self.found)
    }
}

fn free_slots(connection: &Connection, resource: i64) -> rusqlite::Result<Vec<u32>> {
    let mut select =
        connection.prepare_cached("SELECT slot FROM free_slot WHERE resource = ?1 ORDER BY slot DESC")?;
    select.query_map([resource], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests;

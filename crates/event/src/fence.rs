//! What a load has already read: while the log is replayed over it, exactly those changes are dropped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Cell, LogPlace, TableName, by_table};

/// A PostgreSQL snapshot: which transactions it sees. `pg_current_snapshot()` as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XidSnapshot {
    /// All transactions before this one are over.
    pub xmin: u64,
    /// This one and all after it had not started.
    pub xmax: u64,
    /// Those between the two that were in progress, ascending.
    pub xip: Vec<u64>,
}

/// One unit's read: which transactions it contains, for which keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Which of the transactions before the limit the read saw; none: all of them.
    #[serde(default)]
    pub snapshot: Option<XidSnapshot>,
    /// How far the log reached right after the snapshot. A transaction that committed at or after it is not contained,
    /// whatever its xid: a crash with asynchronous commits hands the same xid out again.
    pub limit: LogPlace,
    /// The keys that were read; none for the whole table.
    pub range: Option<KeyRange>,
    /// The commit and sequence of a TRUNCATE that went out over this read: later changes are not contained.
    pub voided: Option<(LogPlace, u64)>,
}

/// A range of keys of a table whose key is one integer, uuid or date column: `from <= key < to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// The first key; none for no lower bound.
    pub from: Option<KeyBound>,
    /// The first key that is no longer in the range; none for no upper bound.
    pub to: Option<KeyBound>,
}

/// A key that can bound a range, because the database orders such keys as this program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyBound {
    /// Any signed integer type.
    Int(i64),
    /// Any unsigned integer type.
    Uint(u64),
    /// Days since 1970-01-01.
    DateDays(i32),
    /// A UUID's 16 bytes.
    Uuid([u8; 16]),
}

/// Which transaction it is, as a read is asked whether it contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionPlace {
    /// Its id, as PostgreSQL's log has it: 32 bits, circular. 0 in a log whose reads are told apart by places alone.
    pub xid: u32,
    /// Its place in the log: in PostgreSQL's, where its commit record starts (Begin's final LSN); in a binary log, where
    /// it begins.
    pub commit: LogPlace,
}

/// Where one change stands: its transaction and its place in it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The transaction.
    pub transaction: TransactionPlace,
    /// The change's sequence in the transaction.
    pub tx_seq: u64,
}

/// All fences of a pipeline, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fences(#[serde(with = "by_table")] BTreeMap<TableName, Vec<Fence>>);

impl XidSnapshot {
    /// Whether the snapshot sees this transaction. Compares in 32-bit circular order, as the server does.
    pub fn sees(&self, xid: u32) -> bool {
        // The full id is the one within half the circle of the snapshot's own.
        let distance = xid.wrapping_sub(self.xmax as u32) as i32;
        let full = self.xmax.wrapping_add_signed(i64::from(distance));
        full < self.xmin || (full < self.xmax && self.xip.binary_search(&full).is_err())
    }
}

impl Fence {
    /// Whether the read already contains this change, its key aside.
    pub fn contains(&self, place: Place) -> bool {
        let voided = self.voided.is_some_and(|voided| (place.transaction.commit, place.tx_seq) > voided);
        !voided && self.sees(place.transaction)
    }

    /// Whether the read saw this transaction.
    pub fn sees(&self, transaction: TransactionPlace) -> bool {
        let is_visible = |snapshot: &XidSnapshot| snapshot.sees(transaction.xid);
        transaction.commit < self.limit && self.snapshot.as_ref().is_none_or(is_visible)
    }
}

impl KeyBound {
    /// The bound that a key cell stands for; none if cells like it can't bound a range.
    pub fn of(cell: &Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(Self::Int(*value)),
            Cell::Uint(value) => Some(Self::Uint(*value)),
            Cell::DateDays(value) => Some(Self::DateDays(*value)),
            Cell::Uuid(value) => Some(Self::Uuid(*value)),
            _ => None,
        }
    }

    /// The cell that this bound stands for.
    pub fn cell(self) -> Cell<'static> {
        match self {
            Self::Int(value) => Cell::Int(value),
            Self::Uint(value) => Cell::Uint(value),
            Self::DateDays(value) => Cell::DateDays(value),
            Self::Uuid(value) => Cell::Uuid(value),
        }
    }
}

impl KeyRange {
    /// Whether the range holds this key. Infinite dates have no bound of their own, so they are judged by the open
    /// ends: `-infinity` belongs to the range without a lower bound, `infinity` to the one without an upper.
    pub fn holds(&self, key: &Cell<'_>) -> bool {
        match KeyBound::of(key) {
            Some(key) => self.from.is_none_or(|from| from <= key) && self.to.is_none_or(|to| key < to),
            None => match key {
                Cell::Other { text, .. } if text.starts_with('-') => self.from.is_none(),
                _ => self.to.is_none(),
            },
        }
    }
}

impl Fences {
    /// Whether there is nothing to check: the usual case, once the log has passed all loads.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what a unit's read contains.
    pub fn add(&mut self, table: TableName, fence: Fence) {
        self.0.entry(table).or_default().push(fence);
    }

    /// Forgets a table's fences: it is about to be read anew.
    pub fn remove_table(&mut self, table: &TableName) {
        self.0.remove(table);
    }

    /// Whether a change of the row with this key is in a finished read. `key` is the one range-able key cell, or none
    /// for a table without one (whose units are whole tables).
    pub fn contain(&self, table: &TableName, place: Place, key: Option<&Cell<'_>>) -> bool {
        let Some(fences) = self.0.get(table) else { return false };
        fences.iter().any(|fence| {
            let in_range = fence.range.as_ref().is_none_or(|range| key.is_some_and(|key| range.holds(key)));
            in_range && fence.contains(place)
        })
    }

    /// Whether the reads that contain a TRUNCATE left no key of the table out. One for which some did goes out and
    /// voids them all. That no fence is against it does not do: one that was forgotten would be.
    pub fn contain_truncate(&mut self, table: &TableName, place: Place) -> bool {
        let Some(fences) = self.0.get_mut(table) else { return false };
        let containing = fences.iter().filter(|fence| fence.contains(place));
        if cover_all_keys(containing.map(|fence| fence.range.as_ref())) {
            return true;
        }
        for fence in fences {
            // The first TRUNCATE that goes out is what voids: a replay meets it again at the same place.
            fence.voided.get_or_insert((place.transaction.commit, place.tx_seq));
        }
        false
    }

    /// Drops what the log has passed. Only what this leaves may be saved together with that position.
    pub fn forget_before(&mut self, saved: LogPlace) {
        self.0.retain(|_, fences| {
            fences.retain(|fence| fence.limit > saved);
            !fences.is_empty()
        });
    }

    /// The tables that have some.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.0.keys()
    }

    /// How many fences there are.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// Whether ranges leave no key out; none is the range of all keys.
fn cover_all_keys<'a>(ranges: impl Iterator<Item = Option<&'a KeyRange>>) -> bool {
    let Some(mut ranges) = ranges.collect::<Option<Vec<_>>>() else { return true };
    ranges.sort_unstable_by_key(|range| range.from);
    let mut covered_to = None;
    for range in ranges {
        if range.from.is_some() && range.from > covered_to {
            return false;
        }
        if range.to.is_none() {
            return true;
        }
        covered_to = covered_to.max(range.to);
    }
    false
}

#[cfg(test)]
mod tests;

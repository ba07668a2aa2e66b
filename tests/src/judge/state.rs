use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::history::{Datum, Identity, Kind, Tuple, lasting_name};

/// A table's rows, change by change. Columns go by the names that last.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    keyed: HashMap<Vec<Datum>, Tuple>,
    /// Without a key: how many there are of each.
    bag: BTreeMap<Tuple, i64>,
    columns: Vec<String>,
}

impl State {
    /// What was wrong about it, if anything was.
    pub(super) fn apply(&mut self, kind: &Kind, identity: &Identity) -> Option<String> {
        let key = &identity.key[..];
        if self.columns != identity.columns {
            self.reshape(&identity.columns);
        }
        match kind {
            Kind::Insert { new } => {
                let mut new = lasting(new);
                // What the statement did not name is null.
                new.retain(|_, datum| *datum != Datum::Omitted);
                self.put(new, key);
            }
            Kind::Delete { old } => {
                let old = lasting(old);
                let held = self.take(&old, key);
                return differs(held.as_ref(), &old);
            }
            Kind::Update { old, new } => {
                let mut new = lasting(new);
                let old = old.as_ref().map(lasting);
                // A key that is stored out of line is told in the old row alone.
                for name in key.iter().map(|name| lasting_name(name)) {
                    if let (Some(Datum::Unchanged | Datum::Omitted), Some(old)) = (new.get(name), &old)
                        && let Some(value) = old.get(name)
                    {
                        new.insert(name.to_owned(), value.clone());
                    }
                }
                let held = self.take(old.as_ref().unwrap_or(&new), key);
                for (name, datum) in &mut new {
                    let known = held.as_ref().and_then(|held| held.get(name));
                    if let (Datum::Unchanged | Datum::Omitted, Some(known)) = (&*datum, known) {
                        *datum = known.clone();
                    }
                }
                // Of a column that was added since, without a default.
                new.retain(|_, datum| *datum != Datum::Omitted);
                let fault = old.and_then(|old| differs(held.as_ref(), &old));
                self.put(new, key);
                return fault;
            }
            Kind::Truncate => {
                self.keyed.clear();
                self.bag.clear();
            }
            Kind::Message { .. } => {}
        }
        None
    }

    /// What a dropped column held goes.
    fn reshape(&mut self, columns: &[String]) {
        self.columns = columns.to_vec();
        let left: BTreeSet<&str> = columns.iter().map(|name| lasting_name(name)).collect();
        for row in self.keyed.values_mut() {
            row.retain(|name, _| left.contains(name.as_str()));
        }
        for (mut row, count) in std::mem::take(&mut self.bag) {
            row.retain(|name, _| left.contains(name.as_str()));
            *self.bag.entry(row).or_default() += count;
        }
    }

    fn put(&mut self, row: Tuple, key: &[String]) {
        if key.is_empty() {
            *self.bag.entry(without_nulls(row)).or_default() += 1;
        } else {
            self.keyed.insert(key_of(&row, key), row);
        }
    }

    fn take(&mut self, row: &Tuple, key: &[String]) -> Option<Tuple> {
        if !key.is_empty() {
            return self.keyed.remove(&key_of(row, key));
        }
        let row = without_nulls(row.clone());
        let count = self.bag.entry(row.clone()).or_default();
        *count -= 1;
        let was_there = *count >= 0;
        if *count == 0 {
            self.bag.remove(&row);
        }
        was_there.then_some(row)
    }

    /// Takes away the rows of keys that were not seen. Without a key: makes these the rows.
    pub(super) fn keep(&mut self, seen: &BTreeSet<Vec<Datum>>, key: &[String], rows: Vec<Tuple>) {
        self.keyed.retain(|key, _| seen.contains(key));
        if key.is_empty() {
            self.bag.clear();
            for row in rows {
                self.put(lasting(&row), key);
            }
        }
    }

    /// All rows, without what is null; sorted.
    pub(super) fn rows(&self) -> Vec<Tuple> {
        let bag = self.bag.iter().flat_map(|(row, count)| (0..count.unsigned_abs()).map(|_| row.clone()));
        let mut rows: Vec<Tuple> = self.keyed.values().cloned().map(without_nulls).chain(bag).collect();
        rows.sort();
        rows
    }
}

/// The same rows in the same form.
pub(super) fn normal(rows: &[Tuple]) -> Vec<Tuple> {
    let mut rows: Vec<Tuple> = rows.iter().map(|row| without_nulls(lasting(row))).collect();
    rows.sort();
    rows
}

/// How two lists of rows differ, in the columns that both may have: what was dropped since lives on in older rows.
pub(super) fn difference(expected: &[Tuple], found: &[Tuple], columns: &BTreeSet<String>) -> Option<String> {
    let cut = |rows: &[Tuple]| {
        let mut rows: Vec<Tuple> = rows
            .iter()
            .map(|row| {
                row.iter()
                    .filter(|(name, _)| columns.contains(*name))
                    .map(|(n, d)| (n.clone(), d.clone()))
                    .collect()
            })
            .collect();
        rows.sort();
        rows
    };
    let (expected, found) = (cut(expected), cut(found));
    if expected == found {
        return None;
    }
    let only = |these: &[Tuple], those: &[Tuple]| {
        let mut those: Vec<&Tuple> = those.iter().collect();
        let only: Vec<&Tuple> = these
            .iter()
            .filter(|row| match those.binary_search(row) {
                Ok(at) => {
                    those.remove(at);
                    false
                }
                Err(_) => true,
            })
            .collect();
        let shown: Vec<String> =
            only.iter().take(2).map(|row| format!("{row:?}").chars().take(600).collect()).collect();
        format!("{} ({})", only.len(), shown.join(" | "))
    };
    Some(format!(
        "{} rows expected, {} found; missing {}; too many {}",
        expected.len(),
        found.len(),
        only(&expected, &found),
        only(&found, &expected)
    ))
}

pub(super) fn key_of(row: &Tuple, key: &[String]) -> Vec<Datum> {
    let mut names: Vec<&str> = key.iter().map(|name| lasting_name(name)).collect();
    names.sort_unstable();
    names.iter().map(|name| row.get(*name).cloned().unwrap_or(Datum::Null)).collect()
}

/// By the names that last.
pub(super) fn lasting(row: &Tuple) -> Tuple {
    row.iter().map(|(name, datum)| (lasting_name(name).to_owned(), datum.clone())).collect()
}

fn without_nulls(row: Tuple) -> Tuple {
    row.into_iter().filter(|(_, datum)| *datum != Datum::Null).collect()
}

/// The image of a row as it was against the row that was held.
fn differs(held: Option<&Tuple>, image: &Tuple) -> Option<String> {
    let Some(held) = held else { return Some("no such row was there".to_owned()) };
    let wrong = image.iter().find(|(name, datum)| {
        !matches!(datum, Datum::Omitted | Datum::Unchanged)
            && held.get(*name).unwrap_or(&Datum::Null) != *datum
    });
    wrong.map(|(name, datum)| format!("{name} was {:?}, not {datum:?}", held.get(name)))
}

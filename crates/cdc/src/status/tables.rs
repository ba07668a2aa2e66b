use std::collections::BTreeMap;

use event::TableName;

use super::report::{LoadReport, TableLoad, TableReport};
use super::tally::{READ, Tally};

/// What is known of each table: what was delivered of it, and how far its load is. Each entry knows when it last
/// changed, so that whoever follows thousands of tables need only be told of a few.
#[derive(Debug, Default)]
pub(super) struct Tables {
    entries: BTreeMap<Counted, Entry>,
    units_loaded: u64,
    /// How many of them have a number.
    numbered: u64,
}

/// Whose events are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Table(TableName),
    /// Beyond the first ten thousand: tables named by date must not fill the memory.
    Other,
    /// Events that belong to no table.
    None,
}

#[derive(Debug, Default)]
struct Entry {
    events: BTreeMap<&'static str, u64>,
    bytes: u64,
    /// In the order in which tables were first seen to change.
    number: Option<u64>,
    load: Option<Load>,
    version: u64,
}

#[derive(Debug, Default)]
struct Load {
    /// Durable ones.
    rows: u64,
    /// Of those, the ones that no failure makes us read again.
    rows_of_units: u64,
    rows_expected: Option<u64>,
    is_done: bool,
}

const TABLES_COUNTED: usize = 10_000;

impl Tables {
    /// This table is to be read: from its beginning, or from where an earlier attempt came to.
    pub(super) fn load_due(&mut self, table: &TableName, is_begun: bool, version: u64) {
        let entry = self.entries.entry(Counted::Table(table.clone())).or_default();
        let before = entry.load.take().unwrap_or_default();
        let rows = if is_begun { before.rows_of_units } else { 0 };
        let rows_expected = before.rows_expected;
        entry.load = Some(Load { rows, rows_of_units: rows, rows_expected, is_done: false });
        entry.version = version;
    }

    /// A piece of a table is durable; perhaps the last one.
    pub(super) fn unit_loaded(&mut self, table: &TableName, rows: u64, is_last: bool, version: u64) {
        self.units_loaded += 1;
        let entry = self.entries.entry(Counted::Table(table.clone())).or_default();
        let load = entry.load.get_or_insert_default();
        load.rows_of_units += rows;
        // Rows of the next unit may be among those that were counted.
        load.rows = if is_last { load.rows_of_units } else { load.rows.max(load.rows_of_units) };
        load.is_done = is_last;
        entry.version = version;
    }

    /// There is nothing to read of it any more.
    pub(super) fn load_gone(&mut self, table: &TableName, version: u64) {
        if let Some(entry) = self.entries.get_mut(&Counted::Table(table.clone())) {
            entry.load = Some(Load { is_done: true, ..Load::default() });
            entry.version = version;
        }
    }

    /// How many rows a table probably has.
    pub(super) fn rows_expected(&mut self, table: &TableName, rows: u64, version: u64) {
        let entry = self.entries.get_mut(&Counted::Table(table.clone()));
        if let Some((load, changed)) =
            entry.and_then(|entry| Some((entry.load.as_mut()?, &mut entry.version)))
        {
            load.rows_expected = Some(rows);
            *changed = version;
        }
    }

    /// Whether a table is still to be read.
    pub(super) fn has_loads(&self) -> bool {
        self.loads().any(|(_, load)| !load.is_done)
    }

    /// Counts a batch that is durable.
    pub(super) fn count(&mut self, tally: &Tally, version: u64) {
        for (table, op, events, bytes) in tally.counts() {
            let mut counted = table.map_or(Counted::None, |table| Counted::Table(table.clone()));
            if table.is_some() && self.entries.len() >= TABLES_COUNTED && !self.entries.contains_key(&counted)
            {
                counted = Counted::Other;
            }
            let numbered = &mut self.numbered;
            let entry = self.entries.entry(counted).or_default();
            if table.is_some() && entry.number.is_none() {
                entry.number = Some(*numbered);
                *numbered += 1;
            }
            if events > 0 {
                *entry.events.entry(op).or_default() += events;
            }
            entry.bytes += bytes;
            if let Some(load) = &mut entry.load
                && op == READ
                && !load.is_done
            {
                load.rows += events;
            }
            entry.version = version;
        }
    }

    /// What changed after this version.
    pub(super) fn report(&self, since: u64) -> Vec<TableReport> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.version > since)
            .map(|(counted, entry)| TableReport {
                table: match counted {
                    Counted::Table(table) => table.to_string(),
                    Counted::Other => TableReport::OTHER.to_owned(),
                    Counted::None => TableReport::NONE.to_owned(),
                },
                events: entry.events.iter().map(|(op, count)| ((*op).to_owned(), *count)).collect(),
                bytes: entry.bytes,
                load: entry.load.as_ref().map(|load| TableLoad {
                    rows: load.rows,
                    rows_expected: load.rows_expected,
                    is_done: load.is_done,
                }),
                number: entry.number,
            })
            .collect()
    }

    /// How far all loads are.
    pub(super) fn load_report(&self) -> Option<LoadReport> {
        let mut sum =
            LoadReport { rows_expected: Some(0), units: self.units_loaded, ..LoadReport::default() };
        for (_, load) in self.loads() {
            sum.tables += 1;
            sum.tables_done += u64::from(load.is_done);
            sum.rows += load.rows;
            let rows = if load.is_done { Some(load.rows) } else { load.rows_expected };
            sum.rows_expected = sum.rows_expected.zip(rows).map(|(sum, rows)| sum + rows);
        }
        (sum.tables > 0).then_some(sum)
    }

    /// The table that is probably being read just now.
    pub(super) fn first_pending(&self) -> Option<String> {
        self.loads().find(|(_, load)| !load.is_done).map(|(table, _)| table.to_string())
    }

    fn loads(&self) -> impl Iterator<Item = (&TableName, &Load)> {
        self.entries.iter().filter_map(|(counted, entry)| match (counted, &entry.load) {
            (Counted::Table(table), Some(load)) => Some((table, load)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::batch;

    fn orders() -> TableName {
        TableName::new("public", "orders")
    }

    #[test]
    fn tables_without_end_do_not_fill_the_memory() {
        let mut tables = Tables::default();
        let tally = |number: usize| Tally::of(&batch(&format!("t{number}"), 1));
        for number in 0..TABLES_COUNTED {
            tables
                .entries
                .insert(Counted::Table(TableName::new("gone", number.to_string())), Entry::default());
        }
        for number in 0..3 {
            tables.count(&tally(number), 1);
        }
        let report = tables.report(0);
        assert_eq!(report.len(), 1);
        assert_eq!((report[0].table.as_str(), report[0].events["insert"]), (TableReport::OTHER, 3));
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut tables = Tables::default();
        tables.count(&Tally::of(&batch("orders", 1)), 1);
        tables.count(&Tally::of(&batch("items", 1)), 2);
        let names = |since| tables.report(since).into_iter().map(|table| table.table).collect::<Vec<_>>();
        assert_eq!(names(0), ["public.items", "public.orders"]);
        assert_eq!(names(1), ["public.items"]);
        assert!(names(2).is_empty());
    }

    #[test]
    fn a_load_that_is_begun_anew_does_not_count_twice() {
        let mut tables = Tables::default();
        let rows = |tables: &Tables| tables.load_report().unwrap().rows;
        tables.load_due(&orders(), false, 1);
        tables.rows_expected(&orders(), 1000, 1);
        tables.unit_loaded(&orders(), 400, false, 2);
        assert_eq!((rows(&tables), tables.load_report().unwrap().rows_expected), (400, Some(1000)));
        // A failure in the second unit: it goes on after the first.
        tables.load_due(&orders(), true, 3);
        assert_eq!(rows(&tables), 400);
        tables.unit_loaded(&orders(), 700, true, 4);
        assert_eq!((rows(&tables), tables.load_report().unwrap().rows_expected), (1100, Some(1100)));
        assert!(!tables.has_loads());
        // Asked for once more.
        tables.load_due(&orders(), false, 5);
        assert_eq!((rows(&tables), tables.first_pending().as_deref()), (0, Some("public.orders")));
        tables.load_gone(&orders(), 6);
        assert_eq!(tables.load_report().unwrap().tables_done, 1);
    }
}

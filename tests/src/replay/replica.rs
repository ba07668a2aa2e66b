use std::collections::{HashMap, HashSet};

use event::envelope::{ChangeEvent, Op, Row, TableSchema};

use super::Cell;

/// A table's rows, rebuilt event by event.
#[derive(Default)]
pub(super) struct Replica {
    has_key: bool,
    /// By key.
    keyed: HashMap<Vec<Cell>, Named>,
    /// Without a key: how many times each row is there. A row that is not told in full cannot occur: such tables have
    /// REPLICA IDENTITY FULL.
    bag: HashMap<Vec<(String, Cell)>, i64>,
    /// The load that is under way: its ID, and the keys that were seen in it.
    load: Option<(String, HashSet<Vec<Cell>>)>,
}

/// Cells by their column's name: shapes come and go.
type Named = HashMap<String, Cell>;

impl Replica {
    pub(super) fn apply(&mut self, event: &ChangeEvent, schema: &TableSchema) {
        self.has_key = !schema.key.is_empty();
        let load = event.load.as_ref().map(|load| load.id.as_str()).unwrap_or_default();
        match event.op() {
            Op::LoadBegin => self.load = Some((load.to_owned(), HashSet::new())),
            Op::LoadEnd => self.end_load(event, load),
            Op::Truncate => {
                self.keyed.clear();
                self.bag.clear();
            }
            _ if self.has_key => self.apply_keyed(event, schema),
            _ => self.apply_to_bag(event, schema),
        }
    }

    /// Every row in the order of these columns; what a row does not have, because it is older than the column, is null.
    pub(super) fn rows(&self, columns: &[String]) -> impl Iterator<Item = Vec<Cell>> {
        let keyed = self.keyed.values().map(|row| {
            columns.iter().map(|name| row.get(name).cloned().unwrap_or(Cell::Null)).collect::<Vec<Cell>>()
        });
        let bag = self.bag.iter().flat_map(|(row, times)| {
            let cell = |name: &String| row.iter().find(|(own, _)| own == name).map(|(_, cell)| cell.clone());
            let cells: Vec<Cell> = columns.iter().map(|name| cell(name).unwrap_or(Cell::Null)).collect();
            // A negative count must not vanish: it shows as a row too many.
            (0..times.abs()).map(move |_| cells.clone())
        });
        keyed.chain(bag)
    }

    pub(super) fn has_key(&self) -> bool {
        self.has_key
    }

    fn apply_keyed(&mut self, event: &ChangeEvent, schema: &TableSchema) {
        let key: Vec<Cell> = event.key.iter().flat_map(|row| &row.values).map(Cell::of).collect();
        if event.op() == Op::Delete {
            self.keyed.remove(&key);
            return;
        }
        if let (Op::Read, Some((_, seen))) = (event.op(), &mut self.load) {
            seen.insert(key.clone());
        }
        let known = self.keyed.remove(&key).unwrap_or_default();
        let mut row = named(&event.after, schema);
        for (name, cell) in &mut row {
            if let (Cell::Unknown, Some(known)) = (&*cell, known.get(name)) {
                *cell = known.clone();
            }
        }
        self.keyed.insert(key, row);
    }

    fn apply_to_bag(&mut self, event: &ChangeEvent, schema: &TableSchema) {
        if matches!(event.op(), Op::Update | Op::Delete) {
            self.count(sorted(named(&event.before, schema)), -1);
        }
        if matches!(event.op(), Op::Insert | Op::Update | Op::Read) {
            if let (Op::Read, Some((_, seen))) = (event.op(), &mut self.load)
                && seen.is_empty()
            {
                // The load's first row: what was there before goes, as its LOAD_END would have it.
                self.bag.clear();
                seen.insert(Vec::new());
            }
            self.count(sorted(named(&event.after, schema)), 1);
        }
    }

    fn count(&mut self, row: Vec<(String, Cell)>, change: i64) {
        let times = self.bag.entry(row.clone()).or_default();
        *times += change;
        if *times == 0 {
            self.bag.remove(&row);
        }
    }

    /// What is in the load's range and was not seen in it is gone.
    fn end_load(&mut self, event: &ChangeEvent, id: &str) {
        let Some((_, seen)) = self.load.take().filter(|(open, _)| open == id) else { return };
        let bound = |row: &Option<Row>| {
            row.as_ref().and_then(|row| row.values.first()).map(|value| match Cell::of(value) {
                Cell::Text(text) => text.parse::<i64>().expect("ranges of whole numbers"),
                other => panic!("{other:?} is no bound"),
            })
        };
        let (from, to) =
            event.load.as_ref().map_or((None, None), |load| (bound(&load.from), bound(&load.to)));
        let is_within = |key: &[Cell]| match key {
            _ if from.is_none() && to.is_none() => true,
            [Cell::Text(key)] => {
                let key: i64 = key.parse().expect("a whole number");
                from.is_none_or(|from| key >= from) && to.is_none_or(|to| key < to)
            }
            _ => false,
        };
        self.keyed.retain(|key, _| seen.contains(key) || !is_within(key));
        if seen.is_empty() {
            self.bag.clear();
        }
    }
}

fn named(row: &Option<Row>, schema: &TableSchema) -> Named {
    let values = row.iter().flat_map(|row| &row.values);
    schema.columns.iter().zip(values).map(|(column, value)| (column.name.clone(), Cell::of(value))).collect()
}

fn sorted(row: Named) -> Vec<(String, Cell)> {
    let mut row: Vec<_> = row.into_iter().collect();
    row.sort();
    row
}

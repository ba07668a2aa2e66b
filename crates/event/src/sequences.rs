use std::collections::HashMap;
use std::sync::Arc;

use crate::{Fingerprint, Route, TableName};

/// How many changes each table has had, by name: a renamed table starts anew, one created anew goes on.
#[derive(Debug, Default)]
pub struct Sequences {
    numbers: HashMap<TableName, usize>,
    tables: Vec<Sequence>,
    /// Those that moved since the last transaction end.
    moved: Vec<usize>,
}

#[derive(Debug)]
struct Sequence {
    route: Arc<Route>,
    count: u64,
    /// The shape whose SCHEMA event went out last.
    announced: Option<Fingerprint>,
}

impl Sequences {
    /// Goes on from what a checkpoint remembers.
    pub fn resume(table_seqs: impl IntoIterator<Item = (TableName, u64)>) -> Self {
        let mut sequences = Self::default();
        for (name, table_seq) in table_seqs {
            let number = sequences.of(&name);
            if let Some(sequence) = sequences.tables.get_mut(number) {
                sequence.count = table_seq;
            }
        }
        sequences
    }

    /// Counts one more change; returns its number.
    pub fn next(&mut self, number: usize) -> u64 {
        if self.moved.last() != Some(&number) {
            self.moved.push(number);
        }
        match self.tables.get_mut(number) {
            Some(sequence) => {
                sequence.count += 1;
                sequence.count
            }
            None => 0,
        }
    }

    /// Whether rows of this shape need a SCHEMA event before them: asked right before it is sent.
    pub fn announce(&mut self, number: usize, shape: Fingerprint) -> bool {
        let Some(sequence) = self.tables.get_mut(number) else { return false };
        sequence.announced.replace(shape) != Some(shape)
    }

    /// Those that moved since this was last asked.
    pub fn take_moved(&mut self) -> impl Iterator<Item = (&Arc<Route>, u64)> {
        self.moved.sort_unstable();
        self.moved.dedup();
        let tables = &self.tables;
        self.moved
            .drain(..)
            .filter_map(|number| tables.get(number).map(|sequence| (&sequence.route, sequence.count)))
    }

    /// The table's place here.
    pub fn of(&mut self, name: &TableName) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.tables.len();
        let route = Arc::new(Route::Table(name.clone()));
        self.tables.push(Sequence { route, count: 0, announced: None });
        self.numbers.insert(name.clone(), number);
        number
    }
}

//! What a sink got, held against what the source did ([`History`]).
//!
//! - Each change that came is one of a committed transaction, at its place in it, with its values, its key, and the row
//!   as it was before: nothing of a transaction or savepoint that was rolled back, nothing else.
//! - Each change of the source came, or a load that came before the next change of its table has it.
//! - Each load shows exactly the rows that follow from the changes before it and those that it stands for. So the rows
//!   are the source's at each commit, not only at the end.
//! - At the end the sink's rows are the source's.
//!
//! [`Replay`] watches over IDs, numbers and the order of first deliveries meanwhile.

mod changes;
mod loads;
mod sent;
mod state;
mod text;

use std::collections::BTreeSet;

use self::loads::Progress;
use self::sent::Sent;
use self::state::{difference, normal};
use crate::history::{History, lasting_name};
use crate::replay::{Delivered, Replay, Summary};

pub(crate) use self::text::timestamp;

/// Takes messages in, in the order of their partitions, and then judges.
#[derive(Default)]
pub struct Judge {
    replay: Replay,
    sent: Sent,
}

impl Judge {
    /// Takes the next message of a partition.
    pub fn take(&mut self, message: &Delivered) {
        self.replay.take(message);
        self.sent.take(message);
    }

    /// What came.
    pub fn summary(&self) -> Summary {
        self.replay.summary()
    }

    /// All that was wrong.
    pub fn faults(&self, history: &History) -> Vec<String> {
        let mut faults = self.replay.faults_on_the_way();
        faults.extend_from_slice(&self.sent.faults);
        let places = changes::compare(history, &self.sent, &mut faults);
        let mut progress = Progress::new(history, &places);
        progress.excuse(&self.sent.loads, &mut faults);
        progress.compare(&self.sent.loads, &mut faults);
        for (table, rows) in &history.tables {
            let columns: BTreeSet<String> =
                rows.iter().flat_map(|row| row.keys()).map(|name| lasting_name(name).to_owned()).collect();
            let source = normal(rows);
            if let Some(what) = difference(&source, &progress.rows(table), &columns) {
                faults.push(format!("{table}: the history does not lead to the source's rows: {what}"));
            }
            if let Some(what) = difference(&source, &self.sent.rows(table), &columns) {
                faults.push(format!("{table}: the sink's rows are not the source's: {what}"));
            }
        }
        faults
    }
}

use std::time::Duration;

use crate::TableName;

/// How much there is to load.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// The largest first.
    pub tables: Vec<TableEstimate>,
    /// What the time is based on.
    pub sample: Sample,
}

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableEstimate {
    /// Its name.
    pub name: TableName,
    /// As the database guesses; else as many as the sample's density makes of its size.
    pub rows: u64,
    /// Whether the database was never told, so that the sample had to do.
    pub is_guess: bool,
    /// With what is stored out of line; without indexes that hold no rows.
    pub bytes: u64,
    /// Whether it is read under one snapshot, however long that takes.
    pub is_read_whole: bool,
}

/// Rows that were read to see how fast that goes, over one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// How many.
    pub rows: u64,
    /// How much they are in the tables.
    pub bytes: u64,
    /// How long it took.
    pub time: Duration,
}

impl Sample {
    /// How long reading so much takes by one connection; none if there was nothing to try it on.
    pub fn time_of(&self, bytes: u64) -> Option<Duration> {
        (self.bytes > 0).then(|| self.time.mul_f64(bytes as f64 / self.bytes as f64))
    }
}

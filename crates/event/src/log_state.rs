//! What a checkpoint remembers for a log that does not say everything itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{LogPlace, TableName, by_table};

/// How tables looked from which place in the log on, as the reader writes it down: for a log whose rows don't say it
/// (`binlog_row_metadata = MINIMAL`).
///
/// Of each table, the shape that was true at the saved position and all later ones are kept, so that what comes again
/// after a crash is read as it was the first time.
///
/// ```
/// use event::{BinlogOffset, Shapes, TableName};
/// let (orders, at) = (TableName::new("shop", "orders"), |offset| BinlogOffset { file: 1, offset }.into());
/// let mut shapes = Shapes::default();
/// shapes.put(&orders, at(4), "id".to_owned());
/// shapes.put(&orders, at(900), "id, total".to_owned());
/// assert_eq!(shapes.get(&orders, at(899)), Some("id"));
/// shapes.forget_before(at(1000));
/// assert_eq!((shapes.get(&orders, at(899)), shapes.get(&orders, at(1000))), (None, Some("id, total")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shapes(#[serde(with = "by_table")] BTreeMap<TableName, Vec<(LogPlace, String)>>);

impl Shapes {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How the table looks from this place on. What a replay says again takes the place of what it said before.
    pub fn put(&mut self, table: &TableName, from: LogPlace, shape: String) {
        let shapes = self.0.entry(table.clone()).or_default();
        let at = shapes.partition_point(|(known, _)| *known < from);
        match shapes.get_mut(at).filter(|(known, _)| *known == from) {
            Some(known) => known.1 = shape,
            None => shapes.insert(at, (from, shape)),
        }
    }

    /// How the table looked at this place.
    pub fn get(&self, table: &TableName, at: LogPlace) -> Option<&str> {
        let shapes = self.0.get(table)?;
        let after = shapes.partition_point(|(from, _)| *from <= at);
        shapes.get(after.checked_sub(1)?).map(|(_, shape)| shape.as_str())
    }

    /// How each table looked last.
    pub fn latest(&self) -> impl Iterator<Item = (&TableName, &str)> {
        self.0.iter().filter_map(|(name, shapes)| shapes.last().map(|(_, shape)| (name, shape.as_str())))
    }

    /// Every table of which something is known.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.0.keys()
    }

    /// Drops what was true only before the saved position.
    pub fn forget_before(&mut self, saved: LogPlace) {
        for shapes in self.0.values_mut() {
            let true_then = shapes.partition_point(|(from, _)| *from <= saved).saturating_sub(1);
            shapes.drain(..true_then);
        }
    }
}

/// Transactions of two phases whose rows the log has where they were prepared, while it is open whether they count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prepared(BTreeMap<String, Undecided>);

/// Where a prepared transaction's rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// Where the transaction begins that prepared it.
    pub from: LogPlace,
    /// The GTID under which it was prepared; empty without one.
    #[serde(default)]
    pub gtid: String,
    /// Where it was decided; none: it is not yet.
    #[serde(default)]
    pub decided: Option<LogPlace>,
}

impl Prepared {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that one is prepared.
    pub fn put(&mut self, xid: String, undecided: Undecided) {
        self.0.insert(xid, undecided);
    }

    /// Where a transaction's rows are that is decided here; none: nobody saw it prepared.
    pub fn decide(&mut self, xid: &str, at: LogPlace) -> Option<&Undecided> {
        let undecided = self.0.get_mut(xid)?;
        undecided.decided = Some(at);
        Some(undecided)
    }

    /// Those that are prepared, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Undecided)> {
        self.0.iter()
    }

    /// Drops those that were decided before the saved position.
    pub fn forget_before(&mut self, saved: LogPlace) {
        self.0.retain(|_, undecided| undecided.decided.is_none_or(|decided| decided >= saved));
    }
}

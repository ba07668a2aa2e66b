use std::collections::{BTreeMap, HashMap};

use super::changes::{Places, is_own};
use super::sent::{Load, Place};
use super::state::{State, difference, normal};
use crate::history::{Change, History, Tuple, lasting_name};

/// Each table's changes, and how far they are applied.
pub(super) struct Progress<'h> {
    history: &'h History,
    /// By the name that lasts.
    tables: BTreeMap<String, Table<'h>>,
    messages: Vec<Step<'h>>,
    /// Where the first transaction that came ends.
    begin: u64,
}

#[derive(Default)]
struct Table<'h> {
    state: State,
    /// Not applied yet.
    pending: Vec<Step<'h>>,
}

#[derive(Clone)]
struct Step<'h> {
    end: u64,
    change: &'h Change,
    place: Option<&'h Place>,
}

impl<'h> Progress<'h> {
    pub(super) fn new(history: &'h History, places: &'h Places) -> Self {
        let mut progress = Self { history, tables: BTreeMap::new(), messages: Vec::new(), begin: u64::MAX };
        for (transaction, places) in history.transactions.iter().zip(places) {
            for (change, place) in transaction.changes.iter().zip(places) {
                let step = Step { end: transaction.end, change, place: place.as_ref() };
                if place.is_some() {
                    progress.begin = progress.begin.min(step.end);
                }
                if change.table.is_empty() {
                    progress.messages.push(step);
                } else {
                    progress
                        .tables
                        .entry(lasting_name(&change.table).to_owned())
                        .or_default()
                        .pending
                        .push(step);
                }
            }
        }
        progress
    }

    /// Whatever did not come must be in a load that came before the next change of its table, or in the first load of
    /// the table: before that nobody knows its rows.
    pub(super) fn excuse(&self, loads: &BTreeMap<String, Load>, faults: &mut Vec<String>) {
        for Step { end, change, .. } in
            self.messages.iter().filter(|step| step.place.is_none() && !is_own(step.change))
        {
            if *end > self.begin {
                faults.push(format!("a message at {:X} did not come: {:?}", change.lsn, change.kind));
            }
        }
        let whole: Vec<&Load> = loads.values().filter(|load| load.is_whole()).collect();
        for (lasting, table) in &self.tables {
            let of_lasting = || whole.iter().filter(|load| lasting_name(&load.table) == *lasting);
            let first = of_lasting().map(|load| load.limit).min().unwrap_or_default();
            let is_gone = !self.history.tables.keys().any(|name| lasting_name(name) == *lasting);
            let first_came = table.pending.iter().position(|step| step.place.is_some());
            let mut next: HashMap<&str, &Place> = HashMap::new();
            for (number, Step { end, change, place }) in table.pending.iter().enumerate().rev() {
                if let Some(place) = place {
                    next.insert(&change.table, place);
                    continue;
                }
                let next = next.get(change.table.as_str());
                let is_in_time = |load: &Load| match next {
                    Some(next) => load.begins.get(&next.partition).is_some_and(|begin| *begin < next.number),
                    None => true,
                };
                // Until it is first loaded under a name, nobody knows its rows by that: its changes may come or not.
                let of_name = || whole.iter().filter(|load| load.table == change.table);
                let is_unknown = of_name().all(|load| load.limit >= *end);
                // Renamed again before it was ever known: a later name's load has it.
                let has_later_name = of_name().next().is_none()
                    && !self.history.tables.contains_key(&change.table)
                    && (is_gone || of_lasting().any(|load| load.limit >= *end));
                let has_load = has_later_name
                    || of_name().any(|load| load.limit >= *end && (is_unknown || is_in_time(load)));
                let was_never_known = is_gone && first_came.is_none_or(|first| number < first);
                if !has_load && first < *end && !was_never_known {
                    faults.push(format!(
                        "{}: a change at {:X} did not come, nor a load that has it: {:.300}",
                        change.table,
                        change.lsn,
                        format!("{:?}", change.kind)
                    ));
                }
            }
        }
    }

    /// Each load shows what follows from all that it stands for: what came before it, or did not come at all. What the
    /// table did under an earlier name may come at any time. Afterwards everything is applied.
    pub(super) fn compare(&mut self, loads: &BTreeMap<String, Load>, faults: &mut Vec<String>) {
        let mut whole: Vec<(&String, &Load)> = loads.iter().filter(|(_, load)| load.is_whole()).collect();
        whole.sort_by_key(|(_, load)| load.limit);
        let last: HashMap<&str, u64> =
            whole.iter().map(|(_, load)| (load.table.as_str(), load.limit)).collect();
        for (id, load) in whole {
            let came_before =
                |place: &Place| load.begins.get(&place.partition).is_some_and(|begin| place.number < *begin);
            let table = self.tables.entry(lasting_name(&load.table).to_owned()).or_default();
            // Its fence went with a crash, perhaps, and its table was gone under that name before it was read again: then
            // all that it has comes again.
            let is_in_doubt = !self.history.tables.contains_key(&load.table)
                && last.get(load.table.as_str()) == Some(&load.limit)
                && table.pending.iter().any(|step| {
                    step.end <= load.limit && step.place.is_some_and(|place| !came_before(place))
                });
            let is_contained = |step: &Step<'_>| match step.place {
                Some(place) if step.change.table == load.table => came_before(place),
                _ => step.end <= load.limit,
            };
            table.apply(is_contained, |step| step.end > load.limit, faults);
            let found = difference(&table.state.rows(), &normal(&load.rows), &load.columns);
            if let Some(what) = found.filter(|_| !is_in_doubt) {
                faults.push(format!("{}, load {id}: {what}", load.table));
            }
        }
        for table in self.tables.values_mut() {
            table.apply(|_| true, |_| false, faults);
        }
    }

    /// The rows that a table has after all of it.
    pub(super) fn rows(&self, table: &str) -> Vec<Tuple> {
        self.tables.get(lasting_name(table)).map(|table| table.state.rows()).unwrap_or_default()
    }
}

impl Table<'_> {
    fn apply(
        &mut self,
        is_due: impl Fn(&Step<'_>) -> bool,
        is_over: impl Fn(&Step<'_>) -> bool,
        faults: &mut Vec<String>,
    ) {
        let later = self.pending.iter().position(is_over).unwrap_or(self.pending.len());
        let rest = self.pending.split_off(later);
        for step in std::mem::take(&mut self.pending) {
            if !is_due(&step) {
                self.pending.push(step);
            } else if let Some(what) = self.state.apply(&step.change.kind, &step.change.identity) {
                faults.push(format!("{} at {:X}: {what}", step.change.table, step.change.lsn));
            }
        }
        self.pending.extend(rest);
    }
}

//! A consumer that knows no more than what the envelope's documentation says.

use std::collections::{BTreeMap, HashMap, HashSet};

use event::envelope::value::Kind;
use event::envelope::{BeforeKind, ChangeEvent, Op, Row, Value};
use prost::Message as _;

/// The tables as their events tell them, by key.
#[derive(Default)]
pub(crate) struct Replica {
    tables: BTreeMap<String, BTreeMap<Vec<u8>, Vec<Value>>>,
    table_seqs: HashMap<String, u64>,
    /// By table and number: what came, but for the time of its capture and what was fetched.
    contents: HashMap<(String, u64), ChangeEvent>,
    repeated: u64,
    /// Keys seen in the load that is under way, by its id.
    loads: HashMap<String, HashSet<Vec<u8>>>,
    /// Position of a column that only grows, per key, as long as the key lives.
    version_column: Option<usize>,
    /// By table: what it was last.
    versions: HashMap<String, HashMap<Vec<u8>, i64>>,
}

impl Replica {
    /// Also watches that no key's version in this column goes back.
    pub(crate) fn with_versions(column: usize) -> Self {
        Self { version_column: Some(column), ..Self::default() }
    }

    /// A load of the table broke off: what it has shown is newer than what the log comes to next.
    pub(crate) fn expect_older(&mut self, table: &str) {
        self.versions.remove(table);
    }

    pub(crate) fn take_all(&mut self, events: &[ChangeEvent]) {
        for event in events {
            self.take(event);
        }
    }

    /// # Panics
    /// When a number is missing or comes twice, or a key goes back to an older version.
    pub(crate) fn take(&mut self, event: &ChangeEvent) {
        let op = event.op();
        if matches!(op, Op::Insert | Op::Update | Op::Delete | Op::Truncate) {
            let last = self.table_seqs.entry(event.table.clone()).or_default();
            if event.table_seq <= *last {
                self.repeated += 1;
                let known = self.contents.get(&(event.table.clone(), event.table_seq));
                assert_eq!(known, Some(&comparable(event)), "the same number, another event");
                return;
            }
            assert_eq!(event.table_seq, *last + 1, "the sequence has a gap: {event:?}");
            *last = event.table_seq;
            self.contents.insert((event.table.clone(), event.table_seq), comparable(event));
        }
        let rows = self.tables.entry(event.table.clone()).or_default();
        let key = event.key.as_ref().map(Row::encode_to_vec).unwrap_or_default();
        match op {
            Op::Insert | Op::Update | Op::Read => {
                let mut new = event.after.clone().expect("a row").values;
                if let Some(old) = rows.get(&key) {
                    for (new, old) in new.iter_mut().zip(old) {
                        if matches!(new.kind, Some(Kind::Unchanged(_))) {
                            *new = old.clone();
                        }
                    }
                }
                if let Some(column) = self.version_column {
                    let version = version(&new[column]);
                    let last =
                        self.versions.entry(event.table.clone()).or_default().insert(key.clone(), version);
                    assert!(last <= Some(version), "an older version after {last:?}: {}", line(event));
                }
                if op == Op::Read {
                    let load = event.load.as_ref().expect("a load");
                    self.loads.get_mut(&load.id).expect("LOAD_BEGIN came before").insert(key.clone());
                }
                rows.insert(key, new);
            }
            Op::Delete => {
                rows.remove(&key);
                self.versions.entry(event.table.clone()).or_default().remove(&key);
            }
            Op::Truncate => {
                rows.clear();
                self.versions.remove(&event.table);
            }
            Op::LoadBegin => {
                let load = event.load.as_ref().expect("a load");
                assert!(
                    self.loads.insert(load.id.clone(), HashSet::new()).is_none(),
                    "a load id twice: {}",
                    load.id
                );
            }
            Op::LoadEnd => {
                let load = event.load.as_ref().expect("a load");
                let seen = self.loads.get(&load.id).expect("LOAD_BEGIN came before");
                assert_eq!(load.rows, seen.len() as u64, "LOAD_END counts other rows");
                let (from, to) = (load.from.as_ref(), load.to.as_ref());
                let is_there = |key: &Vec<u8>| seen.contains(key) || !in_range(key, from, to);
                rows.retain(|key, _| is_there(key));
                self.versions.entry(event.table.clone()).or_default().retain(|key, _| is_there(key));
            }
            Op::Schema | Op::Message | Op::Heartbeat | Op::Unspecified => {}
        }
    }

    /// How many changes came again.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// A table's rows, each as `(a,b,…)`, ascending.
    pub(crate) fn rows(&self, table: &str) -> Vec<String> {
        let mut rows: Vec<String> = self
            .tables
            .get(table)
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(|row| format!("({})", row.iter().map(show).collect::<Vec<_>>().join(",")))
            .collect();
        rows.sort();
        rows
    }
}

/// What two deliveries of an event have in common.
fn comparable(event: &ChangeEvent) -> ChangeEvent {
    let mut event = ChangeEvent { captured_time_us: 0, ..event.clone() };
    let fetched = std::mem::take(&mut event.fetched);
    for (column, value) in event.after.iter_mut().flat_map(|row| &mut row.values).enumerate() {
        if fetched.contains(&(column as u32)) {
            value.kind = Some(Kind::Unchanged(Default::default()));
        }
    }
    event
}

fn version(value: &Value) -> i64 {
    match value.kind {
        Some(Kind::Int64(version)) => version,
        _ => panic!("a version that is not a number: {value:?}"),
    }
}

/// Whether a key lies in `from <= key < to`. An infinite date belongs to the range that is open on its side.
fn in_range(key: &[u8], from: Option<&Row>, to: Option<&Row>) -> bool {
    let bound = |row: &Row| ordered(&row.values[0]).expect("a bound");
    let key = Row::decode(key).unwrap();
    if from.or(to).is_none() {
        return true;
    }
    match ordered(&key.values[0]) {
        Some(key) => from.is_none_or(|from| bound(from) <= key) && to.is_none_or(|to| key < bound(to)),
        None if show(&key.values[0]) == "-infinity" => from.is_none(),
        None => to.is_none(),
    }
}

/// Bytes that compare as the values do.
fn ordered(value: &Value) -> Option<Vec<u8>> {
    let number = |number: i64| ((number as u64) ^ (1 << 63)).to_be_bytes().to_vec();
    match value.kind.as_ref().expect("a kind") {
        Kind::Int64(value) => Some(number(*value)),
        Kind::DateDays(value) => Some(number(i64::from(*value))),
        Kind::Uuid(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

/// A cell as the database would write it.
pub(crate) fn show(value: &Value) -> String {
    match value.kind.as_ref().expect("a kind") {
        Kind::Null(_) => String::new(),
        Kind::Unchanged(_) => "unchanged".to_owned(),
        Kind::Omitted(_) => "omitted".to_owned(),
        Kind::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Kind::Int64(value) => value.to_string(),
        Kind::Uint64(value) => value.to_string(),
        Kind::DateDays(days) => days.to_string(),
        Kind::Uuid(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Kind::Double(value) => value.to_string(),
        Kind::Decimal(text) | Kind::String(text) | Kind::Json(text) => text.clone(),
        Kind::Other(other) => other.text.clone(),
        kind => format!("{kind:?}"),
    }
}

/// A row's cells, between parentheses.
pub(crate) fn row(row: Option<&Row>) -> String {
    let cells: Vec<String> = row.expect("a row").values.iter().map(show).collect();
    format!("({})", cells.join(","))
}

/// An event in a few words: `update t(1,b) was (1,omitted)`.
pub(crate) fn line(event: &ChangeEvent) -> String {
    let table = &event.table;
    let after = || row(event.after.as_ref());
    let was = match event.before_kind() {
        BeforeKind::None => String::new(),
        _ => format!(" was {}", row(event.before.as_ref())),
    };
    match event.op() {
        Op::Insert => format!("insert {table}{}", after()),
        Op::Update => format!("update {table}{}{was}", after()),
        Op::Delete => format!("delete {table}{was}"),
        Op::Truncate => format!("truncate {table}"),
        Op::Read => format!("read {table}{}", after()),
        Op::LoadBegin => format!("load of {table}"),
        Op::LoadEnd => format!("{} rows of {table}", event.load.as_ref().expect("a load").rows),
        Op::Schema => format!("schema {table}"),
        Op::Message => {
            let message = event.message.as_ref().expect("a message");
            format!("message {} {}", message.prefix, String::from_utf8_lossy(&message.content))
        }
        op => format!("{op:?}"),
    }
}

/// All but the SCHEMA events, in a few words each.
pub(crate) fn lines(events: &[ChangeEvent]) -> Vec<String> {
    events.iter().filter(|event| event.op() != Op::Schema).map(line).collect()
}

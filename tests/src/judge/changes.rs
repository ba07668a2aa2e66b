use std::collections::{BTreeMap, HashMap, HashSet};

use event::envelope::BeforeKind;

use super::sent::{Place, Sent, SentChange};
use super::text;
use crate::history::{Change, Datum, History, Kind, Transaction, Tuple};

/// Where each change of each transaction came first; none if it did not come.
pub(super) type Places = Vec<Vec<Option<Place>>>;

/// Prefix of the messages that the program writes for itself and does not send.
const OWN_PREFIX: &str = "cdc";

/// Holds all that came against the history.
pub(super) fn compare(history: &History, sent: &Sent, faults: &mut Vec<String>) -> Places {
    let mut places: Places =
        history.transactions.iter().map(|transaction| vec![None; transaction.changes.len()]).collect();
    let mut by_table: BTreeMap<(usize, &str), Vec<&SentChange>> = BTreeMap::new();
    let mut loose = HashSet::new();
    let ends = ends_by_xid(history);
    for change in &sent.changes {
        if let (Kind::Message { prefix, content }, true) = (&change.kind, change.xid.is_empty()) {
            loose.insert((change.own, prefix.clone(), content.clone()));
            continue;
        }
        // An ID of a transaction that a crash took back can be another's later.
        let ends = ends.get(change.xid.as_str()).map(Vec::as_slice).unwrap_or_default();
        match ends.iter().find(|(end, _)| *end > change.commit) {
            Some((_, number)) => by_table.entry((*number, &change.table)).or_default().push(change),
            None => {
                faults.push(format!("{}: its transaction {} is not in the history", change.id, change.xid))
            }
        }
    }
    for ((number, table), mut sent) in by_table {
        let Some(transaction) = history.transactions.get(number) else { continue };
        let Some(places) = places.get_mut(number) else { continue };
        sent.sort_by_key(|change| (change.tx_seq, change.part));
        compare_table(transaction, table, &sent, history.leaves_out, places, faults);
    }
    compare_loose(history, sent, &loose, faults);
    compare_numbers(sent, faults);
    places
}

fn ends_by_xid(history: &History) -> HashMap<&str, Vec<(u64, usize)>> {
    let mut ends: HashMap<&str, Vec<(u64, usize)>> = HashMap::new();
    for (number, transaction) in history.transactions.iter().enumerate() {
        ends.entry(&transaction.xid).or_default().push((transaction.end, number));
    }
    ends
}

/// One transaction's changes of one table, in order.
fn compare_table(
    transaction: &Transaction,
    table: &str,
    sent: &[&SentChange],
    leaves_out: bool,
    places: &mut [Option<Place>],
    faults: &mut Vec<String>,
) {
    let mut sent = sent.iter().copied().peekable();
    let mut ordinal = 0;
    let mut last: Option<&Change> = None;
    for (change, place) in transaction.changes.iter().zip(places) {
        let is_same_statement = change.kind == Kind::Truncate
            && last.is_some_and(|last| last.lsn == change.lsn && last.kind == Kind::Truncate);
        ordinal += u64::from(!is_same_statement);
        last = Some(change);
        if change.table != table {
            continue;
        }
        let Some(first) = sent.next_if(|sent| sent.own == change.lsn || sent.table.is_empty()) else {
            continue;
        };
        *place = Some(first.place.clone());
        let fault = |what: String| format!("{} ({table}): {what}", first.id);
        if first.tx_seq > ordinal {
            faults.push(fault(format!("its place in the transaction is {ordinal}")));
        }
        if text::timestamp(first.commit_time_us, "+00") != transaction.commit_time {
            faults.push(fault(format!("it was committed at {}", transaction.commit_time)));
        }
        let halves = halves(change);
        let second = if halves.len() == 2 {
            sent.next_if(|second| second.tx_seq == first.tx_seq && second.part == 2)
        } else {
            None
        };
        let came = [Some(first), second];
        for (expected, came) in halves.iter().zip(came) {
            match came {
                None => faults.push(fault("a key was changed, and its second half did not come".to_owned())),
                Some(came) => {
                    if let Some(what) = differs(expected, came, change, leaves_out) {
                        faults.push(format!("{} ({table}): {what}", came.id));
                    }
                }
            }
        }
    }
    for invented in sent {
        faults.push(format!("{} ({table}): no such change in transaction {}", invented.id, transaction.xid));
    }
}

/// The events that a change becomes: a changed key is a delete and an insert.
fn halves(change: &Change) -> Vec<Kind> {
    let Kind::Update { old: Some(old), new } = &change.kind else { return vec![change.kind.clone()] };
    let is_changed = |name: &String| match (old.get(name), new.get(name)) {
        (_, Some(Datum::Unchanged)) => false,
        (old, new) => old != new,
    };
    if !change.identity.key.iter().any(is_changed) {
        return vec![change.kind.clone()];
    }
    vec![Kind::Delete { old: old.clone() }, Kind::Insert { new: new.clone() }]
}

/// How an event differs from what it was to be.
fn differs(expected: &Kind, came: &SentChange, change: &Change, leaves_out: bool) -> Option<String> {
    let whole = match &change.kind {
        Kind::Update { old, .. } => old.as_ref(),
        _ => None,
    };
    let is_full = change.identity.is_full;
    let expected_before = if is_full { BeforeKind::Full } else { BeforeKind::Key };
    let before = |old: &Tuple, before: &Tuple| {
        if leaves_out {
            return differs_in_part(old, before, (came.before == BeforeKind::Key).then_some(change));
        }
        if came.before != expected_before {
            return Some(format!("the row before is told as {:?}", came.before));
        }
        differs_before(old, before)
    };
    let fault = match (expected, &came.kind) {
        (Kind::Insert { new: expected }, Kind::Insert { new }) => {
            differs_after(expected, new, whole, came, leaves_out)
        }
        (Kind::Update { old: expected_old, new: expected }, Kind::Update { old, new }) => {
            let before = match (expected_old, old) {
                (Some(expected), Some(old)) => before(expected, old),
                // A key that did not change, told because it is stored out of line.
                (Some(_), None) if !is_full => None,
                (None, None) => None,
                _ => Some(format!("the row before was {expected_old:?}, not {old:?}")),
            };
            before.or_else(|| differs_after(expected, new, expected_old.as_ref(), came, leaves_out))
        }
        (Kind::Delete { old: expected }, Kind::Delete { old }) => before(expected, old),
        (Kind::Truncate, Kind::Truncate) => return None,
        (expected @ Kind::Message { .. }, came @ Kind::Message { .. }) if expected == came => return None,
        (expected, came) => Some(format!("it was {expected:?}, not {came:?}")),
    };
    fault.or_else(|| differs_key(expected, came, change))
}

fn differs_after(
    expected: &Tuple,
    after: &Tuple,
    old: Option<&Tuple>,
    came: &SentChange,
    leaves_out: bool,
) -> Option<String> {
    if !expected.keys().eq(after.keys()) {
        return Some(format!("its columns are {:?}, not {:?}", expected.keys(), after.keys()));
    }
    let wrong = expected.iter().zip(after.values()).find(|((name, expected), after)| match expected {
        _ if came.fetched.contains(*name) => !leaves_out && **expected != Datum::Unchanged,
        // What did not change, or a row that is gone.
        _ if leaves_out && **after == Datum::Omitted => {
            old.is_some_and(|old| old.get(*name) != Some(*expected))
        }
        // Told by the old row, if that is told.
        Datum::Unchanged => **after != Datum::Unchanged && old.and_then(|old| old.get(*name)) != Some(*after),
        expected => expected != after,
    });
    wrong.map(|((name, expected), after)| format!("{name} is {}, not {}", short(expected), short(after)))
}

/// Of an old row, nulls are left out.
fn differs_before(expected: &Tuple, before: &Tuple) -> Option<String> {
    let told = |datum: &Datum| !matches!(datum, Datum::Null | Datum::Omitted);
    let missing = expected.iter().find(|(name, datum)| before.get(*name) != Some(*datum));
    let invented = before.iter().find(|(name, datum)| told(datum) && !expected.contains_key(*name));
    missing.or(invented).map(|(name, _)| {
        let of = |row: &Tuple| row.get(name).map(short);
        format!("{name} was {:?}, not {:?}", of(expected), of(before))
    })
}

/// Of an old row that is told in part; of its key alone, if that is `only_key`.
fn differs_in_part(expected: &Tuple, before: &Tuple, only_key: Option<&Change>) -> Option<String> {
    let is_told = |name: &String| {
        only_key.is_none_or(|change| change.identity.key.contains(name))
            && before.get(name).is_some_and(|datum| *datum != Datum::Omitted)
    };
    let wrong = expected.iter().find(|(name, datum)| is_told(name) && before.get(*name) != Some(*datum));
    wrong.map(|(name, datum)| format!("{name} was {}, not {:?}", short(datum), before.get(name).map(short)))
}

fn differs_key(expected: &Kind, came: &SentChange, change: &Change) -> Option<String> {
    let old = match &change.kind {
        Kind::Update { old, .. } => old.as_ref(),
        _ => None,
    };
    let row = match expected {
        Kind::Insert { new } | Kind::Update { new, .. } => new,
        Kind::Delete { old } => old,
        _ => return None,
    };
    let value = |name: &String| match row.get(name) {
        Some(Datum::Unchanged) | None => old.and_then(|old| old.get(name)),
        value => value,
    };
    let names = &change.identity.key;
    let is_right = names.len() == came.key.len()
        && names.iter().all(|name| came.key.get(name).is_some_and(|key| value(name) == Some(key)));
    (!is_right).then(|| format!("its key is {:?} of {names:?}", came.key))
}

/// In the order of the log each table's changes are numbered 1, 2, 3 …
fn compare_numbers(sent: &Sent, faults: &mut Vec<String>) {
    let mut tables: BTreeMap<&str, Vec<&SentChange>> = BTreeMap::new();
    for change in sent.changes.iter().filter(|change| !change.table.is_empty()) {
        tables.entry(&change.table).or_default().push(change);
    }
    for (table, mut changes) in tables {
        changes.sort_by_key(|change| (change.commit, change.tx_seq, change.part));
        for (expected, change) in (1..).zip(changes) {
            if change.table_seq != expected {
                faults.push(format!(
                    "{} ({table}): it is number {expected}, not {}",
                    change.id, change.table_seq
                ));
            }
        }
    }
}

fn compare_loose(
    history: &History,
    sent: &Sent,
    loose: &HashSet<(u64, String, String)>,
    faults: &mut Vec<String>,
) {
    let known: HashSet<_> = history.loose_messages.iter().cloned().collect();
    for (lsn, prefix, _) in loose.difference(&known) {
        faults.push(format!("a message {prefix} at {lsn:X} is not in the history"));
    }
    let begin = sent.changes.iter().map(|change| change.commit.min(change.own)).min().unwrap_or(u64::MAX);
    for (lsn, prefix, _) in known.difference(loose) {
        if *lsn > begin && prefix != OWN_PREFIX {
            faults.push(format!("a message {prefix} at {lsn:X} did not come"));
        }
    }
}

/// Whether it is not to come.
pub(super) fn is_own(change: &Change) -> bool {
    matches!(&change.kind, Kind::Message { prefix, .. } if prefix == OWN_PREFIX)
}

fn short(datum: &Datum) -> String {
    format!("{datum:?}").chars().take(200).collect()
}

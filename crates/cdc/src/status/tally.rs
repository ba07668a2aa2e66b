use std::collections::BTreeMap;
use std::sync::Arc;

use event::{Batch, Op, Route, TableName};

/// What is in a batch, taken before the sink takes the batch, and counted once that is durable.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    routes: Vec<Arc<Route>>,
    /// By route number and operation: events and bytes.
    counts: BTreeMap<(usize, &'static str), (u64, u64)>,
}

impl Tally {
    /// Counts a batch. Messages that repeat an event (tombstones, schemas by fingerprint) count as bytes alone.
    pub(super) fn of(batch: &Batch) -> Self {
        let mut counts = BTreeMap::<_, (u64, u64)>::new();
        let mut run: Option<((usize, Op), (u64, u64))> = None;
        let mut close = |run: Option<((usize, Op), (u64, u64))>| {
            if let Some(((route, op), (events, bytes))) = run {
                let entry = counts.entry((route, op_name(op))).or_default();
                *entry = (entry.0 + events, entry.1 + bytes);
            }
        };
        for message in batch.messages() {
            let is_event = message.payload.is_some() && !matches!(**message.route, Route::Schemas);
            let bytes = message.payload.map_or(0, <[u8]>::len) + message.key.map_or(0, <[u8]>::len);
            let counted = (u64::from(is_event), bytes as u64);
            let kind = (message.route_number, message.op);
            // Runs of one table and kind are the rule: one addition each, no look-up.
            match &mut run {
                Some((same, sum)) if *same == kind => *sum = (sum.0 + counted.0, sum.1 + counted.1),
                _ => close(run.replace((kind, counted))),
            }
        }
        close(run);
        Self { routes: batch.routes().to_vec(), counts }
    }

    /// Table, operation, events and bytes.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Option<&TableName>, &'static str, u64, u64)> {
        self.counts.iter().map(|((route, op), (events, bytes))| {
            let table = match self.routes.get(*route).map(Arc::as_ref) {
                Some(Route::Table(table)) => Some(table),
                Some(Route::Control | Route::Schemas) | None => None,
            };
            (table, *op, *events, *bytes)
        })
    }

    /// Events and bytes in all.
    pub(super) fn total(&self) -> (u64, u64) {
        self.counts.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    }
}

/// Rows of tables as they stand.
pub(super) const READ: &str = "read";

/// As the `json` format names it.
fn op_name(op: Op) -> &'static str {
    match op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
        Op::Truncate => "truncate",
        Op::Read => READ,
        Op::LoadBegin => "load_begin",
        Op::LoadEnd => "load_end",
        Op::Message => "message",
        Op::Schema => "schema",
        Op::Heartbeat => "heartbeat",
    }
}

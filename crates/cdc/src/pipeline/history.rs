//! What a checkpoint remembers of the tables, held against what is to be sent now: where that changed, counts begin
//! anew, and what consumers can't have is loaded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use checkpoint::{Checkpoint, LoadState, SourceIdentity, TableState};
use event::{Failure as _, LoadRequest, LogPlace, TableName};
use wal_reader::publication::{Published, Shown};

use crate::config::{Config, LoadMode, NewTables, Source};
use crate::error::Error;
use crate::status::Status;
use crate::store::Store;

/// What was sent so far must be where the rest is to go.
pub(super) fn check_destination(saved: Option<&Checkpoint>, now: Option<&String>) -> Result<(), Error> {
    match (saved.and_then(|saved| saved.destination.as_ref()), now) {
        (Some(before), Some(now)) if before != now => {
            Err(Error::AnotherSink { before: before.clone(), now: now.clone() })
        }
        _ => Ok(()),
    }
}

/// Gives up the history so far. What was remembered is set aside, not deleted; its epoch alone goes on.
pub(super) async fn start_over(store: &mut Store, source: SourceIdentity) -> Result<(), Error> {
    // One that can't be trusted does not say which epoch it was: the clock is beyond it.
    let before = store.load().await.ok().flatten().map_or(0, |checkpoint| checkpoint.epoch);
    if let Some(aside) = store.set_aside(next_epoch(None)).await? {
        tracing::info!(aside, "set the old checkpoint aside");
    }
    store.save(&Checkpoint::new(source, before, 0)).await
}

/// Takes over which tables there are, and what of them is sent. A new one is to be loaded; and so is another one under a
/// known name, and one that left the publication and came back: what was written to it in between is not in the log.
/// `since`: from where in the log on the changes of new ones are sent.
pub(super) fn take_in(checkpoint: &mut Checkpoint, mut tables: Published, since: LogPlace, config: &Config) {
    let load = load_state(config.load.mode);
    for (name, shown) in &mut tables {
        let digest = config.tables.digest(name);
        if !digest.is_empty() {
            shown.limits = format!("{} {digest}", shown.limits);
        }
    }
    take_limits(checkpoint, &tables, config.load.mode);
    for (name, shown) in &tables {
        let new = || TableState { load, since, ..TableState::default() };
        let state = checkpoint.tables.entry(name.clone()).or_insert_with(new);
        if state.since == LogPlace::NEVER {
            state.since = since;
        }
        let is_another = !state.incarnation.is_empty() && state.incarnation != shown.incarnation;
        let why = match (is_another, shown.rewrites(&state.type_parts)) {
            (true, _) => Some("another table under a known name, or published anew"),
            (false, true) => {
                Some("a type of its columns was changed, so that its rows are written otherwise")
            }
            (false, false) => None,
        };
        if let Some(why) = why.filter(|_| state.load != LoadState::Absent) {
            tracing::warn!(table = %name, why, "a table is loaded again");
            (state.load, state.request) = (load, LoadRequest::default());
        } else if let Some(request) = brought_along(state, shown) {
            let remedy = if load == LoadState::Done { "not loaded, as load.mode says" } else { "loaded" };
            tracing::warn!(table = %name, remedy, "the log does not have the rows that attached partitions had before");
            // A table that is being read is read anew: what is read of it already lacks them.
            let is_part = state.load == LoadState::Done && load != LoadState::Done;
            (state.load, state.request) = (load, if is_part { request } else { LoadRequest::default() });
        }
        state.attached.clone_from(&shown.attached);
        state.limits.clone_from(&shown.limits);
        state.incarnation.clone_from(&shown.incarnation);
        state.type_parts.clone_from(&shown.type_parts);
    }
    for (name, state) in &mut checkpoint.tables {
        if !tables.contains_key(name) {
            state.load = LoadState::Absent;
        } else if state.load == LoadState::Absent {
            (state.load, state.request) = (load, LoadRequest::default());
        }
    }
}

/// What is to be read because partitions were attached to a table that is known.
fn brought_along(state: &TableState, shown: &Shown) -> Option<LoadRequest> {
    let is_known = !state.incarnation.is_empty() && state.load != LoadState::Absent;
    shown.brought_along(&state.attached).filter(|_| is_known)
}

/// Tables that match and are not sent, as far as that was said.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut(BTreeMap<TableName, String>);

impl LeftOut {
    /// Says what is new about them.
    pub(super) fn say(&mut self, now: BTreeMap<TableName, String>, status: &Status) {
        for (table, why) in &now {
            if self.0.get(table) != Some(why) {
                let error = Error::TableLeftOut { table: table.clone(), why: why.clone() };
                status.trouble(&error);
                tracing::warn!(code = error.code(), %error);
            }
        }
        self.0 = now;
    }
}

/// Whether a table's changes are sent as soon as they are in the log: without loads, they are all there ever is of it.
/// And all of a table is in a binary log that was not there when the pipeline began.
pub(super) fn sends_unknown(config: &Config) -> bool {
    match &config.source {
        Source::Postgres(source) => {
            config.load.mode == LoadMode::Never && source.new_tables == NewTables::Auto
        }
        Source::Mysql(_) | Source::Odbc(_) => true,
    }
}

/// From where in the log on each table's changes are sent.
pub(super) type Since = Arc<dyn Fn(&TableName) -> LogPlace + Send + Sync>;

/// Those of the tables that were ever taken in alone: of any other, consumers would lack what was there before. One that
/// is gone by now may still be in the log.
pub(super) fn only_taken_in(checkpoint: &Checkpoint, config: &Config) -> Since {
    let unknown = if sends_unknown(config) { LogPlace::START } else { LogPlace::NEVER };
    let since: BTreeMap<TableName, LogPlace> =
        checkpoint.tables.iter().map(|(name, state)| (name.clone(), state.since)).collect();
    Arc::new(move |name| since.get(name).copied().unwrap_or(unknown))
}

/// Takes over what decides which tables and origins are sent.
pub(super) fn take_filter(checkpoint: &mut Checkpoint, filter_hash: u64) {
    if checkpoint.filter_hash != filter_hash {
        tracing::info!("other tables or origins are sent than before: the epoch begins anew");
        checkpoint.filter_hash = filter_hash;
        begin_epoch(checkpoint);
    }
}

/// Greater than before, and greater than any before a state folder that was lost.
pub(super) fn next_epoch(before: Option<u64>) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    before.map_or(now, |before| now.max(before + 1))
}

/// Tables that were sent, and are sent with other rows or columns now, are sent whole. One that comes back is anyway.
fn take_limits(checkpoint: &mut Checkpoint, tables: &Published, load_mode: LoadMode) {
    let is_changed = |(name, shown): &(&TableName, &Shown)| {
        let before = checkpoint.tables.get(*name).filter(|state| state.load != LoadState::Absent);
        before.is_some_and(|before| before.limits != shown.limits)
    };
    let changed: Vec<TableName> = tables.iter().filter(is_changed).map(|(name, _)| name.clone()).collect();
    if changed.is_empty() {
        return;
    }
    let names = changed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let remedy = match load_mode {
        LoadMode::Never => {
            "not loaded, as load.mode says: consumers may lack rows and columns, or have too many"
        }
        LoadMode::Initial | LoadMode::Only => "loaded again",
    };
    tracing::warn!(
        tables = names,
        remedy,
        "other rows or columns are sent than before, by the publication or [[table]]: the epoch begins anew"
    );
    begin_epoch(checkpoint);
    for name in changed {
        let state = checkpoint.tables.entry(name).or_default();
        (state.load, state.request) = (load_state(load_mode), LoadRequest::default());
    }
}

fn load_state(load_mode: LoadMode) -> LoadState {
    match load_mode {
        LoadMode::Initial | LoadMode::Only => LoadState::From(None),
        LoadMode::Never => LoadState::Done,
    }
}

/// Events are numbered anew: consumers keep the epochs apart.
pub(super) fn begin_epoch(checkpoint: &mut Checkpoint) {
    checkpoint.epoch = next_epoch(Some(checkpoint.epoch));
    checkpoint.is_streaming = false;
    for state in checkpoint.tables.values_mut() {
        state.table_seq = 0;
    }
}

//! What a checkpoint remembers of the tables, held against what is to be sent now: where that changed, counts begin
//! anew, and what consumers can't have is loaded.

use std::time::{SystemTime, UNIX_EPOCH};

use checkpoint::{Checkpoint, LoadState, TableState};
use event::{LoadRequest, TableName};
use wal_reader::publication::Published;

use crate::config::{Config, LoadMode};

/// Takes over which tables there are, and what of them is sent. A new one is to be loaded; and so is one that left the
/// publication, should it ever come back: what was written to it in between is not in the log.
pub(super) fn take_in(checkpoint: &mut Checkpoint, mut tables: Published, config: &Config) {
    let load = load_state(config.load.mode);
    for (name, limits) in &mut tables {
        let digest = config.tables.digest(name);
        if !digest.is_empty() {
            *limits = format!("{limits} {digest}");
        }
    }
    take_limits(checkpoint, &tables, config.load.mode);
    for (name, limits) in &tables {
        let new = || TableState { load, ..TableState::default() };
        checkpoint.tables.entry(name.clone()).or_insert_with(new).limits.clone_from(limits);
    }
    for (name, state) in &mut checkpoint.tables {
        if !tables.contains_key(name) {
            state.load = LoadState::Absent;
        } else if state.load == LoadState::Absent {
            state.load = load;
        }
    }
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
    let is_changed = |(name, limits): &(&TableName, &String)| {
        let before = checkpoint.tables.get(*name).filter(|state| state.load != LoadState::Absent);
        before.is_some_and(|before| before.limits != **limits)
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
fn begin_epoch(checkpoint: &mut Checkpoint) {
    checkpoint.epoch = next_epoch(Some(checkpoint.epoch));
    checkpoint.is_streaming = false;
    for state in checkpoint.tables.values_mut() {
        state.table_seq = 0;
    }
}

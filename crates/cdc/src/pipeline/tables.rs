//! Whether other tables are to be sent than when the stream began: looked at from beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use event::TableName;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use wal_reader::Options;
use wal_reader::publication::{Change, Published, Taking, Watch};

use super::history::LeftOut;
use crate::config::NewTables;
use crate::status::Status;

/// Looks every few seconds, on a connection of its own, until it is dropped.
pub(super) struct TableWatch {
    looking: Option<JoinHandle<()>>,
    changed: Arc<Notify>,
}

/// What is being sent, and what may be added to it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// As the publication shows it.
    pub(super) tables: Published,
    /// Every table that was ever sent.
    pub(super) known: BTreeSet<TableName>,
    /// What becomes of others.
    pub(super) new_tables: NewTables,
}

impl Sent {
    /// Of the tables that are left out, those that somebody wants to know of.
    pub(super) fn worth_saying(
        &self,
        mut left_out: BTreeMap<TableName, String>,
    ) -> BTreeMap<TableName, String> {
        if self.new_tables == NewTables::Off {
            left_out.retain(|name, _| self.known.contains(name));
        }
        left_out
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A look that takes longer is given up, with its connection.
const PATIENCE: Duration = Duration::from_secs(30);

impl TableWatch {
    /// Starts looking. `left_out`: what was said already.
    pub(super) fn start(options: &Options, sent: Sent, status: Arc<Status>, left_out: LeftOut) -> Self {
        let changed = Arc::new(Notify::new());
        let looking = look(options.clone(), sent, status, left_out, Arc::clone(&changed));
        Self { looking: Some(tokio::spawn(looking)), changed }
    }

    /// There is nothing to look at: the log tells of tables too.
    pub(super) fn none() -> Self {
        Self { looking: None, changed: Arc::default() }
    }

    /// Waits until there are others. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for TableWatch {
    fn drop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
    }
}

async fn look(
    options: Options,
    sent: Sent,
    status: Arc<Status>,
    mut left_out: LeftOut,
    changed: Arc<Notify>,
) {
    let is_known = |name: &TableName| sent.known.contains(name);
    let taking = Taking::Known { is_known: &is_known, and_new: sent.new_tables == NewTables::Auto };
    let mut watch = Watch::new(&options);
    loop {
        sleep(LOOK_EVERY).await;
        match timeout(PATIENCE, watch.look(&sent.tables, taking)).await {
            Ok(Ok(Change::None)) => {}
            Ok(Ok(Change::LeftOut(now))) => left_out.say(sent.worth_saying(now), &status),
            Ok(Ok(Change::Tables)) => return changed.notify_one(),
            // Whatever is wrong there, the stream says it if it matters.
            Ok(Err(error)) => tracing::debug!(%error, "which tables there are is not known just now"),
            Err(_) => watch = Watch::new(&options),
        }
    }
}

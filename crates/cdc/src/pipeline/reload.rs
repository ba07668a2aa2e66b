//! Tables as they stand, while changes come: those added while the pipeline was down, and those asked for.
//!
//! Three rules keep a reload from undoing a newer change or counting one twice:
//! - It waits until the stream has passed whatever an earlier run may have delivered. Otherwise changes that were
//!   delivered with a number would now be dropped as contained, and their numbers given to others.
//! - It contains every transaction that was delivered before it.
//! - From its snapshot to its last row nothing else is sent, and its fence is saved before anything is sent after it.
//!
//! A part of a table has a rule of its own: `catch_up`.

use std::collections::VecDeque;
use std::time::Duration;

use checkpoint::{LoadState, TableState};
use event::{
    Begun, Database, Failure as _, KeyBound, Load as _, LoadRequest, LogPlace, Sink, Source, TableName,
    TableNews,
};
use tokio::time::Instant;

use super::catch_up::catch_up;
use super::delivery::Delivery;
use super::first_load::read_unit;
use super::stall;
use crate::control::ControlRequest;
use crate::error::Error;

/// The tables to be read while changes come.
pub(super) struct Reloads<D: Database> {
    database: D,
    pending: VecDeque<(TableName, Option<KeyBound>)>,
    /// How far the log reached when this run began to stream.
    delivered_before: LogPlace,
    loader: Option<D::Loader>,
    due: Instant,
    last_said: Instant,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requested {
    /// Tables that are being sent: they are read when their turn comes.
    Reloads,
    /// Others as well.
    OtherTables,
}

const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(250);
const SAY_EVERY: Duration = Duration::from_secs(10);

impl<D: Database> Reloads<D>
where
    Error: From<D::Error>,
{
    pub(super) async fn new<K>(database: &D, delivery: &Delivery<'_, K>) -> Result<Self, Error>
    where
        K: Sink,
        Error: From<K::Error>,
    {
        let pending: VecDeque<(TableName, Option<KeyBound>)> =
            delivery.checkpoint.pending_loads().map(|(name, from)| (name.clone(), from)).collect();
        delivery.status.load_due(pending.iter().map(|(name, from)| (name, from.is_some())));
        Ok(Self {
            database: database.clone(),
            pending,
            delivered_before: database.log_end().await?,
            loader: None,
            due: Instant::now(),
            last_said: Instant::now(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// When to look again whether the next one can be read.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Takes a request for a reload.
    pub(super) async fn request<K>(
        &mut self,
        request: ControlRequest,
        delivery: &mut Delivery<'_, K>,
    ) -> Result<Requested, Error>
    where
        K: Sink,
        Error: From<K::Error>,
    {
        let ControlRequest::Snapshot { tables, request, reply } = request;
        let is_new = |name: &TableName| {
            delivery.checkpoint.tables.get(name).is_none_or(|state| state.load == LoadState::Absent)
        };
        let new: Vec<TableName> = tables.iter().filter(|name| is_new(name)).cloned().collect();
        let problem = match self.database.first_unknown(&new).await? {
            Some(unknown) => {
                let known = delivery.checkpoint.tables.len();
                Some(format!("{unknown} is not one of this pipeline's {known} tables"))
            }
            None => refused(delivery, &tables, &new, &request),
        };
        if let Some(problem) = problem {
            // Nobody waits for the answer if the socket was closed.
            _ = reply.send(Err(problem));
            return Ok(Requested::Reloads);
        }
        for name in &tables {
            let unknown = || TableState { since: LogPlace::NEVER, ..TableState::default() };
            let state = delivery.checkpoint.tables.entry(name.clone()).or_insert_with(unknown);
            state.load_anew(request.clone());
            self.pending.retain(|(pending, _)| pending != name);
            if !new.contains(name) {
                self.pending.push_back((name.clone(), None));
            }
        }
        delivery.save().await?;
        delivery.status.load_due(tables.iter().map(|name| (name, false)));
        self.due = Instant::now();
        _ = reply.send(Ok(tables.len()));
        Ok(if new.is_empty() { Requested::Reloads } else { Requested::OtherTables })
    }

    /// Takes what the log said of tables themselves.
    pub(super) fn take_news<K>(&mut self, news: Vec<TableNews>, delivery: &mut Delivery<'_, K>)
    where
        K: Sink,
        Error: From<K::Error>,
    {
        for news in news {
            match news {
                TableNews::Rewritten(name) => {
                    tracing::warn!(table = %name, "the log does not say which rows it was given: it is loaded again");
                    delivery.load_whole(&name);
                    delivery.status.load_due([(&name, false)]);
                    self.pending.retain(|(pending, _)| *pending != name);
                    self.pending.push_back((name, None));
                }
                TableNews::Created(name) => {
                    tracing::info!(table = %name, "a new table: all of it is in the log");
                    delivery.nothing_left_to_load(&name);
                    self.pending.retain(|(pending, _)| *pending != name);
                }
                TableNews::Dropped(name) => {
                    self.pending.retain(|(pending, _)| *pending != name);
                    delivery.dropped(&name);
                }
            }
        }
    }

    /// Comes as far with the next reload as it can without waiting long.
    pub(super) async fn advance<K>(
        &mut self,
        stream: &mut D::Log,
        delivery: &mut Delivery<'_, K>,
    ) -> Result<(), Error>
    where
        K: Sink,
        Error: From<K::Error>,
    {
        let Some((name, from)) = self.pending.front().cloned() else { return Ok(()) };
        let request = delivery.checkpoint.request(&name);
        if stream.passed() < self.delivered_before {
            self.wait(LATER, "the stream has not passed yet what an earlier run may have delivered");
            return Ok(());
        }
        let mut loader = match self.loader.take() {
            Some(loader) => loader,
            None => {
                // First note what is delivered, then mark the moment: whatever is neither noted nor before it can't be.
                stream.note_delivered();
                self.database.open_loader().await?
            }
        };
        let blockers = loader.blockers().await?;
        let begun = match blockers {
            Some(blockers) => Begun::NotYet(format!("these must end first: {blockers}")),
            None if !delivery.is_between_transactions() => {
                Begun::NotYet("a transaction is being delivered".to_owned())
            }
            None => {
                stall::drain(delivery).await?;
                let delivered = stream.delivered().cloned().unwrap_or_default();
                match loader.begin(&request, &name, from, &delivered).await.map_err(Error::from) {
                    Err(error) if is_the_request_s(&request, &error) => {
                        return self.give_up(stream, delivery, &error).await;
                    }
                    begun => begun?,
                }
            }
        };
        let has_caught_up = request.part.is_some() && matches!(begun, Begun::Reading);
        match begun {
            Begun::NotYet(reason) => self.wait(SOON, &reason),
            Begun::Gone => {
                delivery.nothing_to_load(&name);
                self.pending.pop_front();
            }
            Begun::Reading => {
                if from.is_none() {
                    tracing::info!(table = %name, "loading beside the stream");
                }
                if request.part.is_some() {
                    let Some(overtaken) = catch_up(&loader, stream, delivery, &name).await? else {
                        stream.forget_delivered();
                        self.wait(LATER, "the stream is too far behind, or too much is changed at once");
                        return Ok(());
                    };
                    tracing::debug!(table = %name, rows = overtaken.len(), "rows that were overtaken");
                    loader.leave_out(overtaken);
                    stall::drain(delivery).await?;
                }
                let next = match read_unit(&mut loader, delivery, &name).await {
                    Err(error) if is_the_request_s(&request, &error) => {
                        return self.give_up(stream, delivery, &error).await;
                    }
                    next => next?,
                };
                stall::drain(delivery).await?;
                self.pending.pop_front();
                if next.is_some() {
                    self.pending.push_front((name, next));
                } else {
                    tracing::info!(table = %name, "loaded beside the stream");
                }
                self.due = Instant::now() + SOON;
            }
        }
        // Catching up for a part has forgotten what was delivered before: the next one begins with a loader of its own.
        if self.pending.is_empty() || has_caught_up {
            stream.forget_delivered();
        } else {
            self.loader = Some(loader);
        }
        Ok(())
    }

    /// What somebody asked for can't be done: that must not stop what goes on without it.
    async fn give_up<K>(
        &mut self,
        stream: &mut D::Log,
        delivery: &mut Delivery<'_, K>,
        error: &Error,
    ) -> Result<(), Error>
    where
        K: Sink,
        Error: From<K::Error>,
    {
        stream.forget_delivered();
        if let Some((name, _)) = self.pending.pop_front() {
            if delivery.checkpoint.request(&name).or_whole {
                tracing::info!(table = %name, %error, "all of it is loaded instead");
                delivery.load_whole(&name);
                self.pending.push_back((name, None));
            } else {
                delivery.give_up_load(&name, error);
            }
        }
        stall::drain(delivery).await
    }

    fn wait(&mut self, time: Duration, reason: &str) {
        self.due = Instant::now() + time;
        if self.last_said.elapsed() > SAY_EVERY {
            self.last_said = Instant::now();
            tracing::info!(reason, "a load beside the stream waits");
        }
    }
}

/// Why these tables can't be read like this: a part is of a table whose other rows are known already.
fn refused<K>(
    delivery: &Delivery<'_, K>,
    tables: &[TableName],
    new: &[TableName],
    request: &LoadRequest,
) -> Option<String> {
    request.part.as_ref()?;
    let is_due_whole = |name: &&TableName| {
        let state = delivery.checkpoint.tables.get(*name);
        new.contains(name)
            || state
                .is_some_and(|state| matches!(state.load, LoadState::From(_)) && state.request.part.is_none())
    };
    tables.iter().find(is_due_whole).map(|name| format!("{name} is still to be loaded as a whole"))
}

/// Whether it is the part that was asked for that fails, and would fail again: its condition, its columns.
fn is_the_request_s(request: &LoadRequest, error: &Error) -> bool {
    request.part.is_some() && error.is_source_s() && !error.is_retryable()
}

//! Reading a unit as it stands, under a snapshot that says exactly which transactions it contains.
//!
//! **Lock, then look**: the table is locked (ACCESS SHARE) before the snapshot is taken. The other way round, an
//! `ALTER TABLE … TYPE` or `TRUNCATE` in between makes the snapshot read no rows, without an error ("Caveats" of the
//! manual's chapter on concurrency; `VACUUM FULL` keeps them), and an `ADD COLUMN` rows without that column.

mod reading;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use decoder::ColumnType;
use event::{
    Batch, Begun, Column, Fence, KeyBound, Load, LoadEvents, LoadRequest, LogPlace, Lsn, Read, SentTable,
    Table, TableName, TransactionPlace, Use,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::reading::{Chunk, Reading};
use crate::catalog::{self, Shape};
use crate::clock;
use crate::refusal::Refusal;
use crate::session;
use crate::settle::Mark;
use crate::snapshot;
use crate::sql::{quote_table, quote_text};
use crate::unit::{self, Plan};
use crate::wire::Connection;
use crate::{Error, Options};

/// Reads units, one at a time.
pub struct Loader {
    options: Options,
    /// Holds the snapshot while a unit is read; none while a worker has it.
    holder: Option<Connection>,
    /// For whatever must not be said inside the snapshot's transaction.
    aside: Connection,
    spare: Vec<Connection>,
    mark: Mark,
    is_standby: bool,
    last_load_id: i64,
    reading: Option<Reading>,
}

/// Enough to make the hand-over cheap.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for the loader, of all workers together.
const CHUNKS_WAITING: usize = 16;

impl Loader {
    /// Connects, and marks this moment: the slot exists and all tables to be read are published.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let mut aside = session::open(&options.connection).await?;
        let mark = Mark::now(&mut aside).await?;
        Ok(Self {
            options: options.clone(),
            holder: None,
            aside,
            spare: Vec::new(),
            is_standby: mark == Mark::Past,
            mark,
            last_load_id: 0,
            reading: None,
        })
    }

    /// Locks and looks. The outer error is a failure, the inner one a reason not to begin.
    #[allow(clippy::type_complexity)]
    async fn lock_and_look(
        &mut self,
        holder: &mut Connection,
        request: &LoadRequest,
        name: &TableName,
        from: Option<KeyBound>,
        delivered: &HashSet<TransactionPlace>,
    ) -> Result<Result<(Shape, SentTable, Plan, Fence, Lsn, String), Begun>, Error> {
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        holder.execute("SET LOCAL lock_timeout = '2s'").await?;
        match holder.execute(&lock_sql(name, "")).await {
            Ok(()) => {}
            Err(error) if error.sqlstate() == Some("55P03") => {
                return Ok(Err(Begun::NotYet(format!("{name} is locked by somebody else"))));
            }
            Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(Err(Begun::Gone)),
            Err(error) => return Err(error),
        }
        let before = if self.is_standby { Some(self.replayed().await?) } else { None };
        // One statement: the snapshot is taken as it starts, the position is read after that.
        let limit = if self.is_standby { "pg_last_wal_replay_lsn()" } else { "pg_current_wal_insert_lsn()" };
        let rows = holder
            .query(&format!(
                "SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_export_snapshot(), pg_catalog.{limit}"
            ))
            .await?;
        let row = rows.single()?;
        let snapshot = snapshot::parse(row.required(0)?)?;
        let (exported, limit) = (row.required(1)?.to_owned(), row.parse::<Lsn>(2)?);
        // A standby's snapshot does not tell what runs on the primary, but it contains exactly what was replayed: where
        // nothing was while it was taken, the position alone says what that is.
        if before.is_some_and(|before| before != limit) || self.is_standby && self.replayed().await? != limit
        {
            return Ok(Err(Begun::NotYet("the standby replays while the snapshot is taken".to_owned())));
        }
        if !self.mark.is_behind(snapshot.xmin) {
            return Ok(Err(Begun::NotYet("transactions from before are still open".to_owned())));
        }
        if !delivered.iter().all(|transaction| snapshot.sees(transaction.xid)) {
            return Ok(Err(Begun::NotYet("a delivered transaction is not visible yet".to_owned())));
        }
        let Some(shape) = catalog::shape(holder, &self.options.publication, name).await? else {
            return Ok(Err(Begun::Gone));
        };
        let sent = shape.sent(&self.options)?;
        if let Some(part) = &request.part {
            if let Some(problem) = part.problem(&sent, &shape.schema) {
                return Err(Refusal::Part { table: name.clone(), problem }.into());
            }
            if self.is_standby {
                let problem = "a standby's snapshot does not tell which transactions it contains".to_owned();
                return Err(Refusal::Part { table: name.clone(), problem }.into());
            }
        }
        let range_key = unit::range_key(&shape.schema).filter(|column| sent.position(*column).is_some());
        let plan = unit::plan(holder, name, &shape, range_key, from, &self.options).await?;
        let fence =
            Fence { snapshot: Some(snapshot), limit: limit.into(), range: plan.range.clone(), voided: None };
        Ok(Ok((shape, sent, plan, fence, limit, exported)))
    }

    async fn replayed(&mut self) -> Result<Lsn, Error> {
        self.aside.query("SELECT pg_catalog.pg_last_wal_replay_lsn()").await?.single()?.parse(0)
    }

    /// More connections under the same snapshot, as many as there is work for; none if the lock is not to be had at
    /// once: waiting for it behind somebody who waits for us would be a deadlock.
    async fn workers(
        &mut self,
        exported: &str,
        name: &TableName,
        plan: &Plan,
    ) -> Result<Option<Vec<Connection>>, Error> {
        let mut workers = Vec::new();
        for _ in 1..plan.pieces.len().min(self.options.load_workers) {
            let mut worker = match self.spare.pop() {
                Some(worker) => worker,
                None => session::open(&self.options.connection).await?,
            };
            worker.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            worker.execute(&format!("SET TRANSACTION SNAPSHOT {}", quote_text(exported))).await?;
            let locked = worker.execute(&lock_sql(name, " NOWAIT")).await;
            workers.push(worker);
            match locked {
                Ok(()) => {}
                Err(error) if error.sqlstate() == Some("55P03") => {
                    // All let go of theirs, and stay for the next attempt, which comes soon.
                    for mut worker in workers {
                        worker.execute("ROLLBACK").await?;
                        self.spare.push(worker);
                    }
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(workers))
    }

    /// Rows must not leave before what they contain is safe on the server's disk: after a crash with asynchronous
    /// commits the server would never have had them.
    ///
    /// `shows`: the stream is to show soon that it has passed the limit, also if nobody writes anything more.
    async fn wait_for_flush(&mut self, limit: Lsn, shows: bool) -> Result<(), Error> {
        // What is replayed is flushed, here and on the primary.
        if self.is_standby {
            return Ok(());
        }
        for attempt in 0_u32.. {
            let rows = self.aside.query("SELECT pg_catalog.pg_current_wal_flush_lsn()").await?;
            if rows.single()?.parse::<Lsn>(0)? >= limit && (attempt > 0 || !shows) {
                break;
            }
            if attempt == 0 {
                // A commit that waits for its own flush takes along all WAL before it.
                self.aside
                    .execute(&format!(
                        "BEGIN; SET LOCAL synchronous_commit = 'local'; \
                         SELECT pg_catalog.pg_logical_emit_message(true, '{OWN_MESSAGE_PREFIX}', 'flush'); COMMIT"
                    ))
                    .await?;
            } else {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn start(
        &mut self,
        holder: Connection,
        workers: Vec<Connection>,
        shape: Shape,
        sent: SentTable,
        plan: &Plan,
        fence: Fence,
        request: &LoadRequest,
        is_first: bool,
    ) {
        let mut used: Vec<_> =
            shape.schema.columns.iter().zip(&sent.uses).filter(|(_, by)| **by != Use::Excluded).collect();
        let places = request.part.as_ref().and_then(|part| part.places(&sent.schema));
        if let Some(places) = &places {
            used = places.iter().filter_map(|place| used.get(*place).copied()).collect();
        }
        let filter = request.part.as_ref().and_then(|part| part.filter.as_deref());
        let types = used.iter().map(|(column, by)| ColumnType::new(&column.type_name).used(**by)).collect();
        let columns: Vec<Column> = used.into_iter().map(|(column, _)| column.clone()).collect();
        let has_row_id = !sent.tells_rows_apart(&shape.schema);
        let statements: VecDeque<String> = plan
            .pieces
            .iter()
            .map(|piece| unit::copy_sql(&shape, &columns, has_row_id, piece, filter))
            .collect();
        let statements = Arc::new(Mutex::new(statements));
        let (to_loader, chunks) = mpsc::channel(CHUNKS_WAITING);
        let mut tasks = JoinSet::new();
        for connection in workers.into_iter().chain([holder]) {
            tasks.spawn(copy(connection, Arc::clone(&statements), to_loader.clone()));
        }
        self.last_load_id = clock::now_us().max(self.last_load_id + 1);
        let table = Table::new(sent.schema);
        let events = LoadEvents::new(table, self.last_load_id, fence, request.clone(), is_first);
        self.reading = Some(Reading {
            events,
            types,
            places,
            held_until: self.options.snapshot_max.map(|most| (Instant::now() + most, most)),
            has_row_id,
            chunks,
            left: Chunk::new(),
            room: Vec::new(),
            workers: tasks,
        });
    }
}

impl Load for Loader {
    type Error = Error;

    async fn blockers(&mut self) -> Result<Option<String>, Error> {
        Ok(self.mark.blockers(&mut self.aside).await?.map(|blockers| blockers.to_string()))
    }

    async fn begin(
        &mut self,
        request: &LoadRequest,
        name: &TableName,
        from: Option<KeyBound>,
        delivered: &HashSet<TransactionPlace>,
    ) -> Result<Begun, Error> {
        let mut holder = match self.holder.take() {
            Some(holder) => holder,
            None => session::open(&self.options.connection).await?,
        };
        let begun = self.lock_and_look(&mut holder, request, name, from, delivered).await;
        let (shape, sent, plan, fence, limit, exported) = match begun {
            Ok(Ok(found)) => found,
            Ok(Err(begun)) => {
                holder.execute("ROLLBACK").await?;
                self.holder = Some(holder);
                return Ok(begun);
            }
            // The catalog, which a look at the table needs.
            Err(error) if error.sqlstate() == Some("55P03") => {
                holder.execute("ROLLBACK").await?;
                self.holder = Some(holder);
                return Ok(Begun::NotYet("the catalog is locked by somebody else".to_owned()));
            }
            Err(error) => return Err(session::unreadable(error, name, &self.options.connection)),
        };
        let Some(workers) = self.workers(&exported, name, &plan).await? else {
            holder.execute("ROLLBACK").await?;
            self.holder = Some(holder);
            return Ok(Begun::NotYet(format!("somebody waits to lock {name}")));
        };
        self.wait_for_flush(limit, request.part.is_some()).await?;
        self.start(holder, workers, shape, sent, &plan, fence, request, from.is_none());
        Ok(Begun::Reading)
    }

    fn limit(&self) -> Option<LogPlace> {
        Some(self.reading.as_ref()?.events.fence().limit)
    }

    fn sees(&self, transaction: TransactionPlace) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.events.fence().sees(transaction))
    }

    fn leave_out(&mut self, keys: HashSet<Vec<u8>>) {
        if let Some(reading) = &mut self.reading {
            reading.events.leave_out(keys);
        }
    }

    async fn read(&mut self, batch: &mut Batch) -> Result<Read, Error> {
        let Some(reading) = &mut self.reading else { return Ok(Read::More) };
        reading.announce(batch);
        loop {
            if reading.push_left(batch)? {
                return Ok(Read::More);
            }
            match reading.next_chunk().await? {
                Some(chunk) => reading.left = chunk,
                None => break,
            }
        }
        while let Some(worker) = reading.workers.join_next().await {
            let connection = worker.map_err(|_| Error::LoadBrokeOff)?;
            let name = reading.events.table().name();
            let connection =
                connection.map_err(|error| session::unreadable(error, name, &self.options.connection))?;
            self.spare.push(connection);
        }
        reading.end(batch);
        let finished = reading.events.finished();
        self.reading = None;
        self.holder = self.spare.pop();
        Ok(Read::Finished(finished))
    }
}

/// The prefix of the messages that this program writes into the log; they are not sent on.
pub(crate) const OWN_MESSAGE_PREFIX: &str = "cdc";

fn lock_sql(name: &TableName, wait: &str) -> String {
    format!("LOCK TABLE {} IN ACCESS SHARE MODE{wait}", quote_table(name))
}

/// A worker: takes one statement after the other, until there are none or nobody listens.
async fn copy(
    mut connection: Connection,
    statements: Arc<Mutex<VecDeque<String>>>,
    to_loader: mpsc::Sender<Chunk>,
) -> Result<Connection, Error> {
    loop {
        let next = statements.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(statement) = next else { break };
        let mut rows = connection.copy_out(&statement).await?;
        let (mut chunk, mut chunk_bytes) = (Chunk::new(), 0);
        while let Some(come) = rows.next(CHUNK_BYTES).await? {
            chunk_bytes += come.len_bytes();
            chunk.push_back(come);
            if chunk_bytes >= CHUNK_BYTES {
                chunk_bytes = 0;
                if to_loader.send(std::mem::take(&mut chunk)).await.is_err() {
                    return Err(Error::LoadBrokeOff);
                }
            }
        }
        if to_loader.send(chunk).await.is_err() {
            return Err(Error::LoadBrokeOff);
        }
    }
    connection.execute("COMMIT").await?;
    Ok(connection)
}

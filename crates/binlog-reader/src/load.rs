//! Reading a unit as it stands, at a place in the log that says exactly which transactions it contains.
//!
//! **Lock, look, unlock**: while one session has the table locked (`LOCK TABLES … READ`), nobody who has changed it is
//! between the log and the engine, and nobody is about to. In that moment the workers take their snapshots, and the
//! server says how far its log reaches: what was written to the table before that place is in the snapshots, and what
//! comes after it is not. Without the lock the place was before or behind the snapshot in most tries, under writers.
//!
//! The lock is held for some round trips. Each worker has looked at the table in its snapshot by then, which keeps the
//! table's definition as it is (a metadata lock) until the unit is read, so that no `ALTER TABLE` or `TRUNCATE` comes in
//! between.

mod prepared;
mod reading;
mod worker;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use decoder::binlog::SelectPlan;
use event::{
    Batch, Begun, BinlogOffset, Column, Fence, KeyBound, Load, LoadEvents, LoadPart, LoadRequest, LogPlace,
    Read, SentTable, Table, TableName, TransactionPlace, Use,
};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::prepared::Undecided;
use self::reading::Reading;
pub(crate) use self::reading::selected;
use self::worker::Statements;
pub(crate) use self::worker::open as session;
use crate::catalog::{self, Found};
use crate::error::{Error, LOCK_WAIT_TIMEOUT};
use crate::options::Options;
use crate::refusal::Refusal;
use crate::session::{Session, quote_name, quote_table};
use crate::unit::{self, Plan};
use crate::{clock, system};

/// Reads units, one at a time.
pub struct Loader {
    options: Options,
    /// Locks tables, and asks the dictionary.
    guard: Option<Session>,
    spare: Vec<Session>,
    last_load_id: i64,
    undecided: Undecided,
    reading: Option<Reading>,
}

/// Rows that wait for the loader are as many chunks, of all workers together.
const CHUNKS_WAITING: usize = 16;
/// With fewer rows, one worker is as fast as several.
const PARALLEL_ROWS: u64 = 50_000;
/// A table of an engine without snapshots is read while it is locked, into memory: a larger one would be locked for too long.
pub(crate) const LOCKED_BYTES: u64 = 64 << 20;

/// A table that was looked at.
struct Looked {
    found: Found,
    sent: SentTable,
    plan: Plan,
    limit: BinlogOffset,
    file: String,
    workers: Vec<Session>,
}

impl Loader {
    /// Connects.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let guard = Some(Session::open(&options.connection).await?);
        Ok(Self {
            options: options.clone(),
            guard,
            spare: Vec::new(),
            last_load_id: 0,
            undecided: Undecided::default(),
            reading: None,
        })
    }

    /// The outer error is a failure, the inner one a reason not to begin.
    async fn look(
        &mut self,
        guard: &mut Session,
        request: &LoadRequest,
        name: &TableName,
        from: Option<KeyBound>,
    ) -> Result<Result<Looked, Begun>, Error> {
        let Some(expected) = catalog::find(guard, name).await? else { return Ok(Err(Begun::Gone)) };
        if !expected.has_snapshots() && expected.bytes > LOCKED_BYTES {
            let engine = expected.engine;
            return Err(Refusal::NoSnapshot { table: name.clone(), engine }.into());
        }
        if let Some(xid) = self.undecided.left(guard).await? {
            return Ok(Err(not_decided(name, &xid)));
        }
        let count = if is_large(&expected, self.options.load_unit_rows) {
            self.options.load_workers.max(1)
        } else {
            1
        };
        let mut workers = Vec::new();
        while workers.len() < count {
            workers.push(match self.spare.pop() {
                Some(worker) => worker,
                None => worker::open(&self.options.connection).await?,
            });
        }
        // Whoever locks a table must be the one to read it, where there is no snapshot.
        let mut reader = workers.pop_if(|_| !expected.has_snapshots());
        let lock = reader.as_mut().unwrap_or(&mut *guard);
        match lock.execute(&format!("LOCK TABLES {} READ", quote_table(name))).await {
            Ok(()) => {}
            Err(error) if error.number() == Some(LOCK_WAIT_TIMEOUT) => {
                self.spare.extend(workers.into_iter().chain(reader));
                let blocker =
                    "is locked by somebody else, or a transaction that has changed it is still open";
                return Ok(Err(Begun::NotYet(format!("{name} {blocker}"))));
            }
            Err(error) => return Err(error),
        }
        if let Some(xid) = self.undecided.wait(lock).await? {
            lock.execute("UNLOCK TABLES").await?;
            self.spare.extend(workers.into_iter().chain(reader));
            return Ok(Err(not_decided(name, &xid)));
        }
        try_join_all(workers.iter_mut().map(|worker| worker::take_snapshot(worker, name))).await?;
        let (file, limit) = system::log_end(lock).await?;
        match reader {
            None => guard.execute("UNLOCK TABLES").await?,
            Some(reader) => workers.push(reader),
        }
        // From here on nobody changes the table's definition.
        let Some(found) = catalog::find(guard, name).await? else { return Ok(Err(Begun::Gone)) };
        if found.has_snapshots() != expected.has_snapshots() {
            return Ok(Err(Begun::NotYet(format!("{name} was just given another engine"))));
        }
        let schema = found.shape.schema(name);
        let refuse = |problem| Refusal::Rules { table: name.clone(), problem };
        let sent = (self.options.rules)(name).apply(&schema).map_err(|error| refuse(error.to_string()))?;
        if let Some(problem) = request.part.as_ref().and_then(|part| part.problem(&sent, &schema)) {
            return Err(Refusal::Part { table: name.clone(), problem }.into());
        }
        let range_key = unit::range_key(&schema).filter(|column| sent.position(*column).is_some());
        let range_key = range_key.and_then(|column| schema.columns.get(column));
        let (rows, count) = (self.options.load_unit_rows, workers.len());
        let plan = match (range_key, workers.first_mut()) {
            (Some(key), Some(worker)) if from.is_some() || is_large(&found, self.options.load_unit_rows) => {
                unit::plan_range(worker, name, key, from, rows, count).await?
            }
            _ => Plan::whole(),
        };
        Ok(Ok(Looked { found, sent, plan, limit, file, workers }))
    }

    fn start(&mut self, looked: Looked, request: &LoadRequest, is_first: bool) -> Result<(), Error> {
        let Looked { found, sent, plan, limit, file, workers } = looked;
        let database = found.shape.schema(&sent.schema.name);
        let definition = found.shape.definition();
        let mut used: Vec<usize> =
            (0..sent.uses.len()).filter(|column| sent.uses.get(*column) != Some(&Use::Excluded)).collect();
        let places = request.part.as_ref().and_then(|part| part.places(&sent.schema));
        if let Some(places) = &places {
            used = places.iter().filter_map(|place| used.get(*place).copied()).collect();
        }
        let columns: Vec<_> = used
            .iter()
            .filter_map(|column| {
                let defined = definition.columns.get(*column)?;
                Some((database.columns.get(*column)?, defined, *sent.uses.get(*column)?))
            })
            .collect();
        let select_plan = SelectPlan::new(columns.iter().copied())
            .map_err(|error| Refusal::Decoding { place: limit.to_string(), error })?;
        let columns: Vec<_> = columns.into_iter().map(|(column, ..)| column).collect();
        let part = request.part.as_ref();
        let statements: Statements =
            plan.pieces.iter().map(|piece| select_sql(&sent.schema.name, &columns, piece, part)).collect();
        let has_row_id = !sent.tells_rows_apart(&database);
        let is_locked = !found.has_snapshots();
        let statements = Arc::new(Mutex::new(statements));
        let (to_loader, chunks) = mpsc::channel(CHUNKS_WAITING);
        let mut tasks = JoinSet::new();
        for session in workers {
            tasks.spawn(worker::select(session, Arc::clone(&statements), to_loader.clone(), is_locked));
        }
        self.last_load_id = clock::now_us().max(self.last_load_id + 1);
        let fence = Fence { snapshot: None, limit: limit.into(), range: plan.range, voided: None };
        let table = Table::new(sent.schema);
        self.reading = Some(Reading {
            events: LoadEvents::new(table, self.last_load_id, fence, request.clone(), is_first),
            is_mariadb: self.guard.as_ref().is_some_and(Session::is_mariadb),
            file,
            limit,
            plan: select_plan,
            shape: serde_json::to_string(&found.shape).ok(),
            places,
            held_until: self.options.snapshot_max.map(|most| (Instant::now() + most, most)),
            has_row_id,
            row_id: 0,
            chunks,
            left: VecDeque::new(),
            room: Vec::new(),
            workers: tasks,
        });
        Ok(())
    }
}

impl Load for Loader {
    type Error = Error;

    /// What keeps a table from being locked is known when it is tried.
    async fn blockers(&mut self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    async fn begin(
        &mut self,
        request: &LoadRequest,
        name: &TableName,
        from: Option<KeyBound>,
        delivered: &HashSet<TransactionPlace>,
    ) -> Result<Begun, Error> {
        let mut guard = match self.guard.take() {
            Some(guard) => guard,
            None => Session::open(&self.options.connection).await?,
        };
        // Whatever a wait for this lock keeps waiting in turn goes on after that.
        guard.execute("SET SESSION lock_wait_timeout = 1").await?;
        let looked = self.look(&mut guard, request, name, from).await;
        self.guard = Some(guard);
        let looked = match looked {
            Ok(Ok(looked)) => looked,
            Ok(Err(begun)) => return Ok(begun),
            Err(error) if error.number().is_some_and(|number| GONE.contains(&number)) => {
                self.guard = None;
                return Ok(Begun::Gone);
            }
            Err(error) if error.number() == Some(DEFINITION_CHANGED) => {
                self.guard = None;
                return Ok(Begun::NotYet(format!("{name} was just altered")));
            }
            Err(error) => return Err(Refusal::of_denied(error, name, self.options.connection.user())),
        };
        // The lock waited for all of them to be over.
        let limit = LogPlace::from(looked.limit);
        if delivered.iter().any(|transaction| transaction.commit >= limit) {
            return Ok(Begun::NotYet("a delivered transaction is behind the log's end".to_owned()));
        }
        self.start(looked, request, from.is_none())?;
        Ok(Begun::Reading)
    }

    fn limit(&self) -> Option<LogPlace> {
        Some(self.reading.as_ref()?.limit.into())
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
        match reading.read(batch, &mut self.spare).await {
            Ok(Some(finished)) => {
                self.reading = None;
                Ok(Read::Finished(finished))
            }
            Ok(None) => Ok(Read::More),
            Err(error) => {
                let name = reading.events.table().name().clone();
                Err(Refusal::of_denied(error, &name, self.options.connection.user()))
            }
        }
    }
}

/// `ER_TABLE_DEF_CHANGED`.
const DEFINITION_CHANGED: u16 = 1412;
/// `ER_BAD_DB_ERROR`, `ER_NO_SUCH_TABLE`.
const GONE: [u16; 2] = [1049, 1146];

fn not_decided(name: &TableName, xid: &str) -> Begun {
    Begun::NotYet(format!(
        "{name} may have been changed by the transaction {xid}, which is prepared, and neither committed nor rolled back"
    ))
}

fn is_large(found: &Found, unit_rows: u64) -> bool {
    found.rows > PARALLEL_ROWS.min(unit_rows.saturating_add(unit_rows / 2)) && found.has_snapshots()
}

/// The statement for one piece. `part`: what somebody asked for.
fn select_sql(table: &TableName, columns: &[&Column], piece: &str, part: Option<&LoadPart>) -> String {
    let selected: Vec<_> = columns.iter().map(|column| selected_sql(column)).collect();
    // On lines of its own: it may end with a comment.
    let filter = part.and_then(|part| part.filter.as_deref()).map(|filter| format!("(\n{filter}\n)"));
    let piece = Some(piece.to_owned()).filter(|piece| !piece.is_empty());
    let conditions: Vec<_> = [piece, filter].into_iter().flatten().collect();
    let condition =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    // A table all of whose columns are left out still has rows.
    let selected = if selected.is_empty() { "NULL".to_owned() } else { selected.join(", ") };
    format!("SELECT {selected} FROM {}{condition}", quote_table(table))
}

/// What is selected of a column.
pub(crate) fn selected_sql(column: &Column) -> String {
    let name = quote_name(&column.name);
    if column.type_name == "enum" { SelectPlan::enum_sql(&name) } else { name }
}

//! The events that were found and are not durable in the sink yet: read in order, and taken out once they are.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use event::{Batch, Before, Body, Cell, Event, EventPosition, PollPlace, Table};
use rusqlite::params;

use crate::canonical;
use crate::error::Error;
use crate::state::State;

/// What to do with an event, as the file has it.
pub(crate) const INSERT: i64 = 1;
pub(crate) const UPDATE: i64 = 2;
pub(crate) const DELETE: i64 = 3;

/// The sender's end of the state.
pub struct Outbox {
    state: State,
    /// By the number of their shape.
    tables: HashMap<i64, Arc<Table>>,
    /// Of each table, the shape that was sent last.
    sent_shapes: HashMap<event::TableName, i64>,
}

/// One line of it.
struct Entry {
    id: i64,
    shape: i64,
    op: i64,
    scan: u64,
    seq: u64,
    table_seq: u64,
    captured_us: i64,
    cells: Vec<u8>,
    changed: Option<Vec<u8>>,
}

/// A look-up at a time: as many as a batch usually holds.
const ENTRIES_AT_ONCE: i64 = 2048;

impl Outbox {
    /// Opens the state in a pipeline's folder, and makes it if there is none.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Ok(Self { state: State::open(folder)?, tables: HashMap::new(), sent_shapes: HashMap::new() })
    }

    /// The epoch of this history: the state's, so a lost one begins another.
    pub fn epoch(&self) -> Result<u64, Error> {
        Ok(self.state.meta("epoch")?.unwrap_or_default().unsigned_abs())
    }

    /// Makes sure that its events were sent there so far, and nowhere else: another sink lacks all that left the outbox.
    pub fn check_destination(&mut self, destination: &str) -> Result<(), Error> {
        let before = self.state.destination(destination)?;
        match before == destination {
            true => Ok(()),
            false => Err(self.state.foreign(format!(
                "its events were sent to {before} so far; the configuration says {destination} now, which lacks them. Go back \
                 to the former sink; or give this one a pipeline of its own, with a name of its own; or set the file aside, \
                 which sends all rows again"
            ))),
        }
    }

    /// Whether a full scan of a resource was ever completed.
    pub fn was_read(&self, resource: &event::TableName) -> Result<bool, Error> {
        self.state.was_read(resource)
    }

    /// Appends the events after the one of this number until the batch is full or no more are there; the number of the
    /// last one, and whether there may be more.
    pub fn fill(&mut self, after: i64, batch: &mut Batch) -> Result<(i64, bool), Error> {
        let mut last = after;
        loop {
            let entries = self.entries(last)?;
            let are_all = (entries.len() as i64) < ENTRIES_AT_ONCE;
            for entry in entries {
                self.push(&entry, batch)?;
                last = entry.id;
                if batch.is_full() {
                    return Ok((last, true));
                }
            }
            if are_all {
                return Ok((last, false));
            }
        }
    }

    /// Forgets the events up to this one: they are durable in the sink.
    pub fn delivered(&mut self, through: i64) -> Result<(), Error> {
        self.state
            .write(|transaction| transaction.execute("DELETE FROM outbox WHERE id <= ?1", [through]))?;
        Ok(())
    }

    /// How many events are there.
    pub fn len(&self) -> Result<u64, Error> {
        let count = self.state.connection.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0));
        count.map_err(self.state.failed())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    fn entries(&self, after: i64) -> Result<Vec<Entry>, Error> {
        let read = || {
            let mut select = self.state.connection.prepare_cached(
                "SELECT id, shape, op, scan, seq, table_seq, captured_us, cells, changed FROM outbox WHERE id > ?1 \
                 ORDER BY id LIMIT ?2",
            )?;
            let entries = select.query_map(params![after, ENTRIES_AT_ONCE], |row| {
                Ok(Entry {
                    id: row.get(0)?,
                    shape: row.get(1)?,
                    op: row.get(2)?,
                    scan: row.get(3)?,
                    seq: row.get(4)?,
                    table_seq: row.get(5)?,
                    captured_us: row.get(6)?,
                    cells: row.get(7)?,
                    changed: row.get(8)?,
                })
            })?;
            entries.collect::<rusqlite::Result<Vec<Entry>>>()
        };
        read().map_err(self.state.failed())
    }

    fn push(&mut self, entry: &Entry, batch: &mut Batch) -> Result<(), Error> {
        let table = self.table(entry.shape)?;
        let broken = || self.state.foreign(format!("event {} can't be read", entry.id));
        let cells = canonical::read(&entry.cells).ok_or_else(broken)?;
        let changed = entry.changed.as_deref().map(positions);
        let place = PollPlace { scan: entry.scan, seq: entry.seq, changed: changed.as_deref() };
        let event = |body| Event {
            position: EventPosition::Poll(place),
            transaction: None,
            captured_time_us: entry.captured_us,
            body,
        };
        if self.sent_shapes.get(table.name()) != Some(&entry.shape) {
            self.sent_shapes.insert(table.name().clone(), entry.shape);
            batch.push(&event(Body::Schema { table: &table, load: None, part: 0 }));
        }
        let table_seq = entry.table_seq;
        match entry.op {
            INSERT => {
                batch.push(&event(Body::Insert {
                    table: &table,
                    table_seq,
                    after: &cells,
                    key_change: false,
                    fetched: &[],
                }));
            }
            UPDATE => {
                batch.push(&event(Body::Update {
                    table: &table,
                    table_seq,
                    before: Before::None,
                    after: &cells,
                    fetched: &[],
                }));
            }
            DELETE => {
                // The key alone is kept of a row.
                let mut row = vec![Cell::Omitted; table.schema.columns.len()];
                for (position, cell) in table.schema.key.iter().zip(cells) {
                    if let Some(place) = row.get_mut(*position) {
                        *place = cell;
                    }
                }
                batch.push(&event(Body::Delete {
                    table: &table,
                    table_seq,
                    before: Before::Key(&row),
                    key_change: false,
                }));
            }
            _ => return Err(broken()),
        }
        Ok(())
    }

    fn table(&mut self, shape: i64) -> Result<Arc<Table>, Error> {
        if let Some(table) = self.tables.get(&shape) {
            return Ok(Arc::clone(table));
        }
        let schema = self.state.shape(shape)?;
        let mut table = Table::new(schema.as_ref().clone());
        // One route a table, whatever its shape: batches number routes by their address.
        if let Some(other) = self.tables.values().find(|other| other.name() == table.name()) {
            table.route = Arc::clone(&other.route);
        }
        let table = Arc::new(table);
        self.tables.insert(shape, Arc::clone(&table));
        Ok(table)
    }
}

/// Positions of columns, two bytes each.
pub(crate) fn positions_bytes(positions: &[usize]) -> Vec<u8> {
    positions.iter().flat_map(|position| (*position as u16).to_be_bytes()).collect()
}

fn positions(bytes: &[u8]) -> Vec<usize> {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair).into()).collect()
}

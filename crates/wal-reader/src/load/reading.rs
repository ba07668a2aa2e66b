use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use decoder::ColumnType;
use event::{Batch, Body, Cell, Event, EventPosition, Fence, KeyRange, LoadRef, LoadRequest, Table};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::refusal::Refusal;
use crate::row::emptied;
use crate::wire::{Connection, CopyRows};
use crate::{Error, clock, part};

/// A unit that is being read.
pub(super) struct Reading {
    pub(super) table: Table,
    pub(super) types: Vec<ColumnType>,
    /// Where each cell that is read stands in the row, if not all are.
    pub(super) places: Option<Vec<usize>>,
    pub(super) request: LoadRequest,
    /// Whether this is the table's first unit.
    pub(super) is_first: bool,
    /// Rows that something newer was sent of meanwhile, by their message keys.
    pub(super) overtaken: HashSet<Vec<u8>>,
    /// When the snapshot has been held for as long as it may.
    pub(super) held_until: Option<(Instant, Duration)>,
    /// Lines begin with the row's place.
    pub(super) has_row_id: bool,
    pub(super) load_id: String,
    pub(super) fence: Fence,
    pub(super) rows: u64,
    pub(super) is_announced: bool,
    pub(super) chunks: mpsc::Receiver<Chunk>,
    /// What of the last chunk did not fit the last batch.
    pub(super) left: Chunk,
    /// Room for a row's cells, which goes from row to row.
    pub(super) room: Vec<Cell<'static>>,
    pub(super) workers: JoinSet<Result<Connection, Error>>,
}

/// Rows that a worker hands over at once.
pub(super) type Chunk = VecDeque<CopyRows>;

impl Reading {
    /// Says once what is read: the table's shape, and that its load begins.
    pub(super) fn announce(&mut self, batch: &mut Batch) {
        if self.is_announced {
            return;
        }
        self.is_announced = true;
        let load = load_ref(&self.load_id, &self.fence);
        let table = &self.table;
        let now_us = clock::now_us();
        batch.push(&self.event(Body::Schema { table, load: Some(load), part: 0 }, now_us));
        if self.request.truncate_first && self.is_first {
            let body = Body::Truncate { table, load: Some(load), table_seq: 0, part: 0 };
            batch.push(&self.event(body, now_us));
        }
        let body = Body::LoadBegin { table, load, part: self.request.part.as_ref() };
        batch.push(&self.event(body, now_us));
    }

    /// The next rows of whichever worker has some, as long as the snapshot may be held.
    pub(super) async fn next_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        let Some((until, most)) = self.held_until else { return Ok(self.chunks.recv().await) };
        match tokio::time::timeout_at(until, self.chunks.recv()).await {
            Ok(chunk) if Instant::now() < until => Ok(chunk),
            _ => {
                let (table, minutes) = (self.table.name().clone(), most.as_secs() / 60);
                Err(Refusal::SnapshotTooLong { table, minutes }.into())
            }
        }
    }

    /// Pushes what is left of the last chunk, until the batch is full; whether it is.
    pub(super) fn push_left(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let captured_time_us = clock::now_us();
        while let Some(mut rows) = self.left.pop_front() {
            while let Some(line) = rows.next_row() {
                self.push(line, captured_time_us, batch)?;
                if batch.is_full() {
                    // Used up, it would only take room until the batch is on its way.
                    if !rows.is_empty() {
                        self.left.push_front(rows);
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn push(&mut self, line: &[u8], captured_time_us: i64, batch: &mut Batch) -> Result<(), Error> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (row_id, line) = if self.has_row_id { split_row_id(line) } else { (None, line) };
        let mut cells = emptied(std::mem::take(&mut self.room));
        decoder::copy::row(&self.types, line, &mut cells).map_err(|error| self.not_decoded(error))?;
        if let Some(places) = &self.places {
            cells = part::spread(cells, places, self.table.schema.columns.len());
        }
        let body = Body::Read {
            table: &self.table,
            load: load_ref(&self.load_id, &self.fence),
            seq: self.rows + 1,
            after: &cells,
            row_id,
        };
        let event = self.event(body, captured_time_us);
        let is_overtaken = !self.overtaken.is_empty()
            && batch.key_of(&event).is_some_and(|key| self.overtaken.contains(&key));
        if !is_overtaken {
            batch.push(&event);
            self.rows += 1;
        }
        self.room = emptied(cells);
        Ok(())
    }

    /// Says that this was all.
    pub(super) fn end(&mut self, batch: &mut Batch) {
        // It would say that all that was not read is gone.
        if self.request.part.is_some() {
            return;
        }
        let load = load_ref(&self.load_id, &self.fence);
        let body = Body::LoadEnd { table: &self.table, load, rows: self.rows };
        batch.push(&self.event(body, clock::now_us()));
    }

    fn event<'a>(&self, body: Body<'a>, captured_time_us: i64) -> Event<'a> {
        let limit = self.fence.limit;
        Event {
            position: EventPosition::Postgres { commit: limit, own: limit },
            transaction: None,
            captured_time_us,
            body,
        }
    }

    fn not_decoded(&self, error: decoder::Error) -> Error {
        Refusal::Decoding { position: self.fence.limit, error }.into()
    }
}

fn load_ref<'a>(id: &'a str, fence: &'a Fence) -> LoadRef<'a> {
    LoadRef { id, range: fence.range.as_ref().filter(|range| !is_open(range)) }
}

fn is_open(range: &KeyRange) -> bool {
    range.from.is_none() && range.to.is_none()
}

/// The place of a row without a key stands before its columns; none of its characters is ever escaped.
fn split_row_id(line: &[u8]) -> (Option<&str>, &[u8]) {
    let end = memchr::memchr(b'\t', line).unwrap_or(line.len());
    let (row_id, rest) = line.split_at(end);
    (str::from_utf8(row_id).ok(), rest.get(1..).unwrap_or_default())
}

use std::collections::VecDeque;
use std::time::Duration;

use decoder::ColumnType;
use event::{Batch, Cell, EventPosition, LoadEvents, LoadMoment, LoadPart, LogPlace, Lsn};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::refusal::Refusal;
use crate::wire::{Connection, CopyRows};
use crate::{Error, clock};

/// A unit that is being read.
pub(super) struct Reading {
    pub(super) events: LoadEvents,
    pub(super) types: Vec<ColumnType>,
    /// Where each cell that is read stands in the row, if not all are.
    pub(super) places: Option<Vec<usize>>,
    /// When the snapshot has been held for as long as it may.
    pub(super) held_until: Option<(Instant, Duration)>,
    /// Lines begin with the row's place.
    pub(super) has_row_id: bool,
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
        self.events.announce(self.moment(clock::now_us()), batch);
    }

    /// The next rows of whichever worker has some, as long as the snapshot may be held.
    pub(super) async fn next_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        let Some((until, most)) = self.held_until else { return Ok(self.chunks.recv().await) };
        match tokio::time::timeout_at(until, self.chunks.recv()).await {
            Ok(chunk) if Instant::now() < until => Ok(chunk),
            _ => {
                let (table, minutes) = (self.events.table().name().clone(), most.as_secs() / 60);
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
        let mut cells = Cell::emptied(std::mem::take(&mut self.room));
        decoder::copy::row(&self.types, line, &mut cells).map_err(|error| self.not_decoded(error))?;
        if let Some(places) = &self.places {
            cells = LoadPart::spread(cells, places, self.events.table().schema.columns.len());
        }
        self.events.row(&cells, row_id, self.moment(captured_time_us), batch);
        self.room = Cell::emptied(cells);
        Ok(())
    }

    /// Says that this was all.
    pub(super) fn end(&self, batch: &mut Batch) {
        self.events.end(self.moment(clock::now_us()), batch);
    }

    fn moment(&self, captured_time_us: i64) -> LoadMoment<'static> {
        let limit = self.limit();
        LoadMoment { position: EventPosition::Postgres { commit: limit, own: limit }, captured_time_us }
    }

    fn not_decoded(&self, error: decoder::Error) -> Error {
        Refusal::Decoding { position: self.limit(), error }.into()
    }

    fn limit(&self) -> Lsn {
        match self.events.fence().limit {
            LogPlace::Postgres(limit) => limit,
            LogPlace::Binlog(_) => Lsn::ZERO,
        }
    }
}

/// The place of a row without a key stands before its columns; none of its characters is ever escaped.
fn split_row_id(line: &[u8]) -> (Option<&str>, &[u8]) {
    let end = memchr::memchr(b'\t', line).unwrap_or(line.len());
    let (row_id, rest) = line.split_at(end);
    (str::from_utf8(row_id).ok(), rest.get(1..).unwrap_or_default())
}

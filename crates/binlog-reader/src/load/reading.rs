use std::time::Duration;

use decoder::binlog::{SelectPlan, Selected};
use event::{
    Batch, BinlogOffset, BinlogPlace, Cell, EventPosition, Finished, LoadEvents, LoadMoment, LoadPart,
};
use mysql_async::{Row, Value};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::worker::Chunk;
use crate::clock;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::session::Session;

/// A unit that is being read.
pub(super) struct Reading {
    pub(super) events: LoadEvents,
    pub(super) is_mariadb: bool,
    /// Where the log was as the unit was begun: the file …
    pub(super) file: String,
    /// … and the place.
    pub(super) limit: BinlogOffset,
    pub(super) plan: SelectPlan,
    /// The table's, as it is written down.
    pub(super) shape: Option<String>,
    /// Where each cell that is read stands in the row, if not all are.
    pub(super) places: Option<Vec<usize>>,
    /// When the snapshot has been held for as long as it may.
    pub(super) held_until: Option<(Instant, Duration)>,
    /// Rows have no key of their own, and are told apart by their number in this load.
    pub(super) has_row_id: bool,
    pub(super) row_id: u64,
    pub(super) chunks: mpsc::Receiver<Chunk>,
    /// What of the last chunk did not fit the last batch.
    pub(super) left: Chunk,
    /// Room for a row's cells, which goes from row to row.
    pub(super) room: Vec<Cell<'static>>,
    pub(super) workers: JoinSet<Result<Session, Error>>,
}

impl Reading {
    /// Appends rows until the batch is full, or the unit is over: then workers are spare again. Cancel-safe.
    pub(super) async fn read(
        &mut self,
        batch: &mut Batch,
        spare: &mut Vec<Session>,
    ) -> Result<Option<Finished>, Error> {
        self.events.announce(moment(self.is_mariadb, &self.file, self.limit), batch);
        loop {
            if self.push_left(batch)? {
                return Ok(None);
            }
            match self.next_chunk().await? {
                Some(chunk) => self.left = chunk,
                None => break,
            }
        }
        while let Some(worker) = self.workers.join_next().await {
            spare.push(worker.map_err(|_| Error::LoadBrokeOff)??);
        }
        self.events.end(moment(self.is_mariadb, &self.file, self.limit), batch);
        Ok(Some(Finished { shape: self.shape.take(), ..self.events.finished() }))
    }

    /// The next rows of whichever worker has some, as long as the snapshot may be held.
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, Error> {
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
    fn push_left(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        while let Some(row) = self.left.pop_front() {
            self.push(&row, batch)?;
            if batch.is_full() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn push(&mut self, row: &Row, batch: &mut Batch) -> Result<(), Error> {
        let mut cells = Cell::emptied(std::mem::take(&mut self.room));
        self.plan
            .cells((0..row.len()).map(|column| selected(row.as_ref(column))), &mut cells)
            .map_err(|error| Refusal::Decoding { place: self.limit.to_string(), error })?;
        if let Some(places) = &self.places {
            cells = LoadPart::spread(cells, places, self.events.table().schema.columns.len());
        }
        self.row_id += 1;
        let row_id = self.has_row_id.then(|| self.row_id.to_string());
        let moment = moment(self.is_mariadb, &self.file, self.limit);
        self.events.row(&cells, row_id.as_deref(), moment, batch);
        self.room = Cell::emptied(cells);
        Ok(())
    }
}

fn moment(is_mariadb: bool, file: &str, limit: BinlogOffset) -> LoadMoment<'_> {
    let place = BinlogPlace { gtid: "", file, transaction: limit, offset: limit.offset, server_id: 0 };
    let position = if is_mariadb { EventPosition::Mariadb(place) } else { EventPosition::Mysql(place) };
    LoadMoment { position, captured_time_us: clock::now_us() }
}

/// A value as the decoder takes it.
pub(crate) fn selected(value: Option<&Value>) -> Selected<'_> {
    match value {
        None | Some(Value::NULL) => Selected::Null,
        Some(Value::Int(value)) => Selected::Int(*value),
        Some(Value::UInt(value)) => Selected::Uint(*value),
        Some(Value::Float(value)) => Selected::Float(*value),
        Some(Value::Double(value)) => Selected::Double(*value),
        Some(Value::Bytes(bytes)) => Selected::Bytes(bytes),
        Some(Value::Date(year, month, day, hour, minute, second, fraction_us)) => Selected::Datetime {
            year: *year,
            month: *month,
            day: *day,
            hour: *hour,
            minute: *minute,
            second: *second,
            fraction_us: *fraction_us,
        },
        Some(Value::Time(is_negative, days, hours, minute, second, fraction_us)) => Selected::Time {
            is_negative: *is_negative,
            hours: days * 24 + u32::from(*hours),
            minute: *minute,
            second: *second,
            fraction_us: *fraction_us,
        },
    }
}

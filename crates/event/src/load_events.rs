use std::collections::HashSet;

use crate::{
    Batch, Body, Cell, Event, EventPosition, Fence, Finished, KeyRange, LoadRef, LoadRequest, Table,
};

/// What a unit's reading says, whoever reads it: that it begins, each row, that it ends.
///
/// A load's number is new at every attempt, so that nobody takes its rows for those of an earlier one.
#[derive(Debug)]
pub struct LoadEvents {
    table: Table,
    load_id: String,
    fence: Fence,
    request: LoadRequest,
    /// Whether this is the table's first unit.
    is_first: bool,
    /// Rows that something newer was sent of meanwhile, by their message keys.
    overtaken: HashSet<Vec<u8>>,
    rows: u64,
    is_announced: bool,
}

/// Where a unit's events stand, and when they are made.
#[derive(Clone, Copy, Debug)]
pub struct LoadMoment<'a> {
    /// The place in the log that the reading was begun at.
    pub position: EventPosition<'a>,
    /// In microseconds since 1970-01-01T00:00:00Z.
    pub captured_time_us: i64,
}

impl LoadEvents {
    /// Of a unit that is about to be read.
    pub fn new(table: Table, number: i64, fence: Fence, request: LoadRequest, is_first: bool) -> Self {
        Self {
            table,
            load_id: format!("{number:x}"),
            fence,
            request,
            is_first,
            overtaken: HashSet::new(),
            rows: 0,
            is_announced: false,
        }
    }

    /// The table as it is sent.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What the reading contains.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Leaves out the rows with these message keys.
    pub fn leave_out(&mut self, keys: HashSet<Vec<u8>>) {
        self.overtaken = keys;
    }

    /// Says once what is read: the table's shape, and that its load begins.
    pub fn announce(&mut self, moment: LoadMoment<'_>, batch: &mut Batch) {
        if self.is_announced {
            return;
        }
        self.is_announced = true;
        let (table, load) = (&self.table, load_ref(&self.load_id, &self.fence));
        batch.push(&moment.event(Body::Schema { table, load: Some(load), part: 0 }));
        if self.request.truncate_first && self.is_first {
            batch.push(&moment.event(Body::Truncate { table, load: Some(load), table_seq: 0, part: 0 }));
        }
        batch.push(&moment.event(Body::LoadBegin { table, load, part: self.request.part.as_ref() }));
    }

    /// Says a row. `row_id` names it where its key does not.
    pub fn row(
        &mut self,
        after: &[Cell<'_>],
        row_id: Option<&str>,
        moment: LoadMoment<'_>,
        batch: &mut Batch,
    ) {
        let load = load_ref(&self.load_id, &self.fence);
        let body = Body::Read { table: &self.table, load, seq: self.rows + 1, after, row_id };
        let event = moment.event(body);
        let is_overtaken = !self.overtaken.is_empty()
            && batch.key_of(&event).is_some_and(|key| self.overtaken.contains(&key));
        if !is_overtaken {
            batch.push(&event);
            self.rows += 1;
        }
    }

    /// Says that this was all, unless it was a part: that would say that all that was not read is gone.
    pub fn end(&self, moment: LoadMoment<'_>, batch: &mut Batch) {
        if self.request.part.is_none() {
            let load = load_ref(&self.load_id, &self.fence);
            batch.push(&moment.event(Body::LoadEnd { table: &self.table, load, rows: self.rows }));
        }
    }

    /// The unit, read to its end; without a shape.
    pub fn finished(&self) -> Finished {
        Finished {
            table: self.table.name().clone(),
            next: self.fence.range.as_ref().and_then(|range| range.to),
            fence: self.fence.clone(),
            rows: self.rows,
            shape: None,
        }
    }
}

impl<'a> LoadMoment<'a> {
    fn event(self, body: Body<'a>) -> Event<'a> {
        let Self { position, captured_time_us } = self;
        Event { position, transaction: None, captured_time_us, body }
    }
}

fn load_ref<'a>(id: &'a str, fence: &'a Fence) -> LoadRef<'a> {
    LoadRef { id, range: fence.range.as_ref().filter(|range| !is_open(range)) }
}

fn is_open(range: &KeyRange) -> bool {
    range.from.is_none() && range.to.is_none()
}

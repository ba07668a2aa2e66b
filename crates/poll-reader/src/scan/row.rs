//! Rows of a page of texts, as cells and in canonical form.

use event::Cell;
use odbc_api::buffers::TextRowSet;

use crate::canonical;
use crate::error::Error;
use crate::plan::Plan;
use crate::typed;

/// A row's cells in canonical form, and where each ends.
#[derive(Default)]
pub(super) struct Canonical {
    pub(super) bytes: Vec<u8>,
    pub(super) places: Vec<usize>,
}

impl Canonical {
    pub(super) fn push(&mut self, cell: &Cell<'_>) {
        canonical::write(cell, &mut self.bytes);
        self.places.push(self.bytes.len());
    }

    pub(super) fn cell(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).and_then(|before| self.places.get(before)).copied().unwrap_or(0);
        self.places.get(number).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default()
    }
}

/// Makes rows of a page of texts.
pub(super) struct RowReader {
    row: Canonical,
    is_key: Vec<bool>,
    /// Room that goes from row to row.
    room: Vec<Cell<'static>>,
}

impl RowReader {
    /// Of the key, all but the first so many columns are never NULL.
    pub(super) fn new(plan: &Plan, nullable: usize) -> Self {
        let is_key = |position: usize| plan.schema.key.iter().skip(nullable).any(|key| *key == position);
        let is_key = (0..plan.columns.len()).map(is_key).collect();
        Self { row: Canonical::default(), is_key, room: Vec::new() }
    }

    pub(super) fn read(
        &mut self,
        plan: &Plan,
        page: &TextRowSet,
        number: usize,
        take: impl FnOnce(&[Cell<'_>], &mut Canonical) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut cells = Cell::emptied(std::mem::take(&mut self.room));
        self.row.bytes.clear();
        self.row.places.clear();
        for (position, asked) in plan.columns.iter().enumerate() {
            let cell =
                typed::cell(&asked.reading, page.at(position, number)).map_err(|problem| Error::Value {
                    resource: plan.schema.name.clone(),
                    column: asked.column.name.clone(),
                    problem,
                })?;
            if cell == Cell::Null && self.is_key.get(position) == Some(&true) {
                return Err(Error::NullKey {
                    resource: plan.schema.name.clone(),
                    columns: asked.column.name.clone(),
                });
            }
            self.row.push(&cell);
            cells.push(cell);
        }
        take(&cells, &mut self.row)?;
        self.room = Cell::emptied(cells);
        Ok(())
    }
}

use std::borrow::Cow;

use event::{Cell, Use};

use super::compressed::inflate;
use super::cursor::{Cursor, bit};
use super::plan::RowPlan;
use super::table_map::TableMap;
use super::{kind, value};
use crate::Error;

/// Rows that one statement inserted, updated or deleted, or a part of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<'a> {
    /// The number of the [`TableMap`] that says how they are stored.
    pub table_id: u64,
    /// What became of them.
    pub kind: RowsKind,
    /// Whether this is the statement's last event of rows: then no table's number is used again.
    pub ends_statement: bool,
    columns: usize,
    /// Which columns the first image of each row has.
    present: &'a [u8],
    /// Which columns an update's second image has.
    present_after: &'a [u8],
    images: Cow<'a, [u8]>,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsKind {
    /// They came to be: one image each.
    Insert,
    /// They changed: an image before and one after.
    Update,
    /// They changed, and of some JSON columns only the difference is there (`binlog_row_value_options=PARTIAL_JSON`).
    PartialUpdate,
    /// They went: one image each.
    Delete,
}

/// How an event of rows is written.
#[derive(Clone, Copy)]
pub(super) struct Form {
    kind: RowsKind,
    has_extra: bool,
    is_compressed: bool,
}

impl RowsKind {
    /// None for an event of another kind.
    pub(super) fn of(event: u8) -> Option<Form> {
        let (kind, has_extra, is_compressed) = match event {
            kind::WRITE_ROWS_V1 => (Self::Insert, false, false),
            kind::UPDATE_ROWS_V1 => (Self::Update, false, false),
            kind::DELETE_ROWS_V1 => (Self::Delete, false, false),
            kind::WRITE_ROWS => (Self::Insert, true, false),
            kind::UPDATE_ROWS => (Self::Update, true, false),
            kind::DELETE_ROWS => (Self::Delete, true, false),
            kind::PARTIAL_UPDATE_ROWS => (Self::PartialUpdate, true, false),
            kind::WRITE_ROWS_COMPRESSED_V1 => (Self::Insert, false, true),
            kind::UPDATE_ROWS_COMPRESSED_V1 => (Self::Update, false, true),
            kind::DELETE_ROWS_COMPRESSED_V1 => (Self::Delete, false, true),
            kind::WRITE_ROWS_COMPRESSED => (Self::Insert, true, true),
            kind::UPDATE_ROWS_COMPRESSED => (Self::Update, true, true),
            kind::DELETE_ROWS_COMPRESSED => (Self::Delete, true, true),
            _ => return None,
        };
        Some(Form { kind, has_extra, is_compressed })
    }

    fn is_update(self) -> bool {
        matches!(self, Self::Update | Self::PartialUpdate)
    }
}

impl<'a> Rows<'a> {
    const ENDS_STATEMENT: u16 = 1;

    pub(super) fn parse(form: Form, body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body, "rows");
        let table_id = cursor.uint(TableMap::TABLE_ID_LEN, "a table's number")?;
        let flags = cursor.u16("flags")?;
        if form.has_extra {
            let before = cursor.clone();
            // With its own two bytes.
            let extra = usize::from(cursor.u16("a length")?).checked_sub(2);
            cursor.bytes(extra.ok_or_else(|| before.error("a length of 2 or more"))?, "extra data")?;
        }
        let columns = cursor.packed_len("a count of columns")?;
        let present = cursor.bytes(columns.div_ceil(8), "which columns are there")?;
        let present_after = match form.kind.is_update() {
            true => cursor.bytes(columns.div_ceil(8), "which columns are there")?,
            false => present,
        };
        let images = match form.is_compressed && !cursor.is_at_end() {
            true => inflate(cursor.rest(), "compressed rows")?.into(),
            false => cursor.rest().into(),
        };
        let ends_statement = flags & Self::ENDS_STATEMENT != 0;
        Ok(Self { table_id, kind: form.kind, ends_statement, columns, present, present_after, images })
    }

    /// Whether there is no row: an event that only ends a statement.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Whether rows came to be.
    pub fn is_insert(&self) -> bool {
        self.kind == RowsKind::Insert
    }

    /// Whether the images of rows as they are afterwards have this column; those of rows that went have none.
    pub fn has_after(&self, column: usize) -> bool {
        self.kind != RowsKind::Delete && bit(self.present_after, column)
    }

    /// Whether it says, before or after, what this column holds afterwards unless it was changed. Of a document, a
    /// difference may be all that is said.
    pub fn tells(&self, column: usize) -> bool {
        match self.kind {
            RowsKind::Insert | RowsKind::Delete => bit(self.present, column),
            RowsKind::Update => bit(self.present, column) || bit(self.present_after, column),
            RowsKind::PartialUpdate => bit(self.present, column),
        }
    }

    /// Its rows, to be read with the plan of the table map that has its number.
    pub fn changes<'r>(&'r self, plan: &'r RowPlan) -> Result<Changes<'r>, Error> {
        if self.columns != plan.columns.len() && !self.is_empty() {
            return Err(Error::ColumnCount { expected: plan.columns.len(), found: self.columns });
        }
        let images = Cursor::new(&self.images, "rows");
        Ok(Changes { rows: self, plan, images })
    }
}

/// Hands out one row's images after the other.
#[derive(Clone, Debug)]
pub struct Changes<'r> {
    rows: &'r Rows<'r>,
    plan: &'r RowPlan,
    images: Cursor<'r>,
}

impl<'r> Changes<'r> {
    /// Appends the next row's cells, one a column that is not excluded; false at the end. Before is empty for an insert,
    /// after for a delete. What an image does not have is `Omitted`, as is a document of which only a difference from one
    /// that is not there came.
    #[inline]
    pub fn read(&mut self, before: &mut Vec<Cell<'r>>, after: &mut Vec<Cell<'r>>) -> Result<bool, Error> {
        if self.images.is_at_end() {
            return Ok(false);
        }
        let left = self.images.rest().len();
        match self.rows.kind {
            RowsKind::Insert => self.image(self.rows.present, after)?,
            RowsKind::Delete => self.image(self.rows.present, before)?,
            RowsKind::Update => {
                self.image(self.rows.present, before)?;
                self.image(self.rows.present_after, after)?;
            }
            RowsKind::PartialUpdate => {
                let first = self.images.clone();
                self.image(self.rows.present, before)?;
                self.partial_image(first, after)?;
            }
        }
        // Images of no column have no bytes: there would be rows without end.
        if self.images.rest().len() == left {
            return Err(self.images.error("an image of one column or more"));
        }
        Ok(true)
    }

    #[inline]
    fn image(&mut self, present: &[u8], cells: &mut Vec<Cell<'r>>) -> Result<(), Error> {
        let nulls = self.nulls(present)?;
        let mut place = 0;
        cells.reserve(self.plan.columns.len());
        for (number, column) in self.plan.columns.iter().enumerate() {
            let is_there = bit(present, number);
            place += usize::from(is_there);
            let is_stored = is_there && !bit(nulls, place - 1);
            let cell = match column.by {
                Use::Sent if is_stored => column.value(&mut self.images)?,
                Use::Excluded => {
                    if is_stored {
                        column.skip(&mut self.images)?;
                    }
                    continue;
                }
                Use::Masked(mask) if is_stored => column.masked(mask, &mut self.images)?,
                _ if is_there => Cell::Null,
                _ => Cell::Omitted,
            };
            cells.push(cell);
        }
        Ok(())
    }

    /// One bit for each column that is there.
    #[inline]
    fn nulls(&mut self, present: &[u8]) -> Result<&'r [u8], Error> {
        let count = match present.split_last() {
            // Beyond the last column the bits mean nothing.
            Some((last, whole)) => {
                let used = 0xFF >> (7 - (self.rows.columns + 7) % 8);
                whole.iter().map(|byte| byte.count_ones()).sum::<u32>() + (last & used).count_ones()
            }
            None => 0,
        };
        self.images.bytes(count.div_ceil(8) as usize, "which columns are null")
    }

    /// Before the image stand options and, if they say so, a bit for each of the table's JSON columns, whether it is in the
    /// image or not (`unpack_row` in rpl_record.cc).
    fn partial_image(&mut self, mut first: Cursor<'r>, cells: &mut Vec<Cell<'r>>) -> Result<(), Error> {
        const PARTIAL_JSON: u64 = 1;
        let before = self.images.clone();
        let options = self.images.packed("options")?;
        let partial: &[u8] = match options {
            0 => &[],
            PARTIAL_JSON => {
                let documents = self.plan.columns.iter().filter(|column| column.is_json()).count();
                self.images.bytes(documents.div_ceil(8), "which documents are differences")?
            }
            _ => return Err(before.error("options that are known: the server is too new")),
        };
        let nulls = self.nulls(self.rows.present_after)?;
        let bases = self.documents(&mut first)?;
        let (mut place, mut document) = (0, 0);
        for (number, column) in self.plan.columns.iter().enumerate() {
            let is_difference = column.is_json() && {
                document += 1;
                bit(partial, document - 1)
            };
            let cell = if !bit(self.rows.present_after, number) {
                Cell::Omitted
            } else {
                place += 1;
                match (bit(nulls, place - 1), is_difference) {
                    (true, _) => Cell::Null,
                    (false, false) if column.by == Use::Excluded => {
                        column.skip(&mut self.images)?;
                        Cell::Omitted
                    }
                    (false, false) => column.value(&mut self.images)?,
                    (false, true) => {
                        let base = bases.get(document - 1).copied().flatten();
                        value::json_difference(base, &mut self.images)?
                    }
                }
            };
            match column.by {
                Use::Sent => cells.push(cell),
                Use::Masked(mask) => cells.push(value::mask(mask, cell)),
                Use::Excluded => {}
            }
        }
        Ok(())
    }

    /// The documents of the image before, as they are stored, one for each of the table's JSON columns.
    fn documents(&self, first: &mut Cursor<'r>) -> Result<Vec<Option<&'r [u8]>>, Error> {
        let mut image = Self { images: first.clone(), ..self.clone() };
        let nulls = image.nulls(self.rows.present)?;
        let mut documents = Vec::new();
        let mut place = 0;
        for (number, column) in self.plan.columns.iter().enumerate() {
            let mut stored = None;
            if bit(self.rows.present, number) {
                place += 1;
                if !bit(nulls, place - 1) {
                    match column.is_json() {
                        true => stored = Some(column.json(&mut image.images)?),
                        false => column.skip(&mut image.images)?,
                    }
                }
            }
            if column.is_json() {
                documents.push(stored);
            }
        }
        Ok(documents)
    }
}

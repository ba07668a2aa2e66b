//! One row's change: from its images to one event, or to two where the key changed.

use decoder::binlog::{Changes, RowsKind};
use event::{Before, Cell, RowEvents, RowPart, Table};

/// A row's change as cells. Made once for all rows of an event: in the long run a row costs no allocation.
pub(crate) struct Decoded<'a> {
    kind: RowsKind,
    parts: &'static [RowPart],
    before: Vec<Cell<'a>>,
    after: Vec<Cell<'a>>,
    /// The positions of cells that the log does not have, and that were looked up.
    fetched: Vec<usize>,
    /// Whether the images before are the key alone (`binlog_row_image = MINIMAL`): the same for all rows of an event.
    is_key_alone: Option<bool>,
}

/// Room for cells that goes from event to event.
#[derive(Default)]
pub(crate) struct Room {
    before: Vec<Cell<'static>>,
    after: Vec<Cell<'static>>,
}

impl Room {
    /// Takes back what rows were decoded into.
    pub(crate) fn take_back(&mut self, decoded: Decoded<'_>) {
        *self = Self { before: Cell::emptied(decoded.before), after: Cell::emptied(decoded.after) };
    }
}

impl<'a> Decoded<'a> {
    /// Room for the rows of an event.
    pub(crate) fn new(kind: RowsKind, room: &mut Room) -> Self {
        let Room { before, after } = std::mem::take(room);
        Self {
            kind,
            parts: &[],
            before: Cell::emptied(before),
            after: Cell::emptied(after),
            fetched: Vec::new(),
            is_key_alone: None,
        }
    }

    /// Reads the next row; false at the end.
    #[inline]
    pub(crate) fn read(&mut self, rows: &mut Changes<'a>, table: &Table) -> Result<bool, decoder::Error> {
        self.before.clear();
        self.after.clear();
        self.fetched.clear();
        if !rows.read(&mut self.before, &mut self.after)? {
            return Ok(false);
        }
        if self.is_key_alone.is_none() {
            self.is_key_alone = Some(is_key_alone(&self.before, table));
        }
        self.parts = match self.kind {
            RowsKind::Insert => &[RowPart::Insert],
            RowsKind::Delete => &[RowPart::Delete],
            RowsKind::Update | RowsKind::PartialUpdate => {
                self.fill_key(table);
                if self.changes_key(table) {
                    self.fill_unchanged();
                    RowPart::KEY_CHANGE
                } else {
                    &[RowPart::Update]
                }
            }
        };
        Ok(true)
    }

    /// What an image after leaves out (`binlog_row_image`) did not change: the key is in the image before.
    fn fill_key(&mut self, table: &Table) {
        for position in &table.schema.key {
            if let (Some(after @ Cell::Omitted), Some(before)) =
                (self.after.get_mut(*position), self.before.get(*position))
            {
                *after = before.clone();
            }
        }
    }

    /// Under its new key nobody has seen the row before.
    fn fill_unchanged(&mut self) {
        for (after, before) in self.after.iter_mut().zip(&self.before) {
            if *after == Cell::Omitted {
                *after = before.clone();
            }
        }
    }

    /// Takes from a row that was looked up what the log does not have of it.
    pub(crate) fn complete(&mut self, found: Vec<Cell<'a>>) {
        for (position, (after, found)) in self.after.iter_mut().zip(found).enumerate() {
            if *after == Cell::Omitted {
                *after = found;
                self.fetched.push(position);
            }
        }
    }

    fn changes_key(&self, table: &Table) -> bool {
        table.has_key() && table.key_of(&self.before).ne(table.key_of(&self.after))
    }

    /// Whether an image lacks a part of the key, so that its row can't be told from others.
    pub(crate) fn lacks_key(&self, table: &Table) -> bool {
        let lacks =
            |row: &[Cell<'_>]| !row.is_empty() && table.key_of(row).any(|cell| matches!(cell, Cell::Omitted));
        table.has_key() && (lacks(&self.before) || lacks(&self.after))
    }

    /// What becomes of it.
    #[inline]
    pub(crate) fn events(&self) -> RowEvents<'_> {
        RowEvents { parts: self.parts, before: self.before(), after: &self.after, fetched: &self.fetched }
    }

    /// What NOBLOB leaves out says so in its cells.
    fn before(&self) -> Before<'_> {
        match (self.before.is_empty(), self.is_key_alone) {
            (true, _) => Before::None,
            (false, Some(true)) => Before::Key(&self.before),
            (false, _) => Before::Full(&self.before),
        }
    }
}

/// Whether an image has nothing but the key.
fn is_key_alone(row: &[Cell<'_>], table: &Table) -> bool {
    let key = &table.schema.key;
    let mut others = row.iter().enumerate().filter(|(at, _)| !key.contains(at)).peekable();
    table.has_key() && others.peek().is_some() && others.all(|(_, cell)| matches!(cell, Cell::Omitted))
}

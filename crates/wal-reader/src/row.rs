//! One row's change: from its images to one event, or to two where the key changed.

use decoder::pgoutput::{ColumnData, OldTuple, Tuple};
use event::{Before, Cell, RowEvents, RowPart, Table};

use crate::Error;
use crate::fetch::Fetcher;
use crate::relation::Relation;

/// A row's change as the log has it.
#[derive(Clone, Copy)]
pub(crate) enum RowChange<'a> {
    Insert { new: Tuple<'a> },
    Update { old: OldTuple<'a>, new: Tuple<'a> },
    Delete { old: OldTuple<'a> },
}

/// A row's change as cells.
pub(crate) struct Decoded<'a> {
    parts: &'static [RowPart],
    old: Vec<Cell<'a>>,
    is_old_full: bool,
    new: Vec<Cell<'a>>,
    /// Columns of the new row that were not in the log.
    fetched: Vec<usize>,
}

/// Room for cells that goes from row to row: in the long run a row costs no allocation.
#[derive(Default)]
pub(crate) struct Room {
    old: Vec<Cell<'static>>,
    new: Vec<Cell<'static>>,
}

impl Room {
    /// Takes back what a row was decoded into.
    pub(crate) fn take_back(&mut self, decoded: Decoded<'_>) {
        *self = Self { old: Cell::emptied(decoded.old), new: Cell::emptied(decoded.new) };
    }
}

impl<'a> RowChange<'a> {
    /// Turns the images into cells.
    pub(crate) fn decode(
        self,
        relation: &'a Relation,
        room: &mut Room,
    ) -> Result<Decoded<'a>, decoder::Error> {
        let Room { old, new } = std::mem::take(room);
        let mut decoded = Decoded {
            parts: &[RowPart::Insert],
            old: Cell::emptied(old),
            is_old_full: false,
            new: Cell::emptied(new),
            fetched: Vec::new(),
        };
        if !self.is_identified(relation) {
            return Err(decoder::Error::UnidentifiedRow { table: relation.table.name().to_string() });
        }
        match self {
            Self::Insert { new } => decoder::row(&relation.types, new, &mut decoded.new)?,
            Self::Update { old, new } => {
                decoded.take_old(relation, old)?;
                decoder::row(&relation.types, new, &mut decoded.new)?;
                decoded.fill_from_old();
                decoded.parts = if decoded.changes_key(&relation.table) {
                    RowPart::KEY_CHANGE
                } else {
                    &[RowPart::Update]
                };
            }
            Self::Delete { old } => {
                decoded.parts = &[RowPart::Delete];
                decoded.take_old(relation, old)?;
            }
        }
        Ok(decoded)
    }

    /// Fetches what the log lacks of a row that is to be whole: one with a new key has to.
    pub(crate) async fn complete(
        self,
        decoded: &mut Decoded<'a>,
        relation: &'a Relation,
        xid: u32,
        fetcher: &mut Fetcher,
    ) -> Result<(), Error> {
        let Decoded { new, fetched, .. } = decoded;
        *fetched = fetcher.fill(relation, new, xid, |column| self.text_of(column)).await?;
        Ok(())
    }

    /// A column of the new row as the log has it: in the new image, or in the old one where that has what is unchanged.
    fn text_of(self, column: usize) -> Option<&'a str> {
        let text = |tuple: Tuple<'a>| match tuple.columns().nth(column)? {
            ColumnData::Text(text) => str::from_utf8(text).ok(),
            _ => None,
        };
        match self {
            Self::Insert { new } => text(new),
            Self::Update { new, old: OldTuple::Key(old) | OldTuple::Full(old) } => {
                text(new).or_else(|| text(old))
            }
            Self::Update { new, old: OldTuple::None } => text(new),
            Self::Delete { .. } => None,
        }
    }

    /// Without a replica identity the server refuses UPDATE and DELETE, but before 18 not where it is made of generated
    /// columns, which no row of the log has (`CheckCmdReplicaIdentity` in execReplication.c).
    fn is_identified(self, relation: &Relation) -> bool {
        match self {
            Self::Insert { .. }
            | Self::Update { old: OldTuple::Full(_), .. }
            | Self::Delete { old: OldTuple::Full(_) } => true,
            Self::Update { .. } | Self::Delete { .. } => relation.is_identity.contains(&true),
        }
    }
}

impl<'a> Decoded<'a> {
    /// Whether the row is to be [completed](RowChange::complete).
    pub(crate) fn lacks_something(&self, relation: &Relation) -> bool {
        (relation.fetches_unchanged || self.parts == RowPart::KEY_CHANGE)
            && self.new.iter().any(|cell| matches!(cell, Cell::Unchanged))
    }

    fn take_old(&mut self, relation: &'a Relation, old: OldTuple<'a>) -> Result<(), decoder::Error> {
        match old {
            OldTuple::None => Ok(()),
            OldTuple::Key(tuple) => {
                decoder::key_row(&relation.types, &relation.is_identity, tuple, &mut self.old)
            }
            OldTuple::Full(tuple) => {
                self.is_old_full = true;
                decoder::row(&relation.types, tuple, &mut self.old)
            }
        }
    }

    /// What the statement did not change is in the old image, if that has it: under FULL all of it, else a TOASTed key.
    fn fill_from_old(&mut self) {
        for (new, old) in self.new.iter_mut().zip(&self.old) {
            if matches!(new, Cell::Unchanged) && !matches!(old, Cell::Unchanged | Cell::Omitted) {
                *new = old.clone();
            }
        }
    }

    /// An old image does not mean that the key changed: a TOASTed one is sent along, and FULL always has it.
    fn changes_key(&self, table: &Table) -> bool {
        !self.old.is_empty() && table.has_key() && table.key_of(&self.old).ne(table.key_of(&self.new))
    }

    fn before(&self) -> Before<'_> {
        match (self.old.is_empty(), self.is_old_full) {
            (true, _) => Before::None,
            (false, false) => Before::Key(&self.old),
            (false, true) => Before::Full(&self.old),
        }
    }

    /// What becomes of it.
    #[inline]
    pub(crate) fn events(&self) -> RowEvents<'_> {
        RowEvents { parts: self.parts, before: self.before(), after: &self.new, fetched: &self.fetched }
    }
}

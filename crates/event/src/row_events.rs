use crate::{Before, Body, Cell, Table};

/// What becomes of one row's change: one event, or two where the key changed.
#[derive(Clone, Copy, Debug)]
pub struct RowEvents<'a> {
    /// In the order in which they go out.
    pub parts: &'static [RowPart],
    /// The row as it was, as far as the log says.
    pub before: Before<'a>,
    /// The row as it is; empty if it went.
    pub after: &'a [Cell<'a>],
    /// Positions of columns that the log did not have, and that were fetched afterwards.
    pub fetched: &'a [usize],
}

/// What becomes one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RowPart {
    Insert,
    Update,
    Delete,
    /// The row with the old key goes …
    OldKey,
    /// … and one with the new key comes.
    NewKey,
}

impl RowPart {
    /// The halves of a change of the key.
    pub const KEY_CHANGE: &'static [Self] = &[Self::OldKey, Self::NewKey];
}

impl<'a> RowEvents<'a> {
    /// What goes out of it, in this order: what no fence contains. The halves of a key change are judged each by its own
    /// key, and joined only where both go out and the table is to have it so. `range_key` is the position of the key's
    /// column that fences go by.
    #[inline]
    pub fn going_out(
        &self,
        range_key: Option<usize>,
        joins_key_changes: bool,
        is_contained: impl Fn(Option<&Cell<'a>>) -> bool,
    ) -> impl Iterator<Item = RowPart> {
        let mut parts = [None; 2];
        for (place, part) in parts.iter_mut().zip(self.parts) {
            let goes_out = !is_contained(range_key.and_then(|key| self.image(*part).get(key)));
            *place = Some(*part).filter(|_| goes_out);
        }
        if joins_key_changes && parts == [Some(RowPart::OldKey), Some(RowPart::NewKey)] {
            parts = [Some(RowPart::Update), None];
        }
        parts.into_iter().flatten()
    }

    /// What a part says.
    #[inline]
    pub fn body(&self, part: RowPart, table: &'a Table, table_seq: u64) -> Body<'a> {
        let Self { before, after, fetched, .. } = *self;
        match part {
            RowPart::Insert => Body::Insert { table, table_seq, after, key_change: false, fetched },
            RowPart::NewKey => Body::Insert { table, table_seq, after, key_change: true, fetched },
            RowPart::Update => Body::Update { table, table_seq, before, after, fetched },
            RowPart::Delete => Body::Delete { table, table_seq, before, key_change: false },
            RowPart::OldKey => Body::Delete { table, table_seq, before, key_change: true },
        }
    }

    /// The image that has a part's key.
    fn image(&self, part: RowPart) -> &'a [Cell<'a>] {
        match (part, self.before) {
            (RowPart::Insert | RowPart::Update | RowPart::NewKey, _) => self.after,
            (RowPart::Delete | RowPart::OldKey, Before::Key(row) | Before::Full(row)) => row,
            (RowPart::Delete | RowPart::OldKey, Before::None) => &[],
        }
    }
}

use std::borrow::Cow;

use event::{Bytes, Cell, Mask};

use crate::types::mask_cell;

/// What stands for a value. Its hash is that of its text: of binary data, of the bytes themselves.
pub(in crate::binlog) fn mask(by: Mask, cell: Cell<'_>) -> Cell<'static> {
    match cell {
        Cell::Null => Cell::Null,
        Cell::Omitted => Cell::Omitted,
        Cell::Unchanged => Cell::Unchanged,
        cell => mask_cell(by, &text(&cell)),
    }
}

fn text<'c>(cell: &'c Cell<'_>) -> Cow<'c, [u8]> {
    match cell {
        Cell::Text(text) | Cell::Decimal(text) | Cell::Json(text) | Cell::Other { text, .. } => {
            text.as_bytes().into()
        }
        Cell::Bytes(Bytes::Raw(bytes)) => (&**bytes).into(),
        Cell::Int(value) => value.to_string().into_bytes().into(),
        Cell::Uint(value) => value.to_string().into_bytes().into(),
        // Numbers of other forms and times have several texts: the one that the cell has here tells values apart.
        other => format!("{other:?}").into_bytes().into(),
    }
}

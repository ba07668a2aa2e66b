use crate::hash;

/// Some rows of a scan, in canonical form.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    pub(super) rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    key: (usize, usize),
    cells: (usize, usize),
    pub(super) hash: [u8; 16],
}

impl Piece {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// One more row, given as its cells in canonical form, where each ends, and which of them are the key.
    pub(crate) fn push(&mut self, cells: &[u8], ends: &[usize], key: &[usize], version: u64) {
        let slice = |column: usize| {
            let start = column.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
            ends.get(column).and_then(|end| cells.get(start..*end)).unwrap_or_default()
        };
        let key_start = self.bytes.len();
        for column in key {
            self.bytes.extend_from_slice(slice(*column));
        }
        let cells_start = self.bytes.len();
        self.bytes.extend_from_slice(cells);
        self.rows.push(Row {
            key: (key_start, cells_start),
            cells: (cells_start, self.bytes.len()),
            hash: hash::row(cells, version),
        });
    }

    pub(super) fn key(&self, row: &Row) -> &[u8] {
        self.bytes.get(row.key.0..row.key.1).unwrap_or_default()
    }

    pub(super) fn cells(&self, row: &Row) -> &[u8] {
        self.bytes.get(row.cells.0..row.cells.1).unwrap_or_default()
    }

    /// The rows by the bytes of their keys.
    pub(super) fn sorted(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        let key = |number: &usize| self.rows.get(*number).map(|row| self.key(row)).unwrap_or_default();
        if !order.is_sorted_by_key(key) {
            order.sort_by(|one, other| key(one).cmp(key(other)));
        }
        order
    }
}

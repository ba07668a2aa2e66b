//! What is kept of a row, beside its key: a generation of columns, its place in the bitmap of rows that a scan has seen, the
//! hash of its cells, two bytes of hash per column.

const GENERATION_AT: usize = 0;
const SLOT_AT: usize = 1;
const HASH_AT: usize = 5;
const COLUMNS_AT: usize = 21;

/// What is kept from now on.
pub(super) fn row(generation: u8, slot: u32, hash: &[u8; 16], columns: &[[u8; 2]]) -> Vec<u8> {
    let mut row = Vec::with_capacity(COLUMNS_AT + 2 * columns.len());
    row.push(generation);
    row.extend_from_slice(&slot.to_be_bytes());
    row.extend_from_slice(hash);
    columns.iter().for_each(|hash| row.extend_from_slice(hash));
    row
}

pub(super) fn slot_of(row: &[u8]) -> u32 {
    let bytes = row.get(SLOT_AT..HASH_AT).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_be_bytes)
}

pub(super) fn is_same(row: &[u8], generation: u8, hash: &[u8; 16]) -> bool {
    row.get(GENERATION_AT) == Some(&generation) && row.get(HASH_AT..COLUMNS_AT) == Some(hash)
}

/// The columns that differ; none where that is not known, because the row was of another generation.
pub(super) fn changed(row: &[u8], generation: u8, columns: &[[u8; 2]]) -> Option<Vec<usize>> {
    let is_comparable =
        row.get(GENERATION_AT) == Some(&generation) && row.len() == COLUMNS_AT + 2 * columns.len();
    is_comparable.then(|| changed_columns(row, columns))
}

fn changed_columns(row: &[u8], columns: &[[u8; 2]]) -> Vec<usize> {
    let before = row.get(COLUMNS_AT..).unwrap_or_default().as_chunks::<2>().0;
    columns
        .iter()
        .zip(before)
        .enumerate()
        .filter(|(_, (now, before))| now != before)
        .map(|(n, _)| n)
        .collect()
}

/// Makes it differ from any row: none hashes to this.
pub(crate) fn forget_hash(row: &mut [u8]) {
    if let Some(hash) = row.get_mut(HASH_AT..COLUMNS_AT) {
        hash.fill(0);
    }
}

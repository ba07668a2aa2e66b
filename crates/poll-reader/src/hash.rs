//! What tells one version of a row from another.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Of a whole row, in its canonical form. `version`: another one makes every row differ, and so be sent again.
pub(crate) fn row(bytes: &[u8], version: u64) -> [u8; 16] {
    xxh3_128_with_seed(bytes, version).to_be_bytes()
}

/// Of one column's cell: just to say which columns changed once the row is known to have, so two bytes do. That two
/// different values have the same is one chance in 65,536, and then a column that changed is not named.
pub(crate) fn column(bytes: &[u8]) -> [u8; 2] {
    (xxh3_64(bytes) as u16).to_be_bytes()
}

use std::borrow::Cow;
use std::fmt::Write as _;

use event::{Cell, Mask};
use sha2::{Digest, Sha256};

/// What stands for a value of this text.
pub(crate) fn cell(mask: Mask, text: &[u8]) -> Cell<'static> {
    match mask {
        Mask::Null => Cell::Null,
        Mask::Sha256 => {
            let mut digits = String::with_capacity(64);
            for byte in Sha256::digest(text) {
                _ = write!(digits, "{byte:02x}");
            }
            Cell::Text(Cow::Owned(digits))
        }
    }
}

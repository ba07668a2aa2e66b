use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in one server's binary log: which of its files, and how many bytes into it.
///
/// Files are counted by the number that their name ends with (`binlog.000042`). Means nothing in another server's log.
///
/// ```
/// use event::BinlogOffset;
/// let offset: BinlogOffset = "42:1234".parse()?;
/// assert_eq!(offset, BinlogOffset { file: 42, offset: 1234 });
/// assert!(offset < BinlogOffset { file: 43, offset: 4 });
/// # Ok::<(), event::ParseBinlogOffsetError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BinlogOffset {
    /// The file's number.
    pub file: u32,
    /// Bytes from the file's beginning.
    pub offset: u64,
}

/// The text was not two numbers with a colon between them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a place in a binary log: expected a file's number and an offset like 42:1234")]
pub struct ParseBinlogOffsetError(String);

impl BinlogOffset {
    /// Beyond every place.
    pub const MAX: Self = Self { file: u32::MAX, offset: u64::MAX };
    /// How many bits the offset has in [`order`](Self::order): a file ends soon after `max_binlog_size`, which is 1 GiB
    /// at most, and with the transaction that reached it, whatever that one's size.
    const OFFSET_BITS: u32 = 40;

    /// One number that orders places as they are. Those beyond 1 TiB of one file would be as that one.
    pub fn order(self) -> u64 {
        let limit = (1 << Self::OFFSET_BITS) - 1;
        u64::from(self.file) << Self::OFFSET_BITS | self.offset.min(limit)
    }
}

impl FromStr for BinlogOffset {
    type Err = ParseBinlogOffsetError;

    fn from_str(text: &str) -> Result<Self, ParseBinlogOffsetError> {
        let parts = || {
            let (file, offset) = text.split_once(':')?;
            Some(Self { file: file.parse().ok()?, offset: offset.parse().ok()? })
        };
        parts().ok_or_else(|| ParseBinlogOffsetError(text.to_owned()))
    }
}

impl fmt::Display for BinlogOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl From<BinlogOffset> for String {
    fn from(offset: BinlogOffset) -> Self {
        offset.to_string()
    }
}

impl TryFrom<String> for BinlogOffset {
    type Error = ParseBinlogOffsetError;

    fn try_from(text: String) -> Result<Self, ParseBinlogOffsetError> {
        text.parse()
    }
}

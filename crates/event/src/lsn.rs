use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in PostgreSQL's write-ahead log, in bytes from its beginning.
///
/// Written as the server writes it: two hexadecimal halves.
///
/// ```
/// use event::Lsn;
/// let lsn: Lsn = "0/1A2B3C8".parse()?;
/// assert_eq!(u64::from(lsn), 0x1A2B3C8);
/// assert_eq!(lsn.to_string(), "0/1A2B3C8");
/// # Ok::<(), event::ParseLsnError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Lsn(u64);

/// The text was not two hexadecimal numbers with a slash between them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an LSN: expected two hexadecimal numbers like 0/1A2B3C8")]
pub struct ParseLsnError(String);

impl Lsn {
    /// No place at all: PostgreSQL never writes a record at 0/0.
    pub const ZERO: Self = Self(0);
    /// Beyond every place.
    pub const MAX: Self = Self(u64::MAX);
}

impl From<u64> for Lsn {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl From<Lsn> for u64 {
    fn from(lsn: Lsn) -> Self {
        lsn.0
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = ParseLsnError;

    fn try_from(text: String) -> Result<Self, ParseLsnError> {
        text.parse()
    }
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, ParseLsnError> {
        let halves = || {
            let (high, low) = text.split_once('/')?;
            let high = u32::from_str_radix(high, 16).ok()?;
            let low = u32::from_str_radix(low, 16).ok()?;
            Some(Self(u64::from(high) << 32 | u64::from(low)))
        };
        halves().ok_or_else(|| ParseLsnError(text.to_owned()))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! Global transaction IDs: what MySQL and MariaDB call a transaction by on every server that has it.
//!
//! MySQL's are numbered per source and form sets: a server can have 1 to 5 and 7. MariaDB's ascend within a domain,
//! whichever server writes, so the last one of each domain says it all.

mod mariadb;
mod set;

use std::fmt;
use std::str::FromStr;

pub use mariadb::{MariadbGtid, MariadbPosition};
pub use set::GtidSet;

/// Who numbers transactions: a server, or a part of what it does that its tag tells apart (MySQL 8.3 and later).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GtidSource {
    /// As a number it is compared in one step, and in the same order.
    uuid: u128,
    tag: String,
}

/// One transaction of MySQL: `3e11fa47-71ca-11e1-9e33-c80aa9429562:23`, `…:branch_7:23`.
///
/// ```
/// use event::Gtid;
/// let gtid: Gtid = "3E11FA47-71CA-11E1-9E33-C80AA9429562:Branch_7:23".parse()?;
/// assert_eq!((gtid.source.tag(), gtid.number), ("branch_7", 23));
/// assert_eq!(gtid.to_string(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:branch_7:23");
/// # Ok::<(), event::ParseGtidError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// Who numbered it.
    pub source: GtidSource,
    /// From 1 to [`Gtid::MAX`].
    pub number: u64,
}

/// The text was not what a server writes for GTIDs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseGtidError {
    text: String,
    expected: &'static str,
}

impl Gtid {
    /// The greatest number (`GNO_END - 1`).
    pub const MAX: u64 = i64::MAX as u64 - 1;
}

impl GtidSource {
    /// What a tag may be long.
    const MAX_TAG_LEN: usize = 32;

    /// The tag is empty for the server itself; None if it can be no tag: a letter or an underscore, then also digits,
    /// 32 at most. Letters count as lower-case ones.
    pub fn new(uuid: [u8; 16], tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        let is_tag = tag.len() <= Self::MAX_TAG_LEN
            && tag.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && !tag.starts_with(|first: char| first.is_ascii_digit());
        is_tag.then_some(Self { uuid: u128::from_be_bytes(uuid), tag })
    }

    /// The server's.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid.to_be_bytes()
    }

    /// Empty for the server itself.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let parts = || {
            let (uuid, rest) = text.split_once(':')?;
            let (tag, number) = rest.split_once(':').unwrap_or(("", rest));
            // An empty tag has no colon.
            let source =
                GtidSource::new(parse_uuid(uuid)?, tag).filter(|_| rest == number || !tag.is_empty())?;
            Some(Self { source, number: parse_number(number)? })
        };
        parts().ok_or_else(|| ParseGtidError {
            text: text.to_owned(),
            expected: "a GTID like UUID:23 or UUID:tag:23",
        })
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.number)
    }
}

impl fmt::Display for GtidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.uuid().iter().enumerate() {
            let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        if self.tag.is_empty() { Ok(()) } else { write!(f, ":{}", self.tag) }
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.as_bytes();
    let mut uuid = [0; 16];
    let mut rest = text;
    for (place, byte) in uuid.iter_mut().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            rest = rest.strip_prefix(b"-")?;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        *byte = digits.iter().try_fold(0, |value, digit| {
            Some(value << 4 | char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())?)
        })?;
        rest = after;
    }
    rest.is_empty().then_some(uuid)
}

fn parse_number(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        return None;
    }
    text.parse().ok().filter(|number| (1..=Gtid::MAX).contains(number))
}

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseGtidError;

/// One transaction of MariaDB: `0-1-23`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MariadbGtid {
    /// Numbers ascend within one.
    pub domain: u32,
    /// The server that executed it first.
    pub server: u32,
    /// Its number in the domain.
    pub sequence: u64,
}

/// How far MariaDB's transactions are known: the last one of each domain, as `@@gtid_binlog_pos` writes it.
///
/// That all before the last one are known too is what `gtid_strict_mode` makes the server watch over.
///
/// ```
/// use event::{MariadbGtid, MariadbPosition};
/// let mut position: MariadbPosition = "0-1-23,7-2-4".parse()?;
/// assert!(position.contains(&"0-9-22".parse()?));
/// position.add("7-3-5".parse()?);
/// assert_eq!(position.to_string(), "0-1-23,7-3-5");
/// # Ok::<(), event::ParseGtidError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MariadbPosition {
    domains: BTreeMap<u32, MariadbGtid>,
}

impl MariadbPosition {
    /// Whether no domain is in it.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Whether this transaction is at or before the last one of its domain.
    pub fn contains(&self, gtid: &MariadbGtid) -> bool {
        self.domains.get(&gtid.domain).is_some_and(|last| gtid.sequence <= last.sequence)
    }

    /// Whether it is as far as another in each of the other's domains.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.domains.values().all(|gtid| self.contains(gtid))
    }

    /// Comes as far as this transaction; it does not go back.
    pub fn add(&mut self, gtid: MariadbGtid) {
        if !self.contains(&gtid) {
            self.domains.insert(gtid.domain, gtid);
        }
    }

    /// Comes as far as another in each of its domains.
    pub fn add_all(&mut self, other: &Self) {
        other.domains.values().for_each(|gtid| self.add(*gtid));
    }

    /// The domains in which it is further than the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let domains = self.domains.iter().filter(|(_, gtid)| !other.contains(gtid));
        Self { domains: domains.map(|(domain, gtid)| (*domain, *gtid)).collect() }
    }

    /// The last transaction of each domain.
    pub fn gtids(&self) -> impl Iterator<Item = &MariadbGtid> {
        self.domains.values()
    }
}

impl FromStr for MariadbGtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let parts = || {
            // Else a sign would be read as part of a number.
            if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
                return None;
            }
            let mut parts = text.split('-');
            let domain = parts.next()?.parse().ok()?;
            let server = parts.next()?.parse().ok()?;
            let sequence = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { domain, server, sequence })
        };
        parts().ok_or_else(|| ParseGtidError {
            text: text.to_owned(),
            expected: "a GTID of MariaDB like 0-1-23",
        })
    }
}

impl fmt::Display for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for MariadbPosition {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let mut position = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let gtid: MariadbGtid = part.parse()?;
            if position.domains.insert(gtid.domain, gtid).is_some() {
                let expected = "a position of MariaDB: a domain is in it twice";
                return Err(ParseGtidError { text: text.to_owned(), expected });
            }
        }
        Ok(position)
    }
}

impl fmt::Display for MariadbPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, gtid) in self.domains.values().enumerate() {
            write!(f, "{}{gtid}", if place > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl From<MariadbPosition> for String {
    fn from(position: MariadbPosition) -> Self {
        position.to_string()
    }
}

impl TryFrom<String> for MariadbPosition {
    type Error = ParseGtidError;

    fn try_from(text: String) -> Result<Self, ParseGtidError> {
        text.parse()
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Gtid, GtidSource, ParseGtidError, parse_number, parse_uuid};

/// A set of MySQL's transactions, as `@@gtid_executed` writes it.
///
/// ```
/// use event::GtidSet;
/// let executed: GtidSet = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:branch_7:1-2".parse()?;
/// let mine: GtidSet = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-4".parse()?;
/// assert!(executed.contains_all(&mine));
/// assert_eq!(executed.minus(&mine).to_string(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:5:7:branch_7:1-2");
/// # Ok::<(), event::ParseGtidError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GtidSet {
    /// None is empty.
    sources: BTreeMap<GtidSource, Intervals>,
}

/// Numbers from first to last, ascending, with a gap between any two.
type Intervals = Vec<(u64, u64)>;

impl GtidSet {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether this transaction is in it.
    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.sources.get(&gtid.source).is_some_and(|intervals| covers(intervals, gtid.number, gtid.number))
    }

    /// Whether all of another's transactions are in it.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.intervals().all(|(source, first, last)| {
            self.sources.get(source).is_some_and(|intervals| covers(intervals, first, last))
        })
    }

    /// Adds one transaction.
    pub fn add(&mut self, gtid: &Gtid) {
        self.add_interval(&gtid.source, gtid.number, gtid.number);
    }

    /// Adds the transactions of a source that are numbered from first to last; none if there are none between them.
    pub fn add_interval(&mut self, source: &GtidSource, first: u64, last: u64) {
        if first > last {
            return;
        }
        // A transaction a time, mostly: the source is there, and its last interval grows.
        match self.sources.get_mut(source) {
            Some(intervals) => insert(intervals, first, last),
            None => drop(self.sources.insert(source.clone(), vec![(first, last)])),
        }
    }

    /// Adds all of another's transactions.
    pub fn add_all(&mut self, other: &Self) {
        for (source, first, last) in other.intervals() {
            self.add_interval(source, first, last);
        }
    }

    /// What is in it and not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut sources = BTreeMap::new();
        for (source, intervals) in &self.sources {
            let removed = other.sources.get(source).map(Vec::as_slice).unwrap_or_default();
            let left = subtract(intervals, removed);
            if !left.is_empty() {
                sources.insert(source.clone(), left);
            }
        }
        Self { sources }
    }

    /// Every run of numbers: its source, its first and its last.
    pub fn intervals(&self) -> impl Iterator<Item = (&GtidSource, u64, u64)> {
        self.sources.iter().flat_map(|(source, intervals)| {
            intervals.iter().map(move |(first, last)| (source, *first, *last))
        })
    }
}

fn covers(intervals: &[(u64, u64)], first: u64, last: u64) -> bool {
    let after = intervals.partition_point(|(start, _)| *start <= first);
    after.checked_sub(1).and_then(|at| intervals.get(at)).is_some_and(|(_, end)| last <= *end)
}

fn insert(intervals: &mut Intervals, first: u64, last: u64) {
    // Those that overlap with the new one or adjoin it become one with it.
    let from = intervals.partition_point(|(_, end)| end.saturating_add(1) < first);
    let to = intervals.partition_point(|(start, _)| *start <= last.saturating_add(1)).max(from);
    let joined = intervals.get(from..to).unwrap_or_default();
    let first = joined.first().map_or(first, |(start, _)| first.min(*start));
    let last = joined.last().map_or(last, |(_, end)| last.max(*end));
    intervals.splice(from..to, [(first, last)]);
}

fn subtract(intervals: &[(u64, u64)], removed: &[(u64, u64)]) -> Intervals {
    let mut left = Vec::new();
    for &(mut first, last) in intervals {
        let from = removed.partition_point(|(_, end)| *end < first);
        for &(start, end) in
            removed.get(from..).unwrap_or_default().iter().take_while(|(start, _)| *start <= last)
        {
            if first < start {
                left.push((first, start - 1));
            }
            first = end.saturating_add(1);
        }
        if first <= last {
            left.push((first, last));
        }
    }
    left
}

impl FromStr for GtidSet {
    type Err = ParseGtidError;

    /// Also with line breaks after the commas, as the server writes it.
    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            add_part(&mut set, part).ok_or_else(|| ParseGtidError {
                text: part.to_owned(),
                expected: "a part of a GTID set like UUID:1-5:7 or UUID:1-5:tag:1-2",
            })?;
        }
        Ok(set)
    }
}

/// `UUID:1-5:7:tag:1-2`: numbers belong to the tag before them.
fn add_part(set: &mut GtidSet, part: &str) -> Option<()> {
    let mut pieces = part.split(':').map(str::trim);
    let uuid = parse_uuid(pieces.next()?)?;
    let mut source = GtidSource::new(uuid, "")?;
    let mut is_numbered = false;
    for (place, piece) in pieces.enumerate() {
        if piece.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            source = GtidSource::new(uuid, piece).filter(|_| is_numbered || place == 0)?;
            is_numbered = false;
            continue;
        }
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (first, last) = (parse_number(first.trim())?, parse_number(last.trim())?);
        if first > last {
            return None;
        }
        set.add_interval(&source, first, last);
        is_numbered = true;
    }
    is_numbered.then_some(())
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<&GtidSource> = None;
        for (source, intervals) in &self.sources {
            match before {
                Some(before) if before.uuid == source.uuid => write!(f, ":{}", source.tag)?,
                Some(_) => write!(f, ",{source}")?,
                None => write!(f, "{source}")?,
            }
            for (first, last) in intervals {
                if first == last { write!(f, ":{first}")? } else { write!(f, ":{first}-{last}")? }
            }
            before = Some(source);
        }
        Ok(())
    }
}

impl From<GtidSet> for String {
    fn from(set: GtidSet) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for GtidSet {
    type Error = ParseGtidError;

    fn try_from(text: String) -> Result<Self, ParseGtidError> {
        text.parse()
    }
}

//! Events that may still be taken back.
//!
//! A server that can't cut what a savepoint takes back out of its log, as something in the transaction is not taken back
//! with it, writes it all, and then that it is taken back. So what comes after a savepoint waits here for the end of its
//! transaction, up to a limit.

use event::BinlogOffset;

/// Events of the transaction that is being received, from its first savepoint on.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    events: Vec<Entry>,
    /// Names, and how many events stood before each; the last one of a name counts.
    savepoints: Vec<(String, usize)>,
    state: State,
    /// How many were let out.
    released: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Events go out as they come.
    #[default]
    Idle,
    Holding,
    /// There were too many: they go out after all.
    Overflowed,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    end: usize,
    /// Where it begins in the log.
    pub(crate) begin: BinlogOffset,
    /// Whether it stood in a compressed transaction.
    pub(crate) is_inner: bool,
}

impl Held {
    /// What a transaction may have here: far more than between savepoints is common, and little beside the batches.
    const MAX_BYTES: usize = 16 << 20;

    /// Whether events are to be held.
    pub(crate) fn is_holding(&self) -> bool {
        self.state == State::Holding
    }

    /// Whether there were too many.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.state == State::Overflowed
    }

    /// From now on events are held.
    pub(crate) fn begin(&mut self) {
        if self.state == State::Idle {
            self.state = State::Holding;
        }
    }

    /// A savepoint is set, after what is held.
    pub(crate) fn set(&mut self, name: &str) {
        self.begin();
        self.savepoints.push((name.to_owned(), self.events.len()));
    }

    /// A savepoint is forgotten, and those after it.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(at) = self.savepoints.iter().rposition(|(known, _)| known == name) {
            self.savepoints.truncate(at);
        }
    }

    /// Holds an event; false: there is no room for it and all before it.
    pub(crate) fn push(&mut self, bytes: &[u8], begin: BinlogOffset, is_inner: bool) -> bool {
        if self.bytes.len() + bytes.len() > Self::MAX_BYTES {
            self.state = State::Overflowed;
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.events.push(Entry { end: self.bytes.len(), begin, is_inner });
        true
    }

    /// Drops what came after a savepoint; false: there is none of that name.
    pub(crate) fn take_back(&mut self, name: &str) -> bool {
        let Some(at) = self.savepoints.iter().rposition(|(known, _)| known == name) else { return false };
        self.savepoints.truncate(at + 1);
        let kept = self.savepoints.last().map_or(0, |(_, events)| *events);
        self.events.truncate(kept);
        self.bytes.truncate(self.events.last().map_or(0, |entry| entry.end));
        true
    }

    /// The next event to be let out, by its number.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let number = self.released;
        (number < self.events.len()).then(|| {
            self.released += 1;
            number
        })
    }

    /// The event that was let out last is to be let out once more.
    pub(crate) fn again(&mut self) {
        self.released = self.released.saturating_sub(1);
    }

    /// Whether some are held that were not let out.
    pub(crate) fn is_empty(&self) -> bool {
        self.released >= self.events.len()
    }

    /// An event, and its bytes.
    pub(crate) fn event(&self, number: usize) -> Option<(Entry, &[u8])> {
        let entry = self.events.get(number)?;
        let start =
            number.checked_sub(1).and_then(|before| self.events.get(before)).map_or(0, |before| before.end);
        Some((*entry, self.bytes.get(start..entry.end)?))
    }

    /// Drops what is held, which is not needed any more, though the transaction goes on.
    pub(crate) fn drop_events(&mut self) {
        let state = self.state;
        self.clear();
        self.state = state;
    }

    /// Drops everything: the next transaction has room again.
    pub(crate) fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // One giant transaction must not be paid for ever after.
        bytes.shrink_to(1 << 20);
        *self = Self { bytes, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_a_savepoint_is_taken_back() {
        let at = BinlogOffset::default();
        let mut held = Held::default();
        assert!(!held.is_holding());
        held.set("a");
        assert!(held.push(b"one", at, false));
        held.set("b");
        assert!(held.push(b"two", at, false) && held.take_back("b"));
        assert!(held.push(b"three", at, false));
        assert!(!held.take_back("c"));
        let mut left = Vec::new();
        while let Some(number) = held.next() {
            left.push(held.event(number).unwrap().1.to_vec());
        }
        assert_eq!(left, [&b"one"[..], b"three"]);
        assert!(held.is_empty());
        held.clear();
        held.set("a");
        assert!(held.push(b"x", at, false) && held.take_back("a"));
        assert!(held.is_empty());
        assert!(!held.push(&vec![0; Held::MAX_BYTES + 1], at, false) && held.has_overflowed());
    }
}

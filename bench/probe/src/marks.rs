use memchr::memmem::Finder;
use serde_json::{Value, json};

/// Which rows were seen, and how often.
pub(crate) struct Marks {
    finder: Finder<'static>,
    seen: Vec<u8>,
    messages: u64,
    bytes: u64,
}

const MARK: &[u8] = b"row-";
const DIGITS: usize = 10;

impl Marks {
    /// Of rows 1 to this number.
    pub(crate) fn new(rows: usize) -> Self {
        Self { finder: Finder::new(MARK), seen: vec![0; rows + 1], messages: 0, bytes: 0 }
    }

    /// The row that a message is about: the last mark in it, for an old row may stand before the new one.
    pub(crate) fn count(&mut self, payload: &[u8]) {
        self.messages += 1;
        self.bytes += payload.len() as u64;
        if let Some(row) = self.finder.find_iter(payload).filter_map(|at| number(payload, at)).last() {
            self.see(row);
        }
    }

    /// Every mark in a text that holds many messages.
    pub(crate) fn count_all(&mut self, text: &[u8]) {
        self.bytes += text.len() as u64;
        let finder = self.finder.clone();
        for row in finder.find_iter(text).filter_map(|at| number(text, at)) {
            self.messages += 1;
            self.see(row);
        }
    }

    fn see(&mut self, row: usize) {
        if let Some(times) = self.seen.get_mut(row) {
            *times = times.saturating_add(1);
        }
    }

    pub(crate) fn summary(&self) -> Value {
        let rows = self.seen.len() - 1;
        let distinct = self.seen.iter().skip(1).filter(|times| **times > 0).count();
        let repeated = self.seen.iter().skip(1).filter(|times| **times > 1).count();
        json!({
            "messages": self.messages, "bytes": self.bytes, "rows": distinct, "missing": rows - distinct,
            "repeated": repeated,
        })
    }
}

/// The row that a message of one row is about.
pub(crate) fn row_of(payload: &[u8]) -> Option<usize> {
    memchr::memmem::find(payload, MARK).and_then(|at| number(payload, at))
}

/// As it is written into rows.
pub(crate) fn mark(row: u64) -> String {
    format!("row-{row:0DIGITS$}")
}

fn number(text: &[u8], at: usize) -> Option<usize> {
    let digits = text.get(at + MARK.len()..at + MARK.len() + DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

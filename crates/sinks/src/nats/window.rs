use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What was sent and is not acknowledged, in order of sending.
#[derive(Debug)]
pub(super) struct Window {
    messages_limit: usize,
    bytes_limit: usize,
    bytes: usize,
    /// Of the oldest that is not acknowledged, and of all after it, acknowledged or not.
    sent: VecDeque<Sent>,
    /// The number of the oldest.
    first: u64,
}

#[derive(Debug)]
struct Sent {
    bytes: usize,
    at: Instant,
}

impl Window {
    pub(super) fn new(messages_limit: usize, bytes_limit: usize) -> Self {
        Self { messages_limit, bytes_limit, bytes: 0, sent: VecDeque::new(), first: 0 }
    }

    /// Whether one more fits. Into an empty window everything does.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.sent.is_empty()
            || (self.sent.len() < self.messages_limit && self.bytes + bytes <= self.bytes_limit)
    }

    /// Takes the next message in and numbers it.
    pub(super) fn push(&mut self, bytes: usize, at: Instant) -> u64 {
        self.sent.push_back(Sent { bytes, at });
        self.bytes += bytes;
        self.next() - 1
    }

    /// The number that the next message gets.
    pub(super) fn next(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    /// Lets go of all before this number.
    pub(super) fn release_before(&mut self, number: u64) {
        while self.first < number
            && let Some(sent) = self.sent.pop_front()
        {
            self.bytes -= sent.bytes;
            self.first += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// How long the oldest has been waiting.
    pub(super) fn oldest_age(&self, now: Instant) -> Duration {
        self.sent.front().map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_one_large_message_passes() {
        let now = Instant::now();
        let mut window = Window::new(3, 100);
        assert!(window.has_room(1000));
        assert_eq!(window.push(1000, now), 0);
        assert!(!window.has_room(1));
        window.release_before(1);
        assert!(window.is_empty());
        for number in 1..=3 {
            assert!(window.has_room(30));
            assert_eq!(window.push(30, now), number);
        }
        assert!(!window.has_room(1), "three messages");
        window.release_before(2);
        assert!(window.has_room(40) && !window.has_room(41), "60 of 100 bytes");
        window.release_before(100);
        assert!(window.is_empty() && window.next() == 4);
    }
}

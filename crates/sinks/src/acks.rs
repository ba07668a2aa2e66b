//! From acknowledgements in any order to batches in theirs.

use std::collections::VecDeque;

/// The longest unbroken prefix of numbers that were acknowledged: a ring of bits over those beyond it.
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    /// All below are acknowledged. The first bit of the first word stands for the multiple of 64 at or below it.
    low: u64,
    words: VecDeque<u64>,
}

/// Knows which message each batch ends with, and so how many batches are durable.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    watermark: Watermark,
    /// For each batch that is not durable: the number after its last message's.
    ends: VecDeque<u64>,
    durable: u64,
}

impl Watermark {
    /// Acknowledges a number; again is allowed.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        if number < self.low {
            return;
        }
        let base = self.low & !63;
        let position = (number - base) as usize;
        if self.words.len() <= position / 64 {
            self.words.resize(position / 64 + 1, 0);
        }
        if let Some(word) = self.words.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
        while let Some(word) = self.words.front() {
            self.low = (self.low & !63) + u64::from(word.trailing_ones());
            if *word != u64::MAX {
                break;
            }
            self.words.pop_front();
        }
    }

    /// The first number that is not acknowledged.
    pub(crate) fn low(&self) -> u64 {
        self.low
    }
}

impl Acks {
    /// Notes that the next batch ends before this number; returns how many batches are durable if those are more now.
    pub(crate) fn end_batch(&mut self, end: u64) -> Option<u64> {
        self.ends.push_back(end);
        self.count()
    }

    /// Acknowledges a message; returns how many batches are durable if those are more now.
    pub(crate) fn acknowledge(&mut self, number: u64) -> Option<u64> {
        self.watermark.acknowledge(number);
        self.count()
    }

    /// The first message that is not acknowledged.
    pub(crate) fn low(&self) -> u64 {
        self.watermark.low()
    }

    fn count(&mut self) -> Option<u64> {
        let before = self.durable;
        while self.ends.front().is_some_and(|end| *end <= self.watermark.low()) {
            self.ends.pop_front();
            self.durable += 1;
        }
        (self.durable > before).then_some(self.durable)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain list of what was acknowledged: any order, any gaps, repetitions.
        #[test]
        fn agrees_with_a_list(numbers in prop::collection::vec(0..400_u64, 0..800), sizes in prop::collection::vec(0..70_u64, 1..10)) {
            let mut acks = Acks::default();
            let mut seen = vec![false; 401];
            let mut ends = Vec::new();
            let mut durable = 0;
            let mut steps = numbers.len() / sizes.len() + 1;
            let mut upcoming = sizes.into_iter();
            for number in numbers {
                steps -= 1;
                if steps == 0 {
                    steps = 50;
                    if let Some(size) = upcoming.next() {
                        let end = ends.last().copied().unwrap_or(0) + size;
                        ends.push(end);
                        durable = acks.end_batch(end).unwrap_or(durable);
                    }
                }
                seen[number as usize] = true;
                durable = acks.acknowledge(number).unwrap_or(durable);
                let low = seen.iter().position(|seen| !seen).unwrap() as u64;
                prop_assert_eq!(acks.watermark.low(), low);
                prop_assert_eq!(durable, ends.iter().filter(|end| **end <= low).count() as u64);
            }
        }

        /// A window that moves on keeps no more than itself.
        #[test]
        fn memory_is_bounded_by_the_window(window in 1..200_u64) {
            let mut watermark = Watermark::default();
            for start in (0..20_000).step_by(window as usize) {
                for number in (start..start + window).rev() {
                    watermark.acknowledge(number);
                }
                prop_assert_eq!(watermark.low(), start + window);
                prop_assert!(watermark.words.len() <= 1);
            }
        }
    }

    #[test]
    fn an_empty_batch_is_durable_with_those_before_it() {
        let mut acks = Acks::default();
        assert_eq!(acks.end_batch(0), Some(1));
        assert_eq!(acks.end_batch(1), None);
        assert_eq!(acks.end_batch(1), None);
        assert_eq!(acks.acknowledge(0), Some(3));
    }
}

//! Numbers that come again with the same seed, and how long randomised tests run.

use std::env;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers that look random and come again with the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// The seed of a randomised test: `CDC_SEED`, or a new one. It is printed, so that a failure can be tried again.
pub fn seed(test: &str) -> u64 {
    let seed = match env::var("CDC_SEED") {
        Ok(seed) => seed.parse().expect("CDC_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as u64,
    };
    println!("{test}: CDC_SEED={seed}");
    seed
}

/// Whether the long runs are asked for.
pub fn is_torture() -> bool {
    env::var("CDC_TORTURE").is_ok_and(|value| value == "1")
}

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence, independent of this one's later numbers.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.number() % (range.end - range.start)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.number().is_multiple_of(times)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.within(0..of.len() as u64) as usize]
    }
}

//! Packets of MySQL's protocol: however the bytes come, the same packets come out.
#![no_main]

// As the unit tests read them.
#[path = "../../crates/decoder/src/packets/tests/received.rs"]
mod received;

use decoder::packets::{Frames, FramingError};
use libfuzzer_sys::fuzz_target;

// The first byte says whether they come in frames, and how many bytes a read has.
fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let packets = |read_len, in_pieces| {
        let mut frames = Frames::default();
        if first & 1 == 1 {
            frames.set_compressed();
        }
        // What is wrong is seen earlier or later, but what comes before it is the same.
        received::received(&mut frames, bytes, read_len, in_pieces).0
    };
    let whole = packets(usize::MAX, false);
    let read_len = usize::from(first >> 1).max(1);
    assert_eq!(packets(read_len, false), whole);
    assert_eq!(packets(read_len, true), whole);
});

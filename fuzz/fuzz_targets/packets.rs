//! Packets of MySQL's protocol: however the bytes come, the same packets come out.
#![no_main]

use decoder::packets::Frames;
use libfuzzer_sys::fuzz_target;

/// The first byte says whether they come in frames, and how many bytes a read has.
fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let is_compressed = first & 1 == 1;
    let whole = packets(bytes, is_compressed, usize::MAX, false);
    let read_len = usize::from(first >> 1).max(1);
    assert_eq!(packets(bytes, is_compressed, read_len, false), whole);
    assert_eq!(packets(bytes, is_compressed, read_len, true), whole);
});

/// What comes before the bytes end or make no sense; large packets piece by piece, if so wanted, as far as they came.
fn packets(mut bytes: &[u8], is_compressed: bool, read_len: usize, in_pieces: bool) -> Vec<Vec<u8>> {
    let mut frames = Frames::default();
    if is_compressed {
        frames.set_compressed();
    }
    let (mut packets, mut is_large) = (Vec::new(), false);
    loop {
        while !is_large {
            match frames.advance() {
                Ok(true) => {
                    packets.push(frames.packet().to_vec());
                    frames.consume();
                }
                Ok(false) => {
                    is_large = in_pieces && frames.large().is_some();
                    break;
                }
                Err(_) => return packets,
            }
        }
        // No input is long enough for one to end.
        while is_large {
            match frames.piece() {
                Ok(Some(piece)) => assert!(!piece.is_empty()),
                Ok(None) => break,
                Err(_) => return packets,
            }
        }
        if bytes.is_empty() {
            return packets;
        }
        let room = frames.room();
        let len = read_len.min(room.len()).min(bytes.len());
        room[..len].copy_from_slice(&bytes[..len]);
        frames.add(len);
        bytes = &bytes[len..];
    }
}

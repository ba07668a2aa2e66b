mod received;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

/// Packets as a server sends them, numbered from here on.
fn sent(packets: &[Vec<u8>], mut sequence: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = |part: &[u8], bytes: &mut Vec<u8>| {
        bytes.extend(&part.len().to_le_bytes()[..3]);
        bytes.push(sequence);
        bytes.extend(part);
        sequence = sequence.wrapping_add(1);
    };
    for packet in packets {
        let mut rest = &packet[..];
        while rest.len() >= FULL {
            part(&rest[..FULL], &mut bytes);
            rest = &rest[FULL..];
        }
        part(rest, &mut bytes);
    }
    bytes
}

/// The same in frames, compressed or not in turns.
fn in_frames(bytes: &[u8], frame_len: usize) -> Vec<u8> {
    let mut framed = Vec::new();
    for (number, frame) in bytes.chunks(frame_len).enumerate() {
        let (body, unpacked_len) = if number % 2 == 0 {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(frame).unwrap();
            (encoder.finish().unwrap(), frame.len())
        } else {
            (frame.to_vec(), 0)
        };
        framed.extend(&body.len().to_le_bytes()[..3]);
        framed.push(number as u8);
        framed.extend(&unpacked_len.to_le_bytes()[..3]);
        framed.extend(body);
    }
    framed
}

/// All of it, which is whole packets.
fn received(frames: &mut Frames, bytes: &[u8], read_len: usize, in_pieces: bool) -> Vec<Vec<u8>> {
    let (packets, ended) = received::received(frames, bytes, read_len, in_pieces);
    assert_eq!((ended, frames.is_empty()), (Ok(()), true));
    packets
}

fn packets() -> Vec<Vec<u8>> {
    [
        0,
        1,
        4,
        70_000,
        LARGE - 1,
        LARGE,
        3 * LARGE,
        FULL - 1,
        FULL,
        FULL + 1,
        3,
        2 * FULL,
        2 * FULL + 9,
        8192,
        8192,
    ]
    .iter()
    .enumerate()
    .map(|(number, len)| (0..*len).map(|at| (number + at % 251) as u8).collect())
    .collect()
}

#[test]
fn packets_of_every_size_come_out_as_they_went_in() {
    let packets = packets();
    let bytes = sent(&packets, 0);
    for (read_len, in_pieces) in [(usize::MAX, false), (usize::MAX, true), (100_003, true)] {
        assert!(received(&mut Frames::default(), &bytes, read_len, in_pieces) == packets, "{read_len}");
    }
}

#[test]
fn so_they_do_in_frames() {
    let packets = packets();
    let bytes = in_frames(&sent(&packets, 7), 5_000_011);
    for in_pieces in [false, true] {
        let mut frames = Frames::default();
        frames.set_compressed();
        assert!(received(&mut frames, &bytes, 300_007, in_pieces) == packets);
    }
}

#[test]
fn frames_begin_behind_a_packet() {
    let mut frames = Frames::default();
    let bytes = [sent(&[b"OK".to_vec()], 0), in_frames(&sent(&[b"packed".to_vec()], 1), 100)].concat();
    frames.room()[..bytes.len()].copy_from_slice(&bytes);
    frames.add(bytes.len());
    assert_eq!((frames.advance(), frames.packet()), (Ok(true), &b"OK"[..]));
    frames.set_compressed();
    assert_eq!((frames.advance(), frames.packet()), (Ok(true), &b"packed"[..]));
}

#[test]
fn every_byte_may_come_alone() {
    let packets: Vec<Vec<u8>> = vec![vec![], vec![1], vec![2; 300]];
    assert_eq!(received(&mut Frames::default(), &sent(&packets, 0), 1, true), packets);
    let mut frames = Frames::default();
    frames.set_compressed();
    assert_eq!(received(&mut frames, &in_frames(&sent(&packets, 0), 7), 1, true), packets);
}

#[test]
fn our_packets_are_read_as_theirs() {
    for is_compressed in [false, true] {
        let (mut ours, mut theirs) = (Frames::default(), Frames::default());
        if is_compressed {
            ours.set_compressed();
            theirs.set_compressed();
        }
        let bytes = [ours.framed(b"one").unwrap(), ours.framed(b"").unwrap()].concat();
        assert_eq!(received(&mut theirs, &bytes, usize::MAX, false), [&b"one"[..], b""]);
        assert_eq!(ours.framed(&vec![0; FULL]), Err(FramingError::TooLarge));
    }
}

#[test]
fn what_is_no_packet_is_an_error() {
    let advance = |frames: &mut Frames, bytes: &[u8]| {
        frames.room()[..bytes.len()].copy_from_slice(bytes);
        frames.add(bytes.len());
        frames.advance()
    };
    let mut frames = Frames::default();
    assert_eq!(advance(&mut frames, b"\x01\0\0\0a"), Ok(true));
    frames.consume();
    let found = advance(&mut frames, b"\x01\0\0\x05a");
    assert_eq!(found, Err(FramingError::OutOfOrder { expected: 1, found: 5 }));
    let mut frames = Frames::default();
    frames.set_compressed();
    assert_eq!(advance(&mut frames, b"\x01\0\0\0\x09\0\0a"), Err(FramingError::Damaged));
}

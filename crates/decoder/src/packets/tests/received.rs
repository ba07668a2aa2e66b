use super::{Frames, FramingError};

/// What comes out before the bytes end or make no sense, and what is wrong with them, if reads are so long; large packets
/// piece by piece, if so wanted.
pub(super) fn received(
    frames: &mut Frames,
    mut bytes: &[u8],
    read_len: usize,
    in_pieces: bool,
) -> (Vec<Vec<u8>>, Result<(), FramingError>) {
    let (mut packets, mut large) = (Vec::new(), None);
    loop {
        if let Err(error) = take(frames, in_pieces, &mut packets, &mut large) {
            return (packets, Err(error));
        }
        if bytes.is_empty() {
            return (packets, Ok(()));
        }
        let room = frames.room();
        let len = read_len.min(room.len()).min(bytes.len());
        room[..len].copy_from_slice(&bytes[..len]);
        frames.add(len);
        bytes = &bytes[len..];
    }
}

/// All that is there.
fn take(
    frames: &mut Frames,
    in_pieces: bool,
    packets: &mut Vec<Vec<u8>>,
    large: &mut Option<Vec<u8>>,
) -> Result<(), FramingError> {
    loop {
        if in_pieces && (large.is_some() || frames.large().is_some()) {
            let packet = large.get_or_insert_default();
            match frames.piece()? {
                Some([]) => packets.extend(large.take()),
                Some(piece) => packet.extend_from_slice(piece),
                None => return Ok(()),
            }
        } else if frames.advance()? {
            packets.push(frames.packet().to_vec());
            frames.consume();
        } else if !(in_pieces && frames.large().is_some()) {
            return Ok(());
        }
    }
}

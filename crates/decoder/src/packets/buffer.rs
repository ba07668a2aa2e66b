/// Bytes that are not used yet, and room for more.
///
/// Room is made in large steps, so that one read under backlog takes what a pause has let pile up. A length is never
/// believed beyond a step: the room for a large packet at most doubles what has really come, and goes back once it is gone.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Initialised, whatever of it is filled.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

/// Room made at a time.
const STEP: usize = 256 << 10;
/// With less than this left, room is made: a read into little room costs as much as one into much.
const LEAST_ROOM: usize = 64 << 10;
/// Above this, a buffer that has been used up is given back.
const KEPT: usize = 1 << 20;

impl Buffer {
    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where more may be put, if so much is known to be missing.
    pub(super) fn room(&mut self, missing: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < missing.clamp(1, LEAST_ROOM) {
            self.make_room(missing);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes were put there.
    pub(super) fn add(&mut self, bytes: usize) {
        self.end = self.bytes.len().min(self.end + bytes);
    }

    /// Drops the first bytes.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = self.end.min(self.start + bytes);
    }

    /// Takes bytes out of the middle.
    pub(super) fn cut(&mut self, at: usize, bytes: usize) {
        let (from, to) = (self.start + at + bytes, self.start + at);
        if from <= self.end {
            self.bytes.copy_within(from..self.end, to);
            self.end -= bytes;
        }
    }

    fn make_room(&mut self, missing: usize) {
        let filled = self.filled().len();
        let wanted = filled + missing.clamp(STEP, filled.max(STEP));
        if self.bytes.len() > KEPT && wanted < KEPT {
            self.bytes = self.filled().to_vec();
        } else {
            self.bytes.copy_within(self.start..self.end, 0);
        }
        (self.start, self.end) = (0, filled);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Buffer, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = buffer.room(rest.len());
            let len = room.len().min(rest.len());
            room[..len].copy_from_slice(&rest[..len]);
            buffer.add(len);
            rest = &rest[len..];
        }
    }

    #[test]
    fn what_was_put_in_comes_out_in_order_and_room_goes_back() {
        let mut buffer = Buffer::default();
        let much: Vec<u8> = (0..5_000_000_u32).map(|at| at as u8).collect();
        put(&mut buffer, b"one");
        put(&mut buffer, &much);
        assert_eq!(&buffer.filled()[..3], b"one");
        buffer.consume(3);
        assert_eq!(buffer.filled(), much);
        buffer.cut(1, 4_999_998);
        assert_eq!(buffer.filled(), [much[0], much[4_999_999]]);
        buffer.consume(2);
        buffer.end = buffer.bytes.len();
        buffer.start = buffer.end;
        assert!(buffer.room(1).len() >= LEAST_ROOM && buffer.bytes.len() <= KEPT);
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut buffer = Buffer::default();
        assert!(buffer.room(1 << 30).len() <= STEP);
        put(&mut buffer, &[1; 1 << 20]);
        assert!(buffer.room(1 << 30).len() <= 1 << 20);
    }
}

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// A message as a consumer gets it.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Within which order holds.
    pub partition: String,
    /// The ID beside the payload, where the sink has a place for it.
    pub id: Option<String>,
    /// The message key, where the sink has a place for it; within, none for a message without one.
    pub key: Option<Option<Vec<u8>>>,
    /// The envelope.
    pub payload: Vec<u8>,
}

impl Delivered {
    /// The messages of a file of length-delimited events.
    pub fn of_file(path: &Path) -> impl Iterator<Item = Self> {
        let file = File::open(path).unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
        let mut reader = BufReader::with_capacity(1 << 20, file);
        std::iter::from_fn(move || {
            let length = read_varint(&mut reader)?;
            let mut payload = vec![0; length];
            reader.read_exact(&mut payload).expect("a whole event");
            Some(Self { partition: String::new(), id: None, key: None, payload })
        })
    }
}

fn read_varint(reader: &mut impl Read) -> Option<usize> {
    let mut value = 0;
    for position in 0.. {
        let mut byte = [0];
        if reader.read(&mut byte).expect("read the file") == 0 {
            assert_eq!(position, 0, "a torn length");
            return None;
        }
        value |= usize::from(byte[0] & 0x7F) << (7 * position);
        if byte[0] < 0x80 {
            break;
        }
    }
    Some(value)
}

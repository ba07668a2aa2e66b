use std::sync::Arc;

use bytes::Bytes;
use event::{Batch, Message};
use sha2::{Digest as _, Sha256};

use crate::Framing;

/// A message of a batch, which is held until all of it is stored.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) batch: Arc<Batch>,
    /// Which of its messages.
    pub(super) index: usize,
    /// Its number among all that were ever written.
    pub(super) number: u64,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) events: usize,
    /// Derived from the events' IDs: the same events make the same key.
    pub(super) key: String,
}

impl Item {
    pub(super) fn message(&self) -> Option<Message<'_>> {
        self.batch.message(self.index)
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.message().and_then(|message| message.payload).map_or(0, <[u8]>::len)
    }
}

impl Body {
    /// JSON as an array, protobuf with each event's length before it.
    pub(super) fn of(items: &[Item], framing: Framing) -> Self {
        let mut bytes = Vec::with_capacity(items.iter().map(|item| item.len_bytes() + 10).sum::<usize>() + 2);
        let mut ids = Sha256::new();
        if framing == Framing::Lines {
            bytes.push(b'[');
        }
        for (position, message) in items.iter().filter_map(Item::message).enumerate() {
            ids.update(message.id);
            ids.update(b"\n");
            let payload = message.payload.unwrap_or_default();
            match framing {
                Framing::Lines => {
                    if position > 0 {
                        bytes.extend_from_slice(b",\n");
                    }
                    bytes.extend_from_slice(payload);
                }
                Framing::LengthDelimited => framing.append_event(payload, &mut bytes),
            }
        }
        if framing == Framing::Lines {
            bytes.push(b']');
        }
        let key = ids.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { bytes: bytes.into(), events: items.len(), key }
    }
}

/// What a receiver is told of a body.
pub(super) fn content_type(framing: Framing) -> &'static str {
    match framing {
        Framing::Lines => "application/json",
        Framing::LengthDelimited => {
            "application/vnd.google.protobuf; proto=cdc.v1.ChangeEvent; encoding=delimited"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Maker;

    fn items(maker: &Maker, numbers: std::ops::Range<u64>) -> Vec<Item> {
        let batch = Arc::new(maker.inserts(numbers));
        (0..batch.len())
            .map(|index| Item { batch: Arc::clone(&batch), index, number: index as u64 })
            .collect()
    }

    #[test]
    fn json_is_an_array() {
        let maker = Maker::json();
        for (numbers, count) in [(1..1, 0), (1..2, 1), (1..4, 3)] {
            let body = Body::of(&items(&maker, numbers), Framing::Lines);
            let events: Vec<serde_json::Value> = serde_json::from_slice(&body.bytes).unwrap();
            assert_eq!((events.len(), body.events), (count, count));
        }
    }

    #[test]
    fn protobuf_is_delimited() {
        let maker = Maker::protobuf();
        let (items, mut expected) = (items(&maker, 1..4), Vec::new());
        Framing::LengthDelimited.append(&maker.inserts(1..4), &mut expected);
        assert_eq!(Body::of(&items, Framing::LengthDelimited).bytes, expected);
        assert!(Body::of(&[], Framing::LengthDelimited).bytes.is_empty());
    }

    #[test]
    fn the_same_events_have_the_same_key_and_others_have_not() {
        let maker = Maker::json();
        let key = |numbers| Body::of(&items(&maker, numbers), Framing::Lines).key;
        assert_eq!(key(1..4), key(1..4));
        assert_ne!(key(1..4), key(1..3));
        assert_eq!(key(1..4).len(), 32);
    }
}

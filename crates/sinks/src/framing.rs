use event::{Batch, Message, Route};

/// How events stand one after another in a file or on the standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Text: one event a line.
    Lines,
    /// Binary: the length as a varint before each event, as protobuf libraries' `parseDelimitedFrom` reads it.
    LengthDelimited,
}

impl Framing {
    /// Appends a batch's events. Schemas by fingerprint are left out, because they are among the events already, and
    /// so are tombstones, because they are for compacted topics only.
    pub(crate) fn append(self, batch: &Batch, out: &mut Vec<u8>) {
        for message in batch.messages() {
            if let Some(payload) = event_of(&message) {
                self.append_event(payload, out);
            }
        }
    }

    /// Appends one event.
    pub(crate) fn append_event(self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Lines => {
                out.extend_from_slice(payload);
                out.push(b'\n');
            }
            Self::LengthDelimited => {
                write_varint(payload.len() as u64, out);
                out.extend_from_slice(payload);
            }
        }
    }

    /// What a file of this kind holds, for messages.
    pub(crate) fn contents(self) -> &'static str {
        match self {
            Self::Lines => "JSON events, one a line",
            Self::LengthDelimited => "length-delimited protobuf events",
        }
    }
}

/// What a sink without keys sends of a message, if anything.
pub(crate) fn event_of<'m>(message: &Message<'m>) -> Option<&'m [u8]> {
    message.payload.filter(|_| **message.route != Route::Schemas)
}

/// Whose event it is, for people.
pub(crate) fn table_of(message: &Message<'_>) -> String {
    match &**message.route {
        Route::Table(table) => table.to_string(),
        Route::Control | Route::Schemas => "no table".to_owned(),
    }
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

//! A binary log's file as a sequence of events, those of compressed transactions among them.

use decoder::binlog::{Checksum, Event, Format, Header, events};

/// Hands every event of a file to `take`; of a payload first itself, then what is in it.
pub(crate) fn read(file: &[u8], mut take: impl FnMut(&Format, &Header, &Event<'_>)) {
    let mut format = Format::before_description(Checksum::None);
    let mut end = 4;
    for (position, bytes) in events(file).expect("a binlog file") {
        let (header, event) = format.event(bytes).unwrap_or_else(|error| panic!("at {position}: {error}"));
        if let Event::FormatDescription(described) = &event {
            format = described.clone();
        }
        take(&format, &header, &event);
        if let Event::TransactionPayload(payload) = &event {
            let mut events = payload.events().expect("a payload");
            while let Some((header, event)) =
                events.read().unwrap_or_else(|error| panic!("at {position}: {error}"))
            {
                take(&format, &header, &event);
            }
        }
        end = position + bytes.len();
    }
    assert_eq!(end, file.len(), "all of the file was read");
}

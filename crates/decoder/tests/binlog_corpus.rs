//! The logs of real servers are understood to the last byte, and whatever is done to their bytes, nothing panics.
//!
//! `dev/record-binlog` makes the recordings. Beside each lies a readable rendering of what the decoder makes of it;
//! `CORPUS=record` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::HashMap;
use std::fmt::Write as _;

use common::{assert_rendered, recorded};
use decoder::Error;
use decoder::binlog::{Checksum, Declared, Event, Format, Header, RowPlan, Rows};
use event::Cell;
use proptest::prelude::*;

const RECORDINGS: [&str; 3] = ["binlog-mysql", "binlog-10.11", "binlog-11.8"];

#[test]
fn recordings_render_as_they_did() {
    for name in RECORDINGS {
        let mut reader = Reader::default();
        for event in recorded(&format!("{name}.hex")) {
            reader.read(&event).unwrap_or_else(|error| panic!("{name}: {error}\n{}", reader.out));
        }
        assert_rendered(name, name, &reader.out);
    }
}

#[test]
fn every_kind_of_event_that_these_servers_write_is_in_the_recordings() {
    let mut kinds: Vec<u8> = RECORDINGS
        .iter()
        .flat_map(|name| recorded(&format!("{name}.hex")))
        .map(|event| Header::parse(&event).unwrap().kind)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            2, 3, 4, 5, 13, 14, 15, 16, 19, 23, 24, 25, 29, 30, 31, 32, 33, 34, 35, 38, 39, 40, 42, 160, 161,
            162, 163, 165, 166, 167, 168
        ]
    );
}

#[test]
fn a_changed_byte_is_found_by_the_checksum() {
    for name in RECORDINGS {
        let mut reader = Reader::default();
        for event in recorded(&format!("{name}.hex")) {
            reader.read(&event).unwrap();
            if reader.format.checksum == Checksum::None {
                continue;
            }
            // The event's length stands in 9 to 12, and is judged before its checksum.
            for place in (13..event.len()).step_by(7).filter(|place| !(17..19).contains(place)) {
                let mut damaged = event.clone();
                damaged[place] ^= 0x10;
                let error = reader.format.event(&damaged).map(drop).unwrap_err();
                // A description says itself whether there is a checksum.
                let is_description = event[4] == 15;
                assert!(matches!(error, Error::Checksum { .. }) || is_description, "{name}: {error}");
            }
        }
    }
}

#[test]
fn a_piece_of_an_event_is_refused() {
    for name in RECORDINGS {
        let mut reader = Reader::default();
        for event in recorded(&format!("{name}.hex")) {
            reader.read(&event).unwrap();
            for len in 0..event.len() {
                reader.format.event(&event[..len]).map(drop).unwrap_err();
                // Nor does it panic where length and checksum are as they should be.
                if len >= Header::LEN && event.len() < 2000 {
                    drop(reader.clone().read(&resized(&event[..len])));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_the_bytes_are_nothing_panics(
        name in proptest::sample::select(&RECORDINGS[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..80),
    ) {
        let mut events = recorded(&format!("{name}.hex"));
        for (event, place, byte) in changes {
            let event = event.index(events.len());
            if events[event].len() > Header::LEN && events[event][4] != 15 {
                let place = Header::LEN + place.index(events[event].len() - Header::LEN);
                events[event][place] = byte;
            }
        }
        // Without checksums, or nothing of it would be looked at.
        let mut reader = Reader { ignores_descriptions: true, ..Reader::default() };
        for event in &events {
            drop(reader.read(event));
        }
    }
}

/// With its length in its header.
fn resized(event: &[u8]) -> Vec<u8> {
    let mut event = event.to_vec();
    let len = event.len() as u32;
    event[9..13].copy_from_slice(&len.to_le_bytes());
    event
}

/// Reads a log as it comes, and writes what it understands.
#[derive(Clone)]
struct Reader {
    out: String,
    format: Format,
    ignores_descriptions: bool,
    plans: HashMap<u64, Result<RowPlan, Error>>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            out: String::new(),
            format: Format::before_description(Checksum::None),
            ignores_descriptions: false,
            plans: HashMap::new(),
        }
    }
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let format = self.format.clone();
        let (header, event) = format.event(bytes)?;
        self.event(&header, &event, "")
    }

    fn event(&mut self, header: &Header, event: &Event<'_>, indent: &str) -> Result<(), Error> {
        let Header { kind, server_id, .. } = header;
        match event {
            Event::FormatDescription(format) => {
                writeln!(self.out, "{indent}{kind} {server_id} {format:?}").unwrap();
                self.plans.clear();
                if !self.ignores_descriptions {
                    self.format = format.clone();
                } else {
                    self.format.server_version.clone_from(&format.server_version);
                }
            }
            Event::Query(query) => {
                let text = query.text().unwrap_or_default().replace('\n', " ");
                writeln!(self.out, "{indent}{kind} {server_id} query in `{}`: {text}", query.database)
                    .unwrap();
                writeln!(self.out, "{indent}    {:?}", query.variables).unwrap();
            }
            Event::Statement(text) => {
                let text = String::from_utf8_lossy(text);
                writeln!(self.out, "{indent}{kind} {server_id} statement: {text}").unwrap();
            }
            Event::Gtid(begin) => {
                let gtid = begin.gtid.as_ref().map_or_else(|| "anonymous".to_owned(), ToString::to_string);
                let (time_us, len) = (begin.commit_time_us, begin.len);
                writeln!(self.out, "{indent}{kind} {server_id} {gtid} at {time_us}, {len} bytes").unwrap();
            }
            Event::MariadbGtid(begin) => {
                let gtid = begin.gtid(*server_id);
                writeln!(self.out, "{indent}{kind} {server_id} {gtid} {begin:?}").unwrap();
            }
            Event::PreviousGtids(set) => {
                writeln!(self.out, "{indent}{kind} {server_id} before: {set}").unwrap()
            }
            Event::TableMap(map) => {
                writeln!(
                    self.out,
                    "{indent}{kind} {server_id} {} is {}.{}",
                    map.table_id, map.database, map.table
                )
                .unwrap();
                let definition = map.definition(&self.format)?;
                for (number, stored) in map.columns.iter().enumerate() {
                    let defined = &definition.columns[number];
                    write!(self.out, "{indent}    `{}` {stored:?}", defined.name).unwrap();
                    let words = [
                        (defined.is_unsigned, "unsigned"),
                        (!map.is_nullable(number), "not null"),
                        (!defined.is_visible, "invisible"),
                    ];
                    words
                        .iter()
                        .filter(|(is, _)| *is)
                        .for_each(|(_, word)| write!(self.out, " {word}").unwrap());
                    if let Some(collation) = defined.collation {
                        write!(self.out, " collation {collation}").unwrap();
                    }
                    for label in &defined.labels {
                        write!(self.out, " '{}'", String::from_utf8_lossy(label)).unwrap();
                    }
                    if defined.declared != Declared::Plain {
                        write!(self.out, " {:?}", defined.declared).unwrap();
                    }
                    self.out.push('\n');
                }
                writeln!(self.out, "{indent}    key {:?}", definition.primary_key).unwrap();
                self.plans.insert(map.table_id, RowPlan::new(map, &definition));
            }
            Event::Rows(rows) => self.rows(header, rows, indent)?,
            Event::TransactionPayload(payload) => {
                writeln!(self.out, "{indent}{kind} {server_id} payload").unwrap();
                let mut events = payload.events()?;
                while let Some((header, event)) = events.read()? {
                    self.event(&header, &event, "  ")?;
                }
            }
            other => writeln!(self.out, "{indent}{kind} {server_id} {other:?}").unwrap(),
        }
        Ok(())
    }

    fn rows(&mut self, header: &Header, rows: &Rows<'_>, indent: &str) -> Result<(), Error> {
        let Header { kind, server_id, .. } = header;
        let end = if rows.ends_statement { ", the last" } else { "" };
        writeln!(self.out, "{indent}{kind} {server_id} {:?} in {}{end}", rows.kind, rows.table_id).unwrap();
        let plan = match self.plans.get(&rows.table_id) {
            Some(Ok(plan)) => plan,
            Some(Err(error)) => {
                writeln!(self.out, "{indent}    {error}").unwrap();
                return Ok(());
            }
            None => return Ok(()),
        };
        let mut changes = rows.changes(plan)?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        while changes.read(&mut before, &mut after)? {
            for (sign, image) in [('-', &before), ('+', &after)] {
                if !image.is_empty() {
                    assert_eq!(image.len(), plan.columns().len());
                    let cells: Vec<_> = image.iter().map(rendered).collect();
                    writeln!(self.out, "{indent}    {sign} {}", cells.join(" ")).unwrap();
                }
            }
            before.clear();
            after.clear();
        }
        Ok(())
    }
}

fn rendered(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Bytes(bytes) => {
            let mut raw = Vec::new();
            bytes.append_to(&mut raw);
            raw.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
        }
        other => format!("{other:?}"),
    }
}

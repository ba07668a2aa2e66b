//! What real servers sent is understood to the last byte, and nothing of a value is lost.
//!
//! `dev/record-pgoutput` makes the recordings. Beside each lies a readable rendering of what the decoder makes of it;
//! `CORPUS=record` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use common::render::server_text;
use common::{assert_rendered, corpus_folder, recorded, unhex};
use decoder::ColumnType;
use decoder::pgoutput::{ColumnData, InStream, Message, OldTuple, RelationCache, Shape, Tuple};
use event::{Cell, Lsn};

const KINDS: &[&str] = &[
    "14-proto1",
    "14-proto2",
    "15-proto3",
    "16-proto4",
    "17-proto4",
    "18-proto1",
    "18-proto2",
    "18-proto3",
    "18-proto4",
];
const TYPES: &[&str] = &["14-types", "18-types"];

#[test]
fn recordings_render_as_they_did() {
    for name in KINDS.iter().chain(TYPES) {
        let messages = recorded(&format!("{name}.hex"));
        let mut reader = Reader::default();
        messages.iter().for_each(|message| reader.read(message));
        // Values are written alike by all versions.
        let golden = if TYPES.contains(name) { "types" } else { name };
        assert_rendered(name, golden, &reader.out);
    }
}

#[test]
fn every_kind_of_message_is_in_the_recordings() {
    let mut kinds: Vec<u8> =
        KINDS.iter().flat_map(|name| recorded(&format!("{name}.hex"))).map(|m| m[0]).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(String::from_utf8(kinds).unwrap(), "ABCDEIKMOPRSTUYbcpr");
}

#[test]
fn cut_short_a_message_is_an_error_and_so_is_one_byte_more() {
    for name in KINDS {
        let mut in_stream = InStream::No;
        for message in recorded(&format!("{name}.hex")) {
            let whole = Message::parse(&message, in_stream).unwrap();
            for len in 0..message.len() {
                // The time and place of an abort, and a last column that comes to nothing, are all there is to leave
                // out: no other message has an optional end.
                if !(message[0] == b'A' && len == 9) {
                    assert!(Message::parse(&message[..len], in_stream).is_err(), "{whole:?} cut to {len}");
                }
            }
            let longer = [&message[..], b"\0"].concat();
            assert!(Message::parse(&longer, in_stream).is_err(), "{whole:?} with a byte more");
            in_stream = after(&whole, in_stream);
        }
    }
}

#[test]
fn copied_rows_have_the_cells_that_the_stream_has() {
    for version in ["14", "18"] {
        let mut streamed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut relations = RelationCache::default();
        for message in recorded(&format!("{version}-types.hex")) {
            match Message::parse(&message, InStream::No).unwrap() {
                Message::Type { oid, namespace, name, .. } => relations.learn_type(oid, namespace, name),
                Message::Relation(relation) => drop(relations.learn_relation(&relation)),
                Message::Insert { relation, new, .. } => {
                    let shape = relations.shape(relation).unwrap();
                    let mut cells = Vec::new();
                    decoder::row(&shape.types, new, &mut cells).unwrap();
                    streamed.entry(shape.name.table.clone()).or_default().push(format!("{cells:?}"));
                }
                _ => {}
            }
        }
        let types: HashMap<_, _> =
            streamed.keys().map(|table| (table.clone(), types_of(&relations, version, table))).collect();
        let mut copied: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let text = std::fs::read_to_string(corpus_folder().join(format!("{version}-copy.hex"))).unwrap();
        for line in text.lines() {
            let (table, payload) = line.split_once(' ').unwrap();
            let payload = unhex(payload);
            for line in decoder::copy::lines(&payload) {
                let mut cells = Vec::new();
                decoder::copy::row(&types[table], line, &mut cells).unwrap();
                copied.entry(table.to_owned()).or_default().push(format!("{cells:?}"));
            }
        }
        assert_eq!(copied, streamed, "of PostgreSQL {version}");
    }
}

#[test]
fn types_are_known_by_the_names_and_elements_of_the_catalog() {
    for version in ["14", "18"] {
        let text = std::fs::read_to_string(corpus_folder().join(format!("{version}-pg_type.txt"))).unwrap();
        for line in text.lines() {
            let [oid, name, element, delimiter] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert_eq!(type_of(oid.parse().unwrap()), ColumnType::new(name), "{line}");
            if element == "-" {
                assert!(
                    matches!(ColumnType::new(name).cell(b"{}"), cell if !matches!(cell, Cell::Array(_))),
                    "{line}"
                );
                continue;
            }
            let two = format!("{{1{delimiter}2}}");
            let cell = ColumnType::new(name);
            let Cell::Array(cells) = cell.cell(two.as_bytes()) else { panic!("{line} is no array") };
            assert_eq!(
                cells,
                [ColumnType::new(element).cell(b"1"), ColumnType::new(element).cell(b"2")],
                "{line}"
            );
        }
    }
}

/// The type that a column with this OID has, when no Type message came before.
fn type_of(oid: u32) -> ColumnType {
    let mut body = b"R\0\0\0\x01s\0t\0d\0\x01\0c\0".to_vec();
    body.extend(oid.to_be_bytes());
    body.extend((-1i32).to_be_bytes());
    let Message::Relation(relation) = Message::parse(&body, InStream::No).unwrap() else { panic!() };
    RelationCache::default().learn_relation(&relation).types[0].clone()
}

fn types_of(relations: &RelationCache, version: &str, table: &str) -> Vec<ColumnType> {
    for message in recorded(&format!("{version}-types.hex")) {
        if let Message::Relation(relation) = Message::parse(&message, InStream::No).unwrap()
            && relation.name == table
        {
            return relations.shape(relation.oid).unwrap().types.clone();
        }
    }
    panic!("{table}")
}

fn after(message: &Message<'_>, in_stream: InStream) -> InStream {
    match message {
        Message::StreamStart { .. } => InStream::Yes,
        Message::StreamStop => InStream::No,
        _ => in_stream,
    }
}

/// Follows a recording and writes it down without what differs from recording to recording.
#[derive(Default)]
struct Reader {
    out: String,
    in_stream: InStream,
    relations: RelationCache,
    /// Transactions by first appearance.
    xids: Vec<u32>,
    began: Option<(Lsn, i64)>,
}

impl Reader {
    fn read(&mut self, body: &[u8]) {
        let message =
            Message::parse(body, self.in_stream).unwrap_or_else(|error| panic!("{error}: {body:?}"));
        self.in_stream = after(&message, self.in_stream);
        let line = self.line(&message);
        writeln!(self.out, "{line}").unwrap();
    }

    fn line(&mut self, message: &Message<'_>) -> String {
        match *message {
            Message::Begin { final_lsn, commit_time_us, xid } => {
                self.began = Some((final_lsn, commit_time_us));
                format!("BEGIN {}", self.xid(xid))
            }
            Message::Commit { commit_lsn, end_lsn, commit_time_us } => {
                assert_eq!(self.began.take(), Some((commit_lsn, commit_time_us)));
                check_place(commit_lsn, end_lsn, commit_time_us);
                "COMMIT".to_owned()
            }
            Message::Origin { lsn, name } => format!("origin {name} {lsn}"),
            Message::Type { xid, oid, namespace, name } => {
                self.relations.learn_type(oid, namespace, name);
                format!("{}type {namespace:?} {name:?}", self.in_xid(xid))
            }
            Message::Relation(ref relation) => {
                let shape = self.relations.learn_relation(relation);
                let columns = shape.columns.iter().zip(&shape.is_key).map(|(column, is_key)| {
                    let key = if *is_key { " key" } else { "" };
                    format!("{} {} ({}){key}", column.name, column.type_name, column.type_modifier)
                });
                let columns = columns.collect::<Vec<_>>().join(", ");
                let identity = relation.replica_identity;
                format!("{}relation {} {identity:?}: {columns}", self.in_xid(relation.xid), shape.name)
            }
            Message::Insert { xid, relation, new } => {
                let shape = self.relations.shape(relation).unwrap();
                let line = format!("insert {}: {}", shape.name, whole_row(shape, new));
                self.in_xid(xid) + &line
            }
            Message::Update { xid, relation, old, new } => {
                let shape = self.relations.shape(relation).unwrap();
                let line =
                    format!("update {}:{} → {}", shape.name, old_row(shape, old), whole_row(shape, new));
                self.in_xid(xid) + &line
            }
            Message::Delete { xid, relation, old } => {
                let shape = self.relations.shape(relation).unwrap();
                let line = format!("delete {}:{}", shape.name, old_row(shape, old));
                self.in_xid(xid) + &line
            }
            Message::Truncate { xid, cascade, restart_identity, relations } => {
                let cascade = if cascade { " cascade" } else { "" };
                let restart = if restart_identity { " restart identity" } else { "" };
                let names = relations.iter().map(|oid| self.relations.shape(oid).unwrap().name.to_string());
                let names = names.collect::<Vec<_>>().join(", ");
                format!("{}truncate{cascade}{restart}: {names}", self.in_xid(xid))
            }
            Message::Message { xid, transactional, lsn, prefix, content } => {
                assert_ne!(lsn, Lsn::ZERO);
                let how = if transactional { "" } else { " outside" };
                format!("{}message{how} {prefix:?} {}", self.in_xid(xid), content.escape_ascii())
            }
            Message::StreamStart { xid, first_segment } => {
                format!("STREAM START {}{}", self.xid(xid), if first_segment { " first" } else { "" })
            }
            Message::StreamStop => "STREAM STOP".to_owned(),
            Message::StreamCommit { xid, commit_lsn, end_lsn, commit_time_us } => {
                check_place(commit_lsn, end_lsn, commit_time_us);
                format!("STREAM COMMIT {}", self.xid(xid))
            }
            Message::StreamAbort { xid, subxid, abort } => {
                let placed = if abort.is_some() { " placed" } else { "" };
                format!("STREAM ABORT {} {}{placed}", self.xid(xid), self.xid(subxid))
            }
            Message::BeginPrepare { prepare_lsn, end_lsn, prepare_time_us, xid, gid } => {
                check_place(prepare_lsn, end_lsn, prepare_time_us);
                format!("BEGIN PREPARE {} {gid}", self.xid(xid))
            }
            Message::Prepare { prepare_lsn, end_lsn, prepare_time_us, xid, gid } => {
                check_place(prepare_lsn, end_lsn, prepare_time_us);
                format!("PREPARE {} {gid}", self.xid(xid))
            }
            Message::CommitPrepared { commit_lsn, end_lsn, commit_time_us, xid, gid } => {
                check_place(commit_lsn, end_lsn, commit_time_us);
                format!("COMMIT PREPARED {} {gid}", self.xid(xid))
            }
            Message::RollbackPrepared {
                prepare_end_lsn,
                end_lsn,
                prepare_time_us,
                rollback_time_us,
                xid,
                gid,
            } => {
                check_place(prepare_end_lsn, end_lsn, prepare_time_us);
                assert!(rollback_time_us >= prepare_time_us);
                format!("ROLLBACK PREPARED {} {gid}", self.xid(xid))
            }
            Message::StreamPrepare { prepare_lsn, end_lsn, prepare_time_us, xid, gid } => {
                check_place(prepare_lsn, end_lsn, prepare_time_us);
                format!("STREAM PREPARE {} {gid}", self.xid(xid))
            }
        }
    }

    fn in_xid(&mut self, xid: Option<u32>) -> String {
        assert_eq!(xid.is_some(), self.in_stream == InStream::Yes);
        xid.map_or_else(String::new, |xid| self.xid(xid) + " ")
    }

    fn xid(&mut self, xid: u32) -> String {
        let number = self.xids.iter().position(|known| *known == xid).unwrap_or_else(|| {
            self.xids.push(xid);
            self.xids.len() - 1
        });
        format!("x{}", number + 1)
    }
}

fn check_place(start: Lsn, end: Lsn, time_us: i64) {
    assert!(start < end, "{start} {end}");
    // A replayed transaction brings its own time, here of 2020; if it brings none the server writes its epoch, 2000.
    let year = 1970 + time_us / (365 * 86_400_000_000);
    assert!(year == 2000 || (2020..2100).contains(&year), "{year}");
}

fn old_row(shape: &Shape, old: OldTuple<'_>) -> String {
    match old {
        OldTuple::None => String::new(),
        OldTuple::Full(tuple) => format!(" full {}", whole_row(shape, tuple)),
        OldTuple::Key(tuple) => {
            let mut cells = Vec::new();
            decoder::key_row(&shape.types, &shape.is_key, tuple, &mut cells).unwrap();
            format!(" key {}", row(&cells))
        }
    }
}

fn whole_row(shape: &Shape, tuple: Tuple<'_>) -> String {
    let mut cells = Vec::new();
    decoder::row(&shape.types, tuple, &mut cells).unwrap();
    for ((cell, data), column_type) in cells.iter().zip(tuple.columns()).zip(&shape.types) {
        if let ColumnData::Text(text) = data {
            let text = std::str::from_utf8(text).unwrap();
            assert_eq!(server_text(cell, column_type.name()), text, "{}", column_type.name());
        }
    }
    row(&cells)
}

/// Values in a form of their own: what a cell is shows, and a text of 2,100 letters is not written out.
fn row(cells: &[Cell<'_>]) -> String {
    let cells = cells.iter().map(|cell| match cell {
        Cell::Text(text) if text.len() > 2000 => format!("Text({}…{})", &text[..1], text.len()),
        cell => format!("{cell:?}"),
    });
    format!("[{}]", cells.collect::<Vec<_>>().join(", "))
}

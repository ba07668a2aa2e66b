//! Messages written by an encoder after the manual's tables come back as they were, and bytes that no server would
//! send are errors at worst.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::recorded;
use decoder::pgoutput::{ColumnData, InStream, Message, OldTuple, RelationCache, ReplicaIdentity, Tuple};
use proptest::prelude::*;

/// One field of a message.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Absent,
    Byte(u8),
    Number(u32),
    Long(u64),
    Time(i64),
    Text(String),
    Counted(Vec<u8>),
    Row(u8, Vec<(u8, Vec<u8>)>),
    Columns(Vec<(u8, String, u32, i32)>),
    Oids(u8, Vec<u32>),
}

/// What stands in a field's place in the manual.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Only in a stream.
    StreamXid,
    Zero,
    Flag,
    Number,
    Lsn,
    Time,
    Text,
    Counted,
    New,
    Old,
    MaybeOld,
    Identity,
    Columns,
    Oids,
}
use Place::*;

/// "Logical Replication Message Formats", version 18 of the manual.
const LAYOUTS: &[(u8, &[Place])] = &[
    (b'B', &[Lsn, Time, Number]),
    (b'M', &[StreamXid, Flag, Lsn, Text, Counted]),
    (b'C', &[Zero, Lsn, Lsn, Time]),
    (b'O', &[Lsn, Text]),
    (b'R', &[StreamXid, Number, Text, Text, Identity, Columns]),
    (b'Y', &[StreamXid, Number, Text, Text]),
    (b'I', &[StreamXid, Number, New]),
    (b'U', &[StreamXid, Number, MaybeOld, New]),
    (b'D', &[StreamXid, Number, Old]),
    (b'T', &[StreamXid, Oids]),
    (b'S', &[Number, Flag]),
    (b'E', &[]),
    (b'c', &[Number, Zero, Lsn, Lsn, Time]),
    (b'A', &[Number, Number]),
    // With `streaming 'parallel'`.
    (b'A', &[Number, Number, Lsn, Time]),
    (b'b', &[Lsn, Lsn, Time, Number, Text]),
    (b'P', &[Zero, Lsn, Lsn, Time, Number, Text]),
    (b'K', &[Zero, Lsn, Lsn, Time, Number, Text]),
    (b'r', &[Zero, Lsn, Lsn, Time, Time, Number, Text]),
    (b'p', &[Zero, Lsn, Lsn, Time, Number, Text]),
];

fn field(place: Place, in_stream: InStream) -> BoxedStrategy<Field> {
    let text = || "[^\0]{0,20}".boxed();
    let row = |kind: &'static [u8]| {
        let column = (proptest::sample::select(&b"nutb"[..]), any::<Vec<u8>>())
            .prop_map(|(kind, bytes)| (kind, if b"tb".contains(&kind) { bytes } else { Vec::new() }));
        (proptest::sample::select(kind), prop::collection::vec(column, 0..6))
            .prop_map(|(kind, columns)| Field::Row(kind, columns))
            .boxed()
    };
    match place {
        StreamXid if in_stream == InStream::No => Just(Field::Absent).boxed(),
        StreamXid | Number => any::<u32>().prop_map(Field::Number).boxed(),
        Zero => Just(Field::Byte(0)).boxed(),
        Flag => (0..=1u8).prop_map(Field::Byte).boxed(),
        Lsn => any::<u64>().prop_map(Field::Long).boxed(),
        // Whose place in the calendar of 1970 is a number too.
        Time => (i64::MIN..i64::MAX - 946_684_800_000_000).prop_map(Field::Time).boxed(),
        Text => text().prop_map(Field::Text).boxed(),
        Counted => any::<Vec<u8>>().prop_map(Field::Counted).boxed(),
        New => row(b"N"),
        Old => row(b"KO"),
        MaybeOld => prop_oneof![Just(Field::Absent), row(b"KO")].boxed(),
        Identity => proptest::sample::select(&b"dnfi"[..]).prop_map(Field::Byte).boxed(),
        Columns => prop::collection::vec((0..=1u8, text(), any::<u32>(), any::<i32>()), 0..6)
            .prop_map(Field::Columns)
            .boxed(),
        Oids => (0..=3u8, any::<Vec<u32>>()).prop_map(|(options, oids)| Field::Oids(options, oids)).boxed(),
    }
}

fn message() -> impl Strategy<Value = (InStream, u8, Vec<Field>)> {
    let in_stream = prop_oneof![Just(InStream::No), Just(InStream::Yes)];
    (in_stream, proptest::sample::select(LAYOUTS)).prop_flat_map(|(in_stream, (kind, places))| {
        let fields: Vec<_> = places.iter().map(|place| field(*place, in_stream)).collect();
        (Just(in_stream), Just(kind), fields)
    })
}

fn write(kind: u8, fields: &[Field]) -> Vec<u8> {
    let mut out = vec![kind];
    for field in fields {
        match field {
            Field::Absent => {}
            Field::Byte(value) => out.push(*value),
            Field::Number(value) => out.extend(value.to_be_bytes()),
            Field::Long(value) => out.extend(value.to_be_bytes()),
            Field::Time(value) => out.extend(value.to_be_bytes()),
            Field::Text(text) => {
                out.extend(text.as_bytes());
                out.push(0);
            }
            Field::Counted(bytes) => {
                out.extend((bytes.len() as u32).to_be_bytes());
                out.extend(bytes);
            }
            Field::Row(kind, columns) => {
                out.push(*kind);
                out.extend((columns.len() as u16).to_be_bytes());
                for (kind, bytes) in columns {
                    out.push(*kind);
                    if b"tb".contains(kind) {
                        out.extend((bytes.len() as u32).to_be_bytes());
                        out.extend(bytes);
                    }
                }
            }
            Field::Columns(columns) => {
                out.extend((columns.len() as u16).to_be_bytes());
                for (flags, name, oid, modifier) in columns {
                    out.push(*flags);
                    out.extend(name.as_bytes());
                    out.push(0);
                    out.extend(oid.to_be_bytes());
                    out.extend(modifier.to_be_bytes());
                }
            }
            Field::Oids(options, oids) => {
                out.extend((oids.len() as u32).to_be_bytes());
                out.push(*options);
                oids.iter().for_each(|oid| out.extend(oid.to_be_bytes()));
            }
        }
    }
    out
}

/// What was read, in the order of the layout.
fn read(message: &Message<'_>) -> (u8, Vec<Field>) {
    let lsn = |lsn: event::Lsn| Field::Long(lsn.into());
    let time = |time_us: i64| Field::Time(time_us - 946_684_800_000_000);
    let text = |text: &str| Field::Text(text.to_owned());
    let xid = |xid: Option<u32>| xid.map_or(Field::Absent, Field::Number);
    let flag = |flag: bool| Field::Byte(flag.into());
    let number = Field::Number;
    let zero = Field::Byte(0);
    let gid = |times: &[i64], start, end, id, gid: &str| {
        let mut fields = vec![lsn(start), lsn(end)];
        fields.extend(times.iter().copied().map(time));
        fields.extend([number(id), text(gid)]);
        fields
    };
    let zero_and = |fields: Vec<Field>| [vec![zero.clone()], fields].concat();
    match *message {
        Message::Begin { final_lsn, commit_time_us, xid } => {
            (b'B', vec![lsn(final_lsn), time(commit_time_us), number(xid)])
        }
        Message::Message { xid: id, transactional, lsn: at, prefix, content } => (
            b'M',
            vec![xid(id), flag(transactional), lsn(at), text(prefix), Field::Counted(content.to_vec())],
        ),
        Message::Commit { commit_lsn, end_lsn, commit_time_us } => {
            (b'C', vec![zero, lsn(commit_lsn), lsn(end_lsn), time(commit_time_us)])
        }
        Message::Origin { lsn: at, name } => (b'O', vec![lsn(at), text(name)]),
        Message::Relation(ref relation) => {
            let identity = match relation.replica_identity {
                ReplicaIdentity::Default => b'd',
                ReplicaIdentity::Nothing => b'n',
                ReplicaIdentity::Full => b'f',
                ReplicaIdentity::Index => b'i',
            };
            let columns = relation.columns.iter();
            let columns =
                columns.map(|c| (c.is_key.into(), c.name.to_owned(), c.type_oid, c.type_modifier)).collect();
            let names = [text(relation.namespace), text(relation.name)];
            let fields = [xid(relation.xid), number(relation.oid)].into_iter().chain(names);
            (b'R', fields.chain([Field::Byte(identity), Field::Columns(columns)]).collect())
        }
        Message::Type { xid: id, oid, namespace, name } => {
            (b'Y', vec![xid(id), number(oid), text(namespace), text(name)])
        }
        Message::Insert { xid: id, relation, new } => (b'I', vec![xid(id), number(relation), row(b'N', new)]),
        Message::Update { xid: id, relation, old: before, new } => {
            (b'U', vec![xid(id), number(relation), old(before), row(b'N', new)])
        }
        Message::Delete { xid: id, relation, old: before } => {
            (b'D', vec![xid(id), number(relation), old(before)])
        }
        Message::Truncate { xid: id, cascade, restart_identity, relations } => {
            let options = u8::from(cascade) + 2 * u8::from(restart_identity);
            (b'T', vec![xid(id), Field::Oids(options, relations.iter().collect())])
        }
        Message::StreamStart { xid, first_segment } => (b'S', vec![number(xid), flag(first_segment)]),
        Message::StreamStop => (b'E', vec![]),
        Message::StreamCommit { xid, commit_lsn, end_lsn, commit_time_us } => {
            (b'c', vec![number(xid), zero, lsn(commit_lsn), lsn(end_lsn), time(commit_time_us)])
        }
        Message::StreamAbort { xid, subxid, abort } => {
            let abort = abort.map(|(at, time_us)| [lsn(at), time(time_us)]).into_iter().flatten();
            (b'A', [number(xid), number(subxid)].into_iter().chain(abort).collect())
        }
        Message::BeginPrepare { prepare_lsn, end_lsn, prepare_time_us, xid, gid: name } => {
            (b'b', gid(&[prepare_time_us], prepare_lsn, end_lsn, xid, name))
        }
        Message::Prepare { prepare_lsn, end_lsn, prepare_time_us, xid, gid: name } => {
            (b'P', zero_and(gid(&[prepare_time_us], prepare_lsn, end_lsn, xid, name)))
        }
        Message::CommitPrepared { commit_lsn, end_lsn, commit_time_us, xid, gid: name } => {
            (b'K', zero_and(gid(&[commit_time_us], commit_lsn, end_lsn, xid, name)))
        }
        Message::RollbackPrepared {
            prepare_end_lsn,
            end_lsn,
            prepare_time_us,
            rollback_time_us,
            xid,
            gid: name,
        } => (b'r', zero_and(gid(&[prepare_time_us, rollback_time_us], prepare_end_lsn, end_lsn, xid, name))),
        Message::StreamPrepare { prepare_lsn, end_lsn, prepare_time_us, xid, gid: name } => {
            (b'p', zero_and(gid(&[prepare_time_us], prepare_lsn, end_lsn, xid, name)))
        }
    }
}

fn old(old: OldTuple<'_>) -> Field {
    match old {
        OldTuple::None => Field::Absent,
        OldTuple::Key(tuple) => row(b'K', tuple),
        OldTuple::Full(tuple) => row(b'O', tuple),
    }
}

fn row(kind: u8, tuple: Tuple<'_>) -> Field {
    let columns = tuple.columns().map(|column| match column {
        ColumnData::Null => (b'n', Vec::new()),
        ColumnData::Unchanged => (b'u', Vec::new()),
        ColumnData::Text(text) => (b't', text.to_vec()),
        ColumnData::Binary(bytes) => (b'b', bytes.to_vec()),
    });
    let columns: Vec<_> = columns.collect();
    assert_eq!(columns.len(), tuple.len());
    Field::Row(kind, columns)
}

/// Everything that a reader does with a message.
fn use_up(body: &[u8], in_stream: InStream) {
    let Ok(message) = Message::parse(body, in_stream) else { return };
    read(&message);
    if let Message::Relation(relation) = message {
        let shape = RelationCache::default().learn_relation(&relation);
        assert_eq!(shape.types.len(), relation.columns.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_is_read((in_stream, kind, fields) in message()) {
        let bytes = write(kind, &fields);
        let message = Message::parse(&bytes, in_stream).unwrap();
        prop_assert_eq!(read(&message), (kind, fields));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>, kind in proptest::sample::select(LAYOUTS)) {
        for in_stream in [InStream::No, InStream::Yes] {
            use_up(&body, in_stream);
            use_up(&[&[kind.0], &body[..]].concat(), in_stream);
        }
    }

    #[test]
    fn spoilt_messages_are_read_or_refused(
        number: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_stream in prop_oneof![Just(InStream::No), Just(InStream::Yes)],
    ) {
        let messages = recorded("17-proto4.hex");
        let mut message = number.get(&messages).clone();
        for (at, value) in changes {
            let at = at.index(message.len());
            message[at] = value;
        }
        use_up(&message, in_stream);
    }
}

#[test]
fn an_error_says_which_message_where_and_what() {
    let error = |body| Message::parse(body, InStream::No).unwrap_err().to_string();
    assert_eq!(error(b""), "empty message: expected a message kind at byte 0");
    assert_eq!(error(b"I\0\0\0\x01O"), "Insert message: expected the new row: N at byte 5");
    assert_eq!(
        error(b"I\0\0\0\x01N\0\x02nt\0\0\0\x05abcd"),
        "Insert message: expected a length and that many bytes of text at byte 10",
    );
    assert_eq!(error(b"D\0\0\0\x01N\0\0"), "Delete message: expected the old row: K or O at byte 5");
    assert_eq!(error(b"E!"), "StreamStop message: expected the end of the message at byte 1");
    assert_eq!(
        error(b"O\0\0\0\0\0\0\0\0\xFF\0"),
        "Origin message: expected the origin's name in UTF-8 at byte 9"
    );
    assert!(error(b"Z").starts_with("unknown pgoutput message kind 0x5a"));
    let huge = b"T\xFF\xFF\xFF\xFF\0";
    assert_eq!(error(huge), "Truncate message: expected as many OIDs as announced at byte 6");
}

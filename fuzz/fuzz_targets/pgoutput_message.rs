//! A sequence of messages, as a stream brings them: each with its length before it, in two bytes.
#![no_main]

use decoder::pgoutput::{InStream, Message, OldTuple, RelationCache, Tuple};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut relations = RelationCache::default();
    let mut in_stream = InStream::No;
    let mut rest = data;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (body, after) = after.split_at(length);
        rest = after;
        let Ok(message) = Message::parse(body, in_stream) else { continue };
        match message {
            Message::StreamStart { .. } => in_stream = InStream::Yes,
            Message::StreamStop => in_stream = InStream::No,
            Message::Type { oid, namespace, name, .. } => relations.learn_type(oid, namespace, name),
            Message::Relation(relation) => drop(relations.learn_relation(&relation)),
            Message::Insert { relation, new, .. } => row(&relations, relation, new),
            Message::Update { relation, old, new, .. } => {
                old_row(&relations, relation, old);
                row(&relations, relation, new);
            }
            Message::Delete { relation, old, .. } => old_row(&relations, relation, old),
            Message::Truncate { relations: oids, .. } => assert_eq!(oids.iter().count(), oids.len()),
            _ => {}
        }
    }
});

fn old_row(relations: &RelationCache, relation: u32, old: OldTuple<'_>) {
    match old {
        OldTuple::None => {}
        OldTuple::Full(tuple) => row(relations, relation, tuple),
        OldTuple::Key(tuple) => {
            let Ok(shape) = relations.shape(relation) else { return };
            let mut cells = Vec::new();
            if decoder::key_row(&shape.types, &shape.is_key, tuple, &mut cells).is_ok() {
                assert_eq!(cells.len(), shape.columns.len());
            }
        }
    }
}

fn row(relations: &RelationCache, relation: u32, tuple: Tuple<'_>) {
    assert_eq!(tuple.columns().count(), tuple.len());
    let Ok(shape) = relations.shape(relation) else { return };
    let mut cells = Vec::new();
    if decoder::row(&shape.types, tuple, &mut cells).is_ok() {
        assert_eq!(cells.len(), shape.columns.len());
    }
}

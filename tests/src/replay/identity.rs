use event::envelope::change_event::Position;
use event::envelope::{ChangeEvent, Op};

/// The ID that follows from an event's content, as docs/envelope.md has it. Of a READ only what comes before the row's
/// own name.
pub(crate) fn id_of(event: &ChangeEvent) -> String {
    let start = format!("{}/{}", event.source, event.epoch);
    if let Some(load) = &event.load {
        let place = match event.op() {
            Op::LoadBegin => "begin",
            Op::LoadEnd => "end",
            Op::Schema => "schema",
            Op::Truncate => "truncate",
            _ => "",
        };
        return format!("{start}/load/{}/{place}", load.id);
    }
    let (commit, own) = places_of(event);
    if event.txid.is_empty() {
        return format!("{start}/{own:016X}/{}", if event.op() == Op::Message { "m" } else { "h" });
    }
    let part = match (event.op(), event.part) {
        (Op::Delete, 1) => "d".to_owned(),
        (Op::Insert, 2) => "i".to_owned(),
        (Op::Schema, 0) => "s".to_owned(),
        (Op::Schema, part) => format!("s{part}"),
        (Op::Truncate, part) => format!("t{part}"),
        _ => String::new(),
    };
    format!("{start}/{commit:016X}/{}{part}", event.tx_seq)
}

/// Where its transaction stands in the log, as a number that grows, and where itself.
pub(crate) fn places_of(event: &ChangeEvent) -> (u64, u64) {
    match &event.position {
        Some(Position::Postgres(position)) => (position.commit_lsn, position.lsn),
        Some(Position::Mysql(position)) => (position.transaction, position.offset),
        Some(Position::Mariadb(position)) => (position.transaction, position.offset),
        Some(Position::Poll(_)) | None => (0, 0),
    }
}

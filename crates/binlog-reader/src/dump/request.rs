//! The commands that ask for a log, by "Replication Protocol" in MySQL's internals manual.

use event::{BinlogOffset, GtidSet};

use super::From;
use crate::system::{LogFile, System};

/// Behind the four bytes that a file begins with.
const FIRST: u32 = 4;

/// Says which replica this is; of host, user, password, port, rank and source only the server makes something.
pub(super) fn register(server_id: u32) -> Vec<u8> {
    const REGISTER_REPLICA: u8 = 0x15;
    let mut command = vec![REGISTER_REPLICA];
    command.extend(server_id.to_le_bytes());
    command.extend([0; 3 + 2 + 4 + 4]);
    command
}

/// Asks for events.
pub(super) fn dump(server_id: u32, system: &System, from: &From) -> Vec<u8> {
    match from {
        From::Place(place) => by_place(server_id, system, *place),
        // Its set was given to the session.
        From::Mariadb(_) => by_file(server_id, "", FIRST),
        From::Mysql(executed) => by_gtids(server_id, executed),
    }
}

/// A file grows beyond 4 GB by one transaction alone, and ends with it: such a place is the beginning of the next file, and
/// the only one that can be asked for.
fn by_place(server_id: u32, system: &System, place: BinlogOffset) -> Vec<u8> {
    let (number, offset) = match u32::try_from(place.offset) {
        Ok(offset) => (place.file, offset.max(FIRST)),
        Err(_) => (place.file + 1, FIRST),
    };
    by_file(server_id, &LogFile { base: system.base.clone(), number }.name(), offset)
}

fn by_file(server_id: u32, file: &str, offset: u32) -> Vec<u8> {
    const BINLOG_DUMP: u8 = 0x12;
    let mut command = vec![BINLOG_DUMP];
    command.extend(offset.to_le_bytes());
    command.extend([0; 2]);
    command.extend(server_id.to_le_bytes());
    command.extend(file.as_bytes());
    command
}

fn by_gtids(server_id: u32, executed: &GtidSet) -> Vec<u8> {
    const BINLOG_DUMP_GTID: u8 = 0x1E;
    const THROUGH_GTID: u16 = 4;
    let set = encoded(executed);
    let mut command = vec![BINLOG_DUMP_GTID];
    command.extend(THROUGH_GTID.to_le_bytes());
    command.extend(server_id.to_le_bytes());
    // No file: the server looks for the right one.
    command.extend([0; 4]);
    command.extend(u64::from(FIRST).to_le_bytes());
    command.extend((set.len() as u32).to_le_bytes());
    command.extend(set);
    command
}

/// As servers write sets into commands and events: since 8.3 in two forms, the one with tags only where there are some
/// (`Gtid_set::encode`).
fn encoded(set: &GtidSet) -> Vec<u8> {
    const WITH_TAGS: u64 = 1;
    let has_tags = set.intervals().any(|(source, ..)| !source.tag().is_empty());
    let mut sources: Vec<(&event::GtidSource, Vec<(u64, u64)>)> = Vec::new();
    for (source, first, last) in set.intervals() {
        match sources.last_mut().filter(|(before, _)| *before == source) {
            Some((_, intervals)) => intervals.push((first, last)),
            None => sources.push((source, vec![(first, last)])),
        }
    }
    let count = sources.len() as u64;
    let count = if has_tags { WITH_TAGS << 56 | count << 8 | WITH_TAGS } else { count };
    let mut bytes = count.to_le_bytes().to_vec();
    for (source, intervals) in sources {
        bytes.extend(source.uuid());
        if has_tags {
            // A number as they serialise it: its lowest bit says that no more bytes follow.
            bytes.push((source.tag().len() as u8) << 1);
            bytes.extend(source.tag().as_bytes());
        }
        bytes.extend((intervals.len() as u64).to_le_bytes());
        for (first, last) in intervals {
            bytes.extend(first.to_le_bytes());
            bytes.extend((last + 1).to_le_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_with_their_tags() {
        let uuid: Vec<u8> = (1..=16).collect();
        let name = "01020304-0506-0708-090a-0b0c0d0e0f10";
        let plain = encoded(&format!("{name}:1-5:7").parse().unwrap());
        let mut expected = 1_u64.to_le_bytes().to_vec();
        expected.extend(&uuid);
        for number in [2_u64, 1, 6, 7, 8] {
            expected.extend(number.to_le_bytes());
        }
        assert_eq!(plain, expected);
        let tagged = encoded(&format!("{name}:1-5:a_b:1-2").parse().unwrap());
        let mut expected = vec![1, 2, 0, 0, 0, 0, 0, 1];
        expected.extend(&uuid);
        expected.push(0);
        for number in [1_u64, 1, 6] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend(&uuid);
        expected.extend(b"\x06a_b");
        for number in [1_u64, 1, 3] {
            expected.extend(number.to_le_bytes());
        }
        assert_eq!(tagged, expected);
    }
}

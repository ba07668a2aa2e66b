//! One message in a file: its length and CRC-32, then when it was kept, and what a sink is told of it.

use std::io::{self, Read};

use event::{Message, Op, Route, TableName};

/// A message as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Milliseconds since 1970.
    pub(super) kept_ms: u64,
    pub(super) op: Op,
    pub(super) route: Route,
    pub(super) id: Vec<u8>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Option<Vec<u8>>,
}

/// Length and CRC.
const HEAD_BYTES: usize = 8;
/// Stands for the length of what is not there.
const NOTHING: u32 = u32::MAX;

const OPS: [Op; 10] = [
    Op::Insert,
    Op::Update,
    Op::Delete,
    Op::Truncate,
    Op::Read,
    Op::LoadBegin,
    Op::LoadEnd,
    Op::Message,
    Op::Schema,
    Op::Heartbeat,
];
const TABLE: u8 = 0;
const CONTROL: u8 = 1;
const SCHEMAS: u8 = 2;

/// Appends a message. One beyond 4 GiB, which no sink takes, is refused.
pub(super) fn write(message: &Message<'_>, kept_ms: u64, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    out.extend_from_slice(&kept_ms.to_le_bytes());
    out.push(OPS.iter().position(|op| *op == message.op)? as u8);
    let (kind, schema, table) = match &**message.route {
        Route::Table(name) => (TABLE, name.schema.as_bytes(), name.table.as_bytes()),
        Route::Control => (CONTROL, &b""[..], &b""[..]),
        Route::Schemas => (SCHEMAS, &b""[..], &b""[..]),
    };
    out.push(kind);
    for field in [Some(schema), Some(table), Some(message.id), message.key, message.payload] {
        let len = field.map_or(Some(NOTHING), |field| u32::try_from(field.len()).ok())?;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(field.unwrap_or_default());
    }
    let body = out.get(start + HEAD_BYTES..)?;
    let (len, crc) = (u32::try_from(body.len()).ok()?, crc32fast::hash(body));
    let head = [len.to_le_bytes(), crc.to_le_bytes()].concat();
    out.get_mut(start..start + HEAD_BYTES)?.copy_from_slice(&head);
    Some(())
}

/// The next record; none at the end, or where what follows was not written to its end.
pub(super) fn read(file: &mut impl Read) -> io::Result<Option<Record>> {
    let mut head = [0; HEAD_BYTES];
    if !fill(file, &mut head)? {
        return Ok(None);
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let (len, crc) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
    let mut body = Vec::new();
    // Not all at once: a torn length may say anything.
    file.take(len.into()).read_to_end(&mut body)?;
    if body.len() as u64 != u64::from(len) || body.is_empty() || crc32fast::hash(&body) != crc {
        return Ok(None);
    }
    parse(&body)
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a record is not understood"))
}

fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn parse(mut body: &[u8]) -> Option<Record> {
    let kept_ms = u64::from_le_bytes(*body.split_off(..8)?.first_chunk()?);
    let op = *OPS.get(usize::from(*body.split_off_first()?))?;
    let kind = *body.split_off_first()?;
    let schema = String::from_utf8(field(&mut body)??.to_vec()).ok()?;
    let table = String::from_utf8(field(&mut body)??.to_vec()).ok()?;
    let route = match kind {
        TABLE => Route::Table(TableName::new(&schema, &table)),
        CONTROL => Route::Control,
        SCHEMAS => Route::Schemas,
        _ => return None,
    };
    let id = field(&mut body)??.to_vec();
    let key = field(&mut body)?.map(<[u8]>::to_vec);
    let payload = field(&mut body)?.map(<[u8]>::to_vec);
    body.is_empty().then_some(Record { kept_ms, op, route, id, key, payload })
}

/// The outer is none if the body is too short, the inner if there is no such thing.
fn field<'b>(body: &mut &'b [u8]) -> Option<Option<&'b [u8]>> {
    let len = u32::from_le_bytes(*body.split_off(..4)?.first_chunk()?);
    if len == NOTHING { Some(None) } else { body.split_off(..len as usize).map(Some) }
}

//! The tables that the log has rows of: what the log and the dictionary say of them, and which of their rows go out.

use std::collections::HashMap;

use decoder::binlog::{RowPlan, Rows, TableDefinition, TableMap};
use event::{BinlogOffset, Body, Cell, LogPlace, Sequences, TableName, TableNews};

use crate::Options;
use crate::decoding::{Next, Output, Question};
use crate::error::Error;
use crate::fetch::Found;
use crate::origin;
use crate::refusal::Refusal;
use crate::row::{Decoded, Room};
use crate::shape::Shape;
use crate::system::Flavour;
use crate::table::{Known, Sent, name_of};
use crate::tail::Tail;
use crate::transaction::OpenTransaction;

/// What is known of tables between two events.
pub(crate) struct Tables {
    pub(crate) options: Options,
    flavour: Flavour,
    pub(crate) sequences: Sequences,
    /// By the numbers that the file gives them.
    maps: HashMap<u64, Map>,
    room: Room,
    /// What the dictionary said of tables that nothing was known of.
    asked: HashMap<TableName, Option<Shape>>,
    /// What was found of the present event's rows, once the database was asked.
    found: Option<Found>,
    /// What the log said of tables themselves.
    pub(crate) news: Vec<TableNews>,
}

/// A table by its number.
struct Map {
    /// As it came: the same again says nothing new.
    body: Box<[u8]>,
    known: Known,
}

impl Tables {
    pub(crate) fn new(options: Options, flavour: Flavour, sequences: Sequences) -> Self {
        Self {
            options,
            flavour,
            sequences,
            maps: HashMap::new(),
            room: Room::default(),
            asked: HashMap::new(),
            found: None,
            news: Vec::new(),
        }
    }

    /// The log goes on in another file, or is read from another connection: tables have other numbers there.
    pub(crate) fn forget_maps(&mut self) {
        self.maps.clear();
    }

    /// Whether the tail's event is a table map that is known already.
    pub(crate) fn know(&self, tail: &Tail) -> bool {
        let Some((number, body)) = map_body(tail) else { return false };
        self.maps.get(&number).is_some_and(|map| *map.body == *body)
    }

    /// Takes in what the log says of a table.
    pub(crate) fn map(
        &mut self,
        tail: &Tail,
        map: TableMap<'_>,
        body: &[u8],
        output: &mut Output<'_, '_>,
    ) -> Result<Next, Error> {
        let name = name_of(&map);
        let known = if map.table == origin::MARKER_TABLE {
            let definition = map.definition(tail.format()).map_err(undecodable(tail))?;
            Known::Marker(Box::new(RowPlan::new(&map, &definition).map_err(undecodable(tail))?))
        } else if !(self.options.wanted)(&name) || (self.options.since)(&name) == LogPlace::NEVER {
            Known::Unsent(RowPlan::counting(&map))
        } else {
            let Some(definition) = self.definition(tail, &map, &name, output)? else {
                return Ok(Next::Ask(Question::Shape(name)));
            };
            let plan = RowPlan::new(&map, &definition).map_err(undecodable(tail))?;
            Known::Sent(Box::new(Sent::new(name, plan, &definition, &self.options, &mut self.sequences)?))
        };
        self.maps.insert(map.table_id, Map { body: body.into(), known });
        Ok(Next::Event)
    }

    /// What a wanted table's columns mean; none: the dictionary is to be asked first.
    fn definition(
        &self,
        tail: &Tail,
        map: &TableMap<'_>,
        name: &TableName,
        output: &mut Output<'_, '_>,
    ) -> Result<Option<TableDefinition>, Error> {
        let undefined = |problem: String| {
            let (flavour, place) = (self.flavour, tail.place_text());
            Refusal::Undefined { flavour, place, table: name.clone(), problem }
        };
        let at = LogPlace::from(tail.begin());
        let shapes = &mut *output.remembered.shapes;
        let known = shapes.get(name, at).filter(|shape| !shape.is_empty());
        let shape: Option<Shape> = known.and_then(|shape| serde_json::from_str(shape).ok());
        let mut definition = map.definition(tail.format()).map_err(undecodable(tail))?;
        if !definition.is_full() {
            let Some(shape) = shape else {
                let problem = "the log does not say what its columns are (binlog_row_metadata is not FULL)";
                return Err(undefined(problem.to_owned()).into());
            };
            let definition = shape.definition_of(map, tail.format()).map_err(|misfit| {
                undefined(format!("they are not those that it is known to have: {misfit}"))
            })?;
            return Ok(Some(definition));
        }
        // What no log tells.
        let collation = shape.as_ref().and_then(|shape| shape.collation);
        if self.flavour == Flavour::Mariadb {
            match (shape, self.asked.get(name)) {
                (Some(shape), _) => shape.refine(&mut definition),
                (None, Some(Some(shape))) => shape.refine(&mut definition),
                (None, Some(None)) => {}
                (None, None) => return Ok(None),
            }
        }
        let plan = RowPlan::new(map, &definition).map_err(undecodable(tail))?;
        let told = Shape { collation, ..Shape::told(&plan, &definition) };
        let told = serde_json::to_string(&told)
            .map_err(|error| undefined(format!("they can't be written down: {error}")))?;
        if shapes.get(name, at) != Some(told.as_str()) {
            shapes.put(name, at, told);
        }
        Ok(Some(definition))
    }

    /// What the dictionary says of a table; none: it has none of this name.
    pub(crate) fn define(&mut self, name: TableName, shape: Option<Shape>) {
        self.asked.insert(name, shape);
    }

    /// What the database has of the rows that it was asked for.
    pub(crate) fn found(&mut self, found: Found) {
        self.found = Some(found);
    }

    /// A statement changes a table: the dictionary is asked anew.
    pub(crate) fn forget_asked(&mut self, name: &TableName) {
        self.asked.remove(name);
    }

    /// Sends what is to be sent of rows, all of one table.
    pub(crate) fn rows(
        &mut self,
        tail: &Tail,
        rows: &Rows<'_>,
        transaction: &mut OpenTransaction,
        own: BinlogOffset,
        output: &mut Output<'_, '_>,
    ) -> Result<Next, Error> {
        let Self { maps, sequences, room, options, found, news, .. } = self;
        if rows.is_empty() {
            return Ok(Next::Event);
        }
        let is_first = !std::mem::replace(&mut transaction.has_rows, true);
        let map = maps.get(&rows.table_id).ok_or_else(|| Error::Stream {
            place: tail.place_text(),
            what: format!("rows of the table number {}, which no table map describes", rows.table_id),
        })?;
        if let (true, Known::Marker(plan)) = (is_first, &map.known)
            && let Some(origin) = origin::of_marker(rows, plan).map_err(undecodable(tail))?
        {
            transaction.is_dropped |= origin::is_dropped(&origin, &options.drop_origins);
            transaction.origin = Some(origin);
        }
        if transaction.is_dropped {
            return Ok(Next::Event);
        }
        let sent = match &map.known {
            Known::Sent(sent) if sent.since <= LogPlace::from(transaction.begin) => sent,
            // What is not sent counts all the same: the sequence is the transaction's, not ours.
            Known::Sent(_) | Known::Unsent(_) | Known::Marker(_) => {
                transaction.seq += count(rows, map).map_err(undecodable(tail))?;
                return Ok(Next::Event);
            }
        };
        let table = &sent.table;
        if found.is_none() {
            let wanted = sent.lookup.wanted(rows).map_err(undecodable(tail))?;
            if wanted.needs_load {
                news.push(TableNews::Rewritten(table.name().clone()));
            }
            if !wanted.is_empty() {
                return Ok(Next::Ask(Question::Rows(wanted)));
            }
        }
        let found = found.take().unwrap_or_default();
        let mut changes = rows.changes(&sent.plan).map_err(undecodable(tail))?;
        let mut decoded = Decoded::new(rows.kind, room);
        let mut numbers = 0..;
        while decoded.read(&mut changes, table).map_err(undecodable(tail))? {
            if let Some(row) = numbers.next().and_then(|number| found.get(&number)) {
                match sent.lookup.cells(row) {
                    Ok(cells) => decoded.complete(cells),
                    // A column has another type by now.
                    Err(_) => news.push(TableNews::Rewritten(table.name().clone())),
                }
            }
            if decoded.lacks_key(table) {
                let problem =
                    "a row's image lacks columns of its key: the server's binlog_row_image is not FULL, and \
                               its primary key is another one"
                        .to_owned();
                return Err(Refusal::Rules { table: table.name().clone(), problem }.into());
            }
            transaction.seq += 1;
            let change = transaction.change();
            let is_contained =
                |key: Option<&Cell<'_>>| output.remembered.fences.contain(table.name(), change, key);
            let events = decoded.events();
            for part in events.going_out(sent.range_key, sent.joins_key_changes, is_contained) {
                if sequences.announce(sent.sequence, table.fingerprint) {
                    let body = Body::Schema { table, load: None, part: 0 };
                    output.batch.push(&transaction.event(body, own, output.captured_time_us));
                }
                let body = events.body(part, table, sequences.next(sent.sequence));
                output.batch.push(&transaction.event(body, own, output.captured_time_us));
                transaction.has_sent = true;
            }
        }
        room.take_back(decoded);
        Ok(Next::Event)
    }

    /// One of those that are sent.
    pub(crate) fn any_sent(&self) -> Option<TableName> {
        self.maps.values().find_map(|map| match &map.known {
            Known::Sent(sent) => Some(sent.table.name().clone()),
            _ => None,
        })
    }
}

/// How many rows there are.
fn count(rows: &Rows<'_>, map: &Map) -> Result<u64, decoder::Error> {
    let plan = match &map.known {
        Known::Sent(sent) => &sent.plan,
        Known::Unsent(plan) => plan,
        Known::Marker(plan) => plan,
    };
    let mut changes = rows.changes(plan)?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut count = 0;
    while changes.read(&mut before, &mut after)? {
        before.clear();
        after.clear();
        count += 1;
    }
    Ok(count)
}

/// The number and the content of a table map.
fn map_body(tail: &Tail) -> Option<(u64, &[u8])> {
    let body = tail.is_table_map().then(|| tail.body())?;
    let number = body.first_chunk::<6>()?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((number, body))
}

fn undecodable(tail: &Tail) -> impl Fn(decoder::Error) -> Error + '_ {
    |error| Refusal::Decoding { place: tail.place_text(), error }.into()
}

//! A consumer that rebuilds the tables from what arrived, and holds the sender to every promise on the way.
//!
//! Messages are handed over in the order of their partition (a file or a NATS stream is one). Each is judged at once:
//!
//! - its ID is the one its content gives, its key the one its row gives, and its key's partition always the same;
//! - a stream event that comes again has the same bytes, but for the time of its capture and cells fetched afterwards;
//! - first deliveries of a partition stand in the log's order, and what is repeated is an unbroken run of what was
//!   there before: a jump back, and from there on one after the other without a gap;
//! - `table_seq` counts without a hole, and a load's rows without one, up to the number its LOAD_END tells.
//!
//! Tables are rebuilt twice: by the last write of each key, and by dropping whatever one number per table and
//! partition shows to be a repetition. Both must come out the same. Tables without a key allow only the second.

mod cell;
mod delivered;
mod foreign;
mod identity;
mod loads;
mod order;
mod replica;
mod source;

use std::collections::HashMap;

use event::TableName;
use event::envelope::{ChangeEvent, Op, TableSchema};
use prost::Message as _;

pub use self::cell::Cell;
pub use self::delivered::Delivered;
pub use self::foreign::differences;
pub(crate) use self::identity::{id_of, places_of};
use self::loads::Loads;
use self::order::Order;
use self::replica::Replica;
pub use self::source::{Source, source_rows};

/// All that was found, good and bad.
#[derive(Default)]
pub struct Replay {
    schemas: HashMap<u64, TableSchema>,
    order: Order,
    loads: Loads,
    replicas: HashMap<(String, TableName), Rebuilt>,
    /// The partition each key of a table was first seen in.
    homes: HashMap<(TableName, Vec<u8>), String>,
    faults: Vec<String>,
    events: u64,
}

/// A table's rows of one partition, rebuilt in two ways.
#[derive(Default)]
struct Rebuilt {
    by_last_write: Replica,
    by_number: Replica,
    /// Epoch and number of the last event that was not dropped.
    number: (u64, u64),
}

/// What a test may want to say about a run.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Messages, all in all.
    pub messages: u64,
    /// Different changes of the log.
    pub changes: u64,
    /// Changes that came more than once.
    pub repeated: u64,
    /// Jumps back in a partition.
    pub restarts: u64,
    /// Loads that were begun.
    pub loads: u64,
}

impl Replay {
    /// Takes the next message of a partition.
    pub fn take(&mut self, message: &Delivered) {
        self.events += 1;
        let event = match ChangeEvent::decode(&message.payload[..]) {
            Ok(event) => event,
            Err(error) => return self.faults.push(format!("no event: {error}")),
        };
        if let Some(schema) = &event.table_schema {
            self.schemas.insert(event.schema_fp, schema.clone());
        }
        self.check_names(message, &event);
        let table = TableName::new(&event.schema, &event.table);
        let is_repeated = self.order.take(&message.partition, &event, &mut self.faults);
        self.loads.take(&message.partition, &event, &mut self.faults);
        if event.table.is_empty() || event.op() == Op::Schema {
            return;
        }
        let Some(schema) = self.schemas.get(&event.schema_fp) else {
            return self.faults.push(format!("{}: no schema came before it", id_of(&event)));
        };
        let rebuilt = self.replicas.entry((message.partition.clone(), table)).or_default();
        rebuilt.by_last_write.apply(&event, schema);
        let number = (event.epoch, event.table_seq);
        // A TRUNCATE of a load is not.
        let is_counted =
            matches!(event.op(), Op::Insert | Op::Update | Op::Delete | Op::Truncate) && event.load.is_none();
        if !is_counted || number > rebuilt.number {
            rebuilt.by_number.apply(&event, schema);
            if is_counted {
                rebuilt.number = number;
                if is_repeated {
                    self.faults.push(format!("{}: repeated, yet its number is new", id_of(&event)));
                }
            }
        }
    }

    /// The rows of a table in the order of these columns, sorted; every way to rebuild them agreed.
    fn rows(&self, table: &TableName, columns: &[String], faults: &mut Vec<String>) -> Vec<Vec<Cell>> {
        let parts =
            || self.replicas.iter().filter(|((_, name), _)| name == table).map(|(_, rebuilt)| rebuilt);
        let collect = |way: fn(&Rebuilt) -> &Replica| {
            let mut rows: Vec<_> = parts().flat_map(|part| way(part).rows(columns)).collect();
            rows.sort();
            rows
        };
        let by_number = collect(|part| &part.by_number);
        if parts().all(|part| part.by_number.has_key()) && collect(|part| &part.by_last_write) != by_number {
            faults.push(format!("{table}: the last write of each key gives other rows than the numbers do"));
        }
        by_number
    }

    /// Compares with the source's rows, and fails with what was found wrong.
    pub fn assert_equals(&self, source: &Source, about: &str) -> Summary {
        let (faults, summary) = (self.faults(source), self.summary());
        let shown: Vec<&str> = faults.iter().take(25).map(String::as_str).collect();
        assert!(faults.is_empty(), "{about}: {} faults, {summary:?}\n{}", faults.len(), shown.join("\n"));
        summary
    }

    /// All that was wrong on the way, and all that differs from the source's rows.
    pub fn faults(&self, source: &Source) -> Vec<String> {
        let mut faults = self.faults_on_the_way();
        for (table, expected) in source {
            let found = self.rows(table, &expected.columns, &mut faults);
            source::compare(table, expected, &found, &mut faults);
        }
        for (_, table) in self.replicas.keys() {
            if !source.contains_key(table) {
                faults.push(format!("{table}: not in the source"));
            }
        }
        faults
    }

    /// All that was wrong on the way.
    pub fn faults_on_the_way(&self) -> Vec<String> {
        let mut faults = self.faults.clone();
        self.order.finish(&mut faults);
        self.loads.finish(&mut faults);
        faults
    }

    /// What came.
    pub fn summary(&self) -> Summary {
        Summary {
            messages: self.events,
            changes: self.order.changes(),
            repeated: self.order.repeated(),
            restarts: self.order.restarts(),
            loads: self.loads.begun(),
        }
    }

    /// Whatever the message says of itself beside its payload must follow from the payload.
    fn check_names(&mut self, message: &Delivered, event: &ChangeEvent) {
        let id = id_of(event);
        let faults = &mut self.faults;
        if let Some(given) = &message.id {
            let agrees = if event.op() == Op::Read { given.starts_with(&id) } else { *given == id };
            if !agrees {
                faults.push(format!("{id}: the message's ID is {given}"));
            }
        }
        if let Some(given) = &message.key {
            let key = event.key.as_ref().map(prost::Message::encode_to_vec);
            if *given != key {
                faults.push(format!("{id}: the message's key is not the row's"));
            }
            if let Some(key) = key {
                let table = TableName::new(&event.schema, &event.table);
                let home = self.homes.entry((table, key)).or_insert_with(|| message.partition.clone());
                if *home != message.partition {
                    faults.push(format!("{id}: its key was in {home} before, now in {}", message.partition));
                }
            }
        }
    }
}

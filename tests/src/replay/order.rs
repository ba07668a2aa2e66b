use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use event::LogOrder;
use event::envelope::{ChangeEvent, Op, value};
use prost::Message as _;

use super::identity::id_of;

/// Which stream events came, in which order, and which came again.
#[derive(Default)]
pub(super) struct Order {
    /// By ID: what all copies have in common.
    contents: HashMap<String, u64>,
    partitions: HashMap<String, Partition>,
    /// By source, epoch and table: which numbers came.
    numbers: HashMap<(u64, String, String), Numbers>,
    repeated: u64,
    restarts: u64,
}

#[derive(Default)]
struct Partition {
    /// Each event's place among the first deliveries.
    places: HashMap<String, usize>,
    last_place: Option<usize>,
    last_order: Option<LogOrder>,
}

#[derive(Default)]
struct Numbers {
    count: u64,
    greatest: u64,
}

impl Order {
    /// Takes the next event of a partition; whether it is a repetition there.
    pub(super) fn take(&mut self, partition: &str, event: &ChangeEvent, faults: &mut Vec<String>) -> bool {
        let is_counted =
            matches!(event.op(), Op::Insert | Op::Update | Op::Delete | Op::Truncate) && event.load.is_none();
        if !is_counted && event.op() != Op::Message {
            // Schemas are announced again after a restart, each time before another row.
            return false;
        }
        let id = id_of(event);
        let content = content_of(event);
        match self.contents.get(&id) {
            Some(known) if *known != content => faults.push(format!("{id}: came again with another content")),
            Some(_) => {}
            None => {
                self.contents.insert(id.clone(), content);
                if is_counted {
                    let name = (event.epoch, event.schema.clone(), event.table.clone());
                    let numbers = self.numbers.entry(name).or_default();
                    numbers.count += 1;
                    numbers.greatest = numbers.greatest.max(event.table_seq);
                }
            }
        }
        let partition = self.partitions.entry(partition.to_owned()).or_default();
        match partition.places.get(&id).copied() {
            Some(place) => {
                self.repeated += 1;
                let last = partition.last_place.unwrap_or_default();
                if place > last + 1 {
                    faults.push(format!("{id}: repeated after a gap of {} events", place - last - 1));
                }
                if place <= last {
                    self.restarts += 1;
                }
                partition.last_place = Some(place);
                true
            }
            None => {
                partition.take_new(&id, faults);
                false
            }
        }
    }

    /// With all events taken: no number may be missing.
    pub(super) fn finish(&self, faults: &mut Vec<String>) {
        for ((epoch, schema, table), numbers) in &self.numbers {
            if numbers.count != numbers.greatest {
                faults.push(format!(
                    "{schema}.{table}, epoch {epoch}: {} changes came, the last has number {}",
                    numbers.count, numbers.greatest
                ));
            }
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.contents.len() as u64
    }

    pub(super) fn repeated(&self) -> u64 {
        self.repeated
    }

    pub(super) fn restarts(&self) -> u64 {
        self.restarts
    }
}

impl Partition {
    fn take_new(&mut self, id: &str, faults: &mut Vec<String>) {
        let place = self.places.len();
        if self.last_place.is_some_and(|last| last + 1 != place) {
            faults.push(format!("{id}: is new, but the run of repetitions before it broke off"));
        }
        self.places.insert(id.to_owned(), place);
        self.last_place = Some(place);
        let order = LogOrder::of_id(id.as_bytes());
        if order <= self.last_order {
            faults.push(format!("{id}: came after {:?}", self.last_order));
        }
        self.last_order = order;
    }
}

/// A hash of all that must be the same in every copy: not the time of capture, nor what was not in the log and had to
/// be fetched, which may have become another value or have gone in between.
fn content_of(event: &ChangeEvent) -> u64 {
    let mut event = event.clone();
    event.captured_time_us = 0;
    if let Some(after) = &mut event.after {
        let omitted =
            |value: &&mut event::envelope::Value| matches!(value.kind, Some(value::Kind::Omitted(_)));
        after
            .values
            .iter_mut()
            .filter(omitted)
            .for_each(|value| value.kind = Some(value::Kind::Unchanged(Default::default())));
        for column in std::mem::take(&mut event.fetched) {
            after.values[column as usize].kind = Some(value::Kind::Unchanged(Default::default()));
        }
    }
    let mut hasher = DefaultHasher::new();
    event.encode_to_vec().hash(&mut hasher);
    hasher.finish()
}

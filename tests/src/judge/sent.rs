use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use event::envelope::change_event::Position;
use event::envelope::{BeforeKind, ChangeEvent, Op, Row, TableSchema, Value};
use prost::Message as _;

use super::state::{State, key_of, lasting};
use super::text::datum;
use crate::history::{Datum, Identity, Kind, Tuple, mirrored};
use crate::replay::{Cell, Delivered, id_of, places_of};

/// What came, each event of the log at its first delivery.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) changes: Vec<SentChange>,
    pub(super) loads: BTreeMap<String, Load>,
    pub(super) faults: Vec<String>,
    schemas: HashMap<u64, TableSchema>,
    /// Which schemas came in which partition.
    announced: HashSet<(String, u64)>,
    seen: HashSet<String>,
    seen_in_partition: HashSet<(String, String)>,
    /// Messages so far, by partition.
    places: HashMap<String, u64>,
    replicas: HashMap<(String, String), Replica>,
}

/// One event of the log.
pub(super) struct SentChange {
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) table: String,
    pub(super) xid: String,
    pub(super) commit: u64,
    pub(super) own: u64,
    pub(super) commit_time_us: i64,
    pub(super) tx_seq: u64,
    pub(super) table_seq: u64,
    pub(super) part: u32,
    pub(super) kind: Kind,
    pub(super) before: BeforeKind,
    pub(super) key: Tuple,
    pub(super) fetched: BTreeSet<String>,
}

/// Where a message stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) partition: String,
    pub(super) number: u64,
}

/// A load.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) table: String,
    /// What it shows was committed before.
    pub(super) limit: u64,
    pub(super) begins: HashMap<String, u64>,
    ends: u64,
    told: u64,
    pub(super) rows: Vec<Tuple>,
    pub(super) columns: BTreeSet<String>,
    is_of_range: bool,
}

/// A partition's part of a table.
#[derive(Default)]
struct Replica {
    state: State,
    seen: BTreeSet<Vec<Datum>>,
    rows: Vec<Tuple>,
}

impl Sent {
    pub(super) fn take(&mut self, message: &Delivered) {
        let event = match ChangeEvent::decode(&message.payload[..]) {
            Ok(event) => event,
            Err(error) => return self.faults.push(format!("no event: {error}")),
        };
        let number = self.places.entry(message.partition.clone()).or_default();
        *number += 1;
        let place = Place { partition: message.partition.clone(), number: *number };
        let id = id_of(&event);
        match event.op() {
            Op::Schema => self.learn(&place, &event),
            Op::LoadBegin | Op::Read | Op::LoadEnd => self.load(place, &id, &event),
            Op::Heartbeat | Op::Unspecified => {}
            _ => self.change(place, id, &event),
        }
    }

    /// Rows of all partitions; sorted.
    pub(super) fn rows(&self, table: &str) -> Vec<Tuple> {
        let of_table = self.replicas.iter().filter(|((_, name), _)| name == table);
        let mut rows: Vec<Tuple> = of_table.flat_map(|(_, replica)| replica.state.rows()).collect();
        rows.sort();
        rows
    }

    fn learn(&mut self, place: &Place, event: &ChangeEvent) {
        let Some(schema) = &event.table_schema else {
            return self.faults.push(format!("{}: a SCHEMA without one", id_of(event)));
        };
        self.announced.insert((place.partition.clone(), event.schema_fp));
        let known = self.schemas.entry(event.schema_fp).or_insert_with(|| schema.clone());
        if known != schema {
            self.faults.push(format!("{}: a fingerprint of two schemas", id_of(event)));
        }
    }

    /// The schema of a row, which must have come in its partition.
    fn schema(&mut self, place: &Place, event: &ChangeEvent) -> Option<TableSchema> {
        if !self.announced.contains(&(place.partition.clone(), event.schema_fp)) {
            self.faults.push(format!("{}: no SCHEMA before it in {}", id_of(event), place.partition));
        }
        self.schemas.get(&event.schema_fp).cloned()
    }

    fn change(&mut self, place: Place, id: String, event: &ChangeEvent) {
        if !self.seen_in_partition.insert((place.partition.clone(), id.clone())) {
            return;
        }
        let Some((kind, identity)) = self.kind(&place, event) else { return };
        if !event.table.is_empty() {
            let replica = self.replicas.entry((place.partition.clone(), event.table.clone())).or_default();
            // What is wrong about it shows against the history: before its load a table's rows are unknown.
            replica.state.apply(&kind, &identity);
        }
        if !self.seen.insert(id.clone()) {
            return;
        }
        let (commit, own) = places_of(event);
        let (xid, own) = match gtid_of(event) {
            None => (event.txid.clone(), own),
            // Where it stands in the replica's log tells nothing.
            Some(gtid) => (gtid.to_owned(), event.tx_seq),
        };
        let schema = self.schemas.get(&event.schema_fp);
        let named = |columns: &[u32]| {
            let column = |at: &u32| schema.and_then(|schema| schema.columns.get(*at as usize));
            columns.iter().filter_map(column).map(|column| column.name.clone()).collect()
        };
        let key = match (&event.key, schema) {
            (Some(key), Some(schema)) => {
                let columns = schema.key.iter().filter_map(|at| schema.columns.get(*at as usize));
                let cells = columns.zip(&key.values);
                cells
                    .map(|(column, value)| (column.name.clone(), datum_of(event, value, &column.r#type)))
                    .collect()
            }
            _ => Tuple::new(),
        };
        self.changes.push(SentChange {
            id,
            place,
            table: event.table.clone(),
            xid,
            commit,
            own,
            commit_time_us: event.commit_time_us,
            tx_seq: event.tx_seq,
            table_seq: event.table_seq,
            part: event.part,
            kind,
            before: event.before_kind(),
            key,
            fetched: named(&event.fetched),
        });
    }

    fn kind(&mut self, place: &Place, event: &ChangeEvent) -> Option<(Kind, Identity)> {
        if event.op() == Op::Message {
            let message = event.message.clone().unwrap_or_default();
            let content = String::from_utf8_lossy(&message.content).into_owned();
            return Some((Kind::Message { prefix: message.prefix, content }, Identity::default()));
        }
        let schema = self.schema(place, event)?;
        let old = || tuple(event, &event.before, &schema);
        let new = || tuple(event, &event.after, &schema);
        let kind = match event.op() {
            Op::Insert => Kind::Insert { new: new() },
            Op::Update => {
                Kind::Update { old: (event.before_kind() != BeforeKind::None).then(old), new: new() }
            }
            Op::Delete => Kind::Delete { old: old() },
            _ => Kind::Truncate,
        };
        Some((kind, identity(&schema)))
    }

    fn load(&mut self, place: Place, id: &str, event: &ChangeEvent) {
        let Some(told) = &event.load else {
            return self.faults.push(format!("{id}: of no load"));
        };
        let load = self.loads.entry(told.id.clone()).or_default();
        let at = (place.partition.clone(), event.table.clone());
        match event.op() {
            Op::LoadBegin => {
                load.table = event.table.clone();
                load.is_of_range = told.from.is_some() || told.to.is_some();
                load.limit = places_of(event).0;
                load.begins.insert(place.partition, place.number);
                let replica = self.replicas.entry(at).or_default();
                replica.seen.clear();
                replica.rows.clear();
            }
            Op::LoadEnd => {
                load.ends += 1;
                load.told = told.rows;
                let schema = self.schemas.get(&event.schema_fp).cloned().unwrap_or_default();
                let replica = self.replicas.entry(at).or_default();
                let rows = std::mem::take(&mut replica.rows);
                replica.state.keep(&replica.seen, &identity(&schema).key, rows);
            }
            _ => {
                let Some(schema) = self.schema(&place, event) else { return };
                let row = tuple(event, &event.after, &schema);
                let identity = identity(&schema);
                let load = self.loads.entry(told.id.clone()).or_default();
                load.columns = lasting(&row).into_keys().collect();
                load.rows.push(row.clone());
                let replica = self.replicas.entry(at).or_default();
                if identity.key.is_empty() {
                    replica.rows.push(row);
                } else {
                    replica.seen.insert(key_of(&lasting(&row), &identity.key));
                    replica.state.apply(&Kind::Insert { new: row }, &identity);
                }
            }
        }
    }
}

impl Load {
    /// Whether all of it came, and it is of a whole table.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_of_range && self.ends == self.begins.len() as u64 && self.told == self.rows.len() as u64
    }
}

fn identity(schema: &TableSchema) -> Identity {
    let columns: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
    let key = schema.key.iter().filter_map(|at| columns.get(*at as usize).cloned()).collect();
    Identity { key, columns, is_full: false }
}

fn tuple(event: &ChangeEvent, row: &Option<Row>, schema: &TableSchema) -> Tuple {
    let values = row.iter().flat_map(|row| &row.values);
    let cells = schema.columns.iter().zip(values);
    cells.map(|(column, value)| (column.name.clone(), datum_of(event, value, &column.r#type))).collect()
}

/// In the form in which the history has it.
fn datum_of(event: &ChangeEvent, value: &Value, type_name: &str) -> Datum {
    match gtid_of(event) {
        None => datum(value, type_name),
        Some(_) => mirrored(Cell::of(value)),
    }
}

/// Of MySQL and MariaDB.
fn gtid_of(event: &ChangeEvent) -> Option<&str> {
    match &event.position {
        Some(Position::Mysql(position)) => Some(&position.gtid),
        Some(Position::Mariadb(position)) => Some(&position.gtid),
        _ => None,
    }
}

use std::collections::{HashMap, HashSet};

use event::envelope::{ChangeEvent, Op};

/// Which loads there were, and whether they were whole.
#[derive(Default)]
pub(super) struct Loads {
    /// By the load's ID.
    loads: HashMap<String, Load>,
    /// By table: where its loads begin and end.
    partitions: HashMap<Table, HashSet<String>>,
    /// By partition and table: the load whose rows may come now.
    open: HashMap<(String, Table), String>,
}

#[derive(Default)]
struct Load {
    table: Table,
    reads: u64,
    greatest: u64,
    /// As LOAD_END tells.
    rows: u64,
    /// Where its LOAD_END came: not everywhere if the sender was killed right then.
    ended: HashSet<String>,
}

type Table = (String, String);

impl Loads {
    pub(super) fn take(&mut self, partition: &str, event: &ChangeEvent, faults: &mut Vec<String>) {
        let table = (event.schema.clone(), event.table.clone());
        let place = (partition.to_owned(), table.clone());
        let id = event.load.as_ref().map(|load| load.id.clone()).unwrap_or_default();
        match event.op() {
            Op::LoadBegin => {
                self.loads.entry(id.clone()).or_default().table = table.clone();
                self.partitions.entry(table).or_default().insert(partition.to_owned());
                self.open.insert(place, id);
            }
            Op::Read | Op::LoadEnd => {
                if self.open.get(&place) != Some(&id) {
                    faults.push(format!("{table:?}, load {id}: {:?} outside of it", event.op()));
                }
                let load = self.loads.entry(id).or_default();
                if event.op() == Op::Read {
                    load.reads += 1;
                    load.greatest = load.greatest.max(event.table_seq);
                } else {
                    load.rows = event.load.as_ref().map_or(0, |load| load.rows);
                    load.ended.insert(partition.to_owned());
                    self.open.remove(&place);
                }
            }
            Op::Schema => {}
            // Nothing of the stream may come between a load's rows.
            _ => _ = self.open.remove(&place),
        }
    }

    pub(super) fn finish(&self, faults: &mut Vec<String>) {
        for (id, Load { table, reads, greatest, rows, ended }) in &self.loads {
            let is_whole = self.partitions.get(table).is_some_and(|partitions| ended.is_superset(partitions));
            if is_whole && (rows != reads || rows != greatest) {
                faults.push(format!(
                    "load {id}: {rows} rows told, {reads} came, the last has number {greatest}"
                ));
            }
        }
    }

    pub(super) fn begun(&self) -> u64 {
        self.loads.len() as u64
    }
}

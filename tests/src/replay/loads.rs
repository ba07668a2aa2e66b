use std::collections::HashMap;

use event::envelope::{ChangeEvent, Op};

/// Which loads there were, and whether they were whole.
#[derive(Default)]
pub(super) struct Loads {
    /// By the load's ID.
    loads: HashMap<String, Load>,
    /// By partition and table: the load whose rows may come now.
    open: HashMap<(String, String, String), String>,
}

#[derive(Default)]
struct Load {
    reads: u64,
    greatest: u64,
    /// As LOAD_END tells.
    rows: Option<u64>,
}

impl Loads {
    pub(super) fn take(&mut self, partition: &str, event: &ChangeEvent, faults: &mut Vec<String>) {
        let place = (partition.to_owned(), event.schema.clone(), event.table.clone());
        let id = event.load.as_ref().map(|load| load.id.clone()).unwrap_or_default();
        match event.op() {
            Op::LoadBegin => {
                self.loads.entry(id.clone()).or_default();
                self.open.insert(place, id);
            }
            Op::Read | Op::LoadEnd => {
                if self.open.get(&place) != Some(&id) {
                    faults.push(format!(
                        "{}.{}, load {id}: {:?} outside of it",
                        event.schema,
                        event.table,
                        event.op()
                    ));
                }
                let load = self.loads.entry(id).or_default();
                if event.op() == Op::Read {
                    load.reads += 1;
                    load.greatest = load.greatest.max(event.table_seq);
                } else {
                    load.rows = event.load.as_ref().map(|load| load.rows);
                    self.open.remove(&place);
                }
            }
            Op::Schema => {}
            // Nothing of the stream may come between a load's rows.
            _ => _ = self.open.remove(&place),
        }
    }

    pub(super) fn finish(&self, faults: &mut Vec<String>) {
        for (id, load) in &self.loads {
            if let Some(rows) = load.rows.filter(|rows| *rows != load.reads || *rows != load.greatest) {
                let Load { reads, greatest, .. } = load;
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

//! A file's rows against the table before and after.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use decoder::binlog::{Declared, Event, RowPlan, Rows, RowsKind};
use event::Cell;

use crate::columns::Column;
use crate::page::Arms;
use crate::{log, text};

/// The table at one moment: each row's values by its id.
pub(crate) type Stage = BTreeMap<i64, Vec<String>>;

/// What was met in a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) inserts: usize,
    pub(crate) updates: usize,
    pub(crate) deletes: usize,
    omitted: usize,
    payloads: usize,
    partial: usize,
    documents_without_base: usize,
    compressed: usize,
}

/// Replays files onto a table, which must come out as the server's.
pub(crate) struct Replay<'c> {
    columns: &'c [Column],
    pub(crate) arms: RefCell<Arms>,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.inserts += other.inserts;
        self.updates += other.updates;
        self.deletes += other.deletes;
        self.omitted += other.omitted;
        self.payloads += other.payloads;
        self.partial += other.partial;
        self.documents_without_base += other.documents_without_base;
        self.compressed += other.compressed;
    }

    pub(crate) fn holds(&self, what: &str) -> bool {
        match what {
            "rows" => self.payloads + self.partial + self.compressed + self.omitted == 0,
            "omitted" => self.omitted > 0,
            "payload" => self.payloads > 0,
            "partial" => self.partial > 0,
            "compressed" => self.compressed > 0,
            other => panic!("{other}"),
        }
    }
}

impl<'c> Replay<'c> {
    pub(crate) fn new(columns: &'c [Column]) -> Self {
        Self { columns, arms: RefCell::default() }
    }

    /// Every image is held against the table as it was replayed up to there, and the end against the server's.
    pub(crate) fn check(&self, file: &[u8], before: &Stage, after: &Stage) -> Seen {
        let mut seen = Seen::default();
        let mut table = before.clone();
        let mut plans: HashMap<u64, RowPlan> = HashMap::new();
        log::read(file, |format, header, event| match event {
            Event::TableMap(map) if map.table == "everything" => {
                let mut definition = map.definition(format).expect("a definition");
                assert!(definition.is_full());
                assert_eq!(definition.primary_key, [0]);
                for (column, defined) in self.columns.iter().zip(&mut definition.columns[1..]) {
                    assert_eq!(column.name, defined.name);
                    // MariaDB does not tell.
                    let is_hidden = column.sql.contains("INVISIBLE") && !format.is_mariadb();
                    assert_eq!(is_hidden, !defined.is_visible, "{}", column.name);
                    if format.is_mariadb() && defined.declared == Declared::Plain {
                        defined.declared = column.declared();
                    }
                }
                plans.insert(map.table_id, RowPlan::new(map, &definition).expect("a plan"));
            }
            Event::Rows(rows) => {
                if (166..=171).contains(&header.kind) {
                    seen.compressed += 1;
                }
                self.rows(rows, &plans[&rows.table_id], &mut table, &mut seen);
            }
            Event::TransactionPayload(_) => seen.payloads += 1,
            _ => {}
        });
        assert_eq!(table.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        for (id, row) in &table {
            for ((column, replayed), said) in self.columns.iter().zip(row).zip(&after[id]) {
                // Nobody can tell what a difference makes of a document that was not sent.
                if replayed != UNKNOWN {
                    assert_eq!(*replayed, *said, "row {id}, {}", column.name);
                }
            }
        }
        seen
    }

    fn rows(&self, rows: &Rows<'_>, plan: &RowPlan, table: &mut Stage, seen: &mut Seen) {
        let schema = plan.columns();
        let text = |column: usize, cell: &Cell<'_>| {
            let event::Column { name, type_name, type_modifier, .. } = &schema[column + 1];
            // The one of a set that is not read.
            if name != "greek" {
                self.arms.borrow_mut().add(type_name, cell);
            }
            text::text(cell, self.columns[column].as_text, type_name, *type_modifier)
        };
        let mut changes = rows.changes(plan).expect("rows of this plan");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        while changes.read(&mut before, &mut after).unwrap_or_else(|error| panic!("{error}")) {
            let id = |row: &[Cell<'_>]| match row.first() {
                Some(Cell::Int(id)) => Some(*id),
                Some(Cell::Omitted) => None,
                other => panic!("{other:?} for an id"),
            };
            // What an insert leaves out has the column's default.
            let mut row = vec![UNKNOWN.to_owned(); self.columns.len()];
            if rows.kind != RowsKind::Insert {
                let id = id(&before).expect("the key is in every image before");
                row = table.remove(&id).unwrap_or_else(|| panic!("row {id} is changed and not there"));
                let row_before = row.iter().map(|said| said.as_str());
                for (n, ((cell, column), said)) in
                    before[1..].iter().zip(self.columns).zip(row_before).enumerate()
                {
                    match cell {
                        Cell::Omitted => seen.omitted += 1,
                        cell if said != UNKNOWN => {
                            assert_eq!(text(n, cell), said, "row {id} before, {}", column.name);
                        }
                        _ => {}
                    }
                }
            }
            match rows.kind {
                RowsKind::Insert => seen.inserts += 1,
                RowsKind::Update => seen.updates += 1,
                RowsKind::PartialUpdate => {
                    seen.updates += 1;
                    seen.partial += 1;
                }
                RowsKind::Delete => seen.deletes += 1,
            }
            if rows.kind != RowsKind::Delete {
                let id = id(&after).or_else(|| id(&before)).expect("a key");
                for (n, (cell, place)) in after[1..].iter().zip(&mut row).enumerate() {
                    match cell {
                        Cell::Omitted
                            if rows.kind == RowsKind::PartialUpdate && self.columns[n].is_json_document() =>
                        {
                            // The column was not touched, or only its difference came: the next whole one tells.
                            if before[n + 1] == Cell::Omitted {
                                seen.documents_without_base += 1;
                                *place = UNKNOWN.to_owned();
                            }
                        }
                        // Of an image that is not full, even where it changed.
                        Cell::Omitted if self.columns[n].is_virtual() => *place = UNKNOWN.to_owned(),
                        Cell::Omitted => seen.omitted += 1,
                        cell => *place = text(n, cell),
                    }
                }
                assert_eq!(table.insert(id, row), None, "row {id} was there already");
            }
            before.clear();
            after.clear();
        }
    }
}

const UNKNOWN: &str = "?";

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use decoder::binlog::{
    Checksum, Event, Format, Header, Query, RowPlan, Rows, RowsKind, TableMap, Xid, events,
};
use event::{Bytes, Cell};

use crate::history::{Change, Datum, History, Identity, Kind, Transaction, Tuple};
use crate::judge::timestamp;

/// Where each transaction of a file begins, by its GTID, and when.
pub(super) fn each_transaction(file: &Path, mut take: impl FnMut(String, u64, u32)) {
    let bytes = fs::read(file).expect("a file of the log");
    let mut format = Format::before_description(Checksum::None);
    for (offset, bytes) in events(&bytes).expect("a binary log") {
        let (header, event) = format.event(bytes).expect("an event");
        if let Event::FormatDescription(described) = event {
            format = described;
        } else if let Some(gtid) = gtid(&header, &event) {
            take(gtid, offset as u64, header.timestamp_s);
        }
    }
}

fn gtid(header: &Header, event: &Event<'_>) -> Option<String> {
    match event {
        Event::Gtid(event) => event.gtid.as_ref().map(ToString::to_string),
        Event::MariadbGtid(event) => Some(event.gtid(header.server_id).to_string()),
        _ => None,
    }
}

/// Makes a history of the files of a log: of whole rows, with names, without compression, and of tables with transactions
/// alone.
pub(super) struct Reader {
    schema: String,
    /// Of the source's log: where, and when.
    begins: HashMap<String, (u64, u32)>,
    pub(super) history: History,
    tables: HashMap<u64, Table>,
    open: Option<Open>,
    /// By what the application calls them.
    prepared: HashMap<String, Vec<Change>>,
}

struct Table {
    name: String,
    is_wanted: bool,
    identity: Arc<Identity>,
    plan: RowPlan,
}

struct Open {
    transaction: Transaction,
    /// Changes so far, of tables that nobody wants too.
    seq: u64,
    /// Not a transaction of its own: what comes is prepared under this name.
    prepares: Option<String>,
}

impl Reader {
    pub(super) fn new(schema: String, begins: HashMap<String, (u64, u32)>) -> Self {
        Self {
            schema,
            begins,
            history: History::default(),
            tables: HashMap::new(),
            open: None,
            prepared: HashMap::new(),
        }
    }

    pub(super) fn read(&mut self, file: &Path) {
        let bytes = fs::read(file).expect("a file of the log");
        let mut format = Format::before_description(Checksum::None);
        for (_, bytes) in events(&bytes).expect("a binary log") {
            let (header, event) = format.event(bytes).expect("an event");
            if let Event::FormatDescription(described) = event {
                format = described;
            } else {
                self.take(&format, &header, &event);
            }
        }
    }

    fn take(&mut self, format: &Format, header: &Header, event: &Event<'_>) {
        match event {
            Event::Gtid(begin) => self.begin(header, event, Some(begin.commit_time_us as i64)),
            Event::MariadbGtid(begin) => {
                self.begin(header, event, None);
                if let Some(xid) = &begin.prepares {
                    self.open().prepares = Some(name_of(xid));
                }
                if let Some(xid) = &begin.completes {
                    let name = name_of(xid);
                    self.decide(&name);
                }
            }
            Event::TableMap(map) => self.learn(format, map),
            Event::Rows(rows) => self.rows(rows),
            Event::Query(query) => self.query(query),
            Event::XaPrepare { xid, is_committed: false } => {
                self.open().prepares = Some(name_of(xid));
                self.commit();
            }
            Event::Xid(_) | Event::XaPrepare { .. } => self.commit(),
            _ => {}
        }
    }

    fn begin(&mut self, header: &Header, event: &Event<'_>, commit_time_us: Option<i64>) {
        assert!(self.open.is_none(), "{:?} has no end", self.open.as_ref().map(|open| &open.transaction));
        let xid = gtid(header, event).expect("the replica has GTIDs");
        // The replica's own users.
        let (begin, timestamp_s) = self.begins.get(&xid).copied().unwrap_or_default();
        let end = if timestamp_s == 0 { 0 } else { begin + 1 };
        let commit_time_us = commit_time_us.unwrap_or_else(|| i64::from(timestamp_s) * 1_000_000);
        let commit_time = timestamp(commit_time_us, "+00");
        let transaction = Transaction { xid, end, commit_time, changes: Vec::new() };
        self.open = Some(Open { transaction, seq: 0, prepares: None });
    }

    fn learn(&mut self, format: &Format, map: &TableMap<'_>) {
        let definition = map.definition(format).expect("a definition");
        let columns: Vec<String> = definition.columns.iter().map(|column| column.name.clone()).collect();
        let key = definition.primary_key.iter().map(|at| columns[*at].clone()).collect();
        let identity = Arc::new(Identity { key, columns, is_full: true });
        let plan = RowPlan::new(map, &definition).expect("a plan");
        let is_wanted = map.database == self.schema;
        self.tables.insert(map.table_id, Table { name: map.table.to_owned(), is_wanted, identity, plan });
    }

    fn rows(&mut self, rows: &Rows<'_>) {
        let table = &self.tables[&rows.table_id];
        let open = self.open.as_mut().expect("a transaction");
        let mut changes = rows.changes(&table.plan).expect("rows of this table");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        while changes.read(&mut before, &mut after).expect("a row") {
            open.seq += 1;
            let tuple = |row: &[Cell<'_>]| -> Tuple {
                table.identity.columns.iter().cloned().zip(row.iter().map(datum)).collect()
            };
            let kind = match rows.kind {
                RowsKind::Insert => Kind::Insert { new: tuple(&after) },
                RowsKind::Delete => Kind::Delete { old: tuple(&before) },
                _ => Kind::Update { old: Some(tuple(&before)), new: tuple(&after) },
            };
            if table.is_wanted {
                let identity = Arc::clone(&table.identity);
                open.transaction.changes.push(Change {
                    lsn: open.seq,
                    table: table.name.clone(),
                    identity,
                    kind,
                });
            }
            before.clear();
            after.clear();
        }
    }

    /// As the application of these tests and the server itself write statements.
    fn query(&mut self, query: &Query<'_>) {
        let text = query.text().expect("a statement of UTF-8").into_owned();
        let mut words = text.split_whitespace();
        match (words.next(), words.next()) {
            // Savepoints are noted, and what is taken back is not written at all.
            (Some("BEGIN" | "SAVEPOINT" | "RELEASE"), _) | (Some("XA"), Some("START" | "END")) => {}
            (Some("ROLLBACK"), Some("TO")) => panic!("{text}: of a table without transactions"),
            (Some("XA"), Some("COMMIT")) => {
                if let Some(name) = self.prepared_name(&text) {
                    self.decide(&name);
                }
                self.commit();
            }
            (Some("XA"), Some("ROLLBACK")) => {
                if let Some(name) = self.prepared_name(&text) {
                    self.prepared.remove(&name);
                }
                self.open().transaction.changes.clear();
                self.commit();
            }
            (Some("ROLLBACK"), _) => {
                self.open().transaction.changes.clear();
                self.commit();
            }
            (Some("TRUNCATE" | "DROP"), Some("TABLE")) => {
                let table = quoted_name(&text).unwrap_or_else(|| panic!("{text}"));
                if query.database == self.schema {
                    let identity = Arc::default();
                    let open = self.open();
                    open.transaction.changes.push(Change { lsn: 1, table, identity, kind: Kind::Truncate });
                }
                self.commit();
            }
            _ => self.commit(),
        }
    }

    /// Takes in what was prepared.
    fn decide(&mut self, name: &str) {
        if let Some(changes) = self.prepared.remove(name) {
            self.open().transaction.changes = changes;
        }
    }

    /// `XA COMMIT X'6162',X'',1`.
    fn prepared_name(&self, text: &str) -> Option<String> {
        let literal = text.split_whitespace().nth(2)?.split(',').next()?;
        let name = literal.trim_start_matches(['x', 'X']).trim_matches('\'').to_lowercase();
        self.prepared.contains_key(&name).then_some(name)
    }

    fn commit(&mut self) {
        let Some(open) = self.open.take() else { return };
        match open.prepares {
            Some(name) => _ = self.prepared.insert(name, open.transaction.changes),
            None if open.transaction.changes.is_empty() => {}
            None => {
                assert!(open.transaction.end > 0, "{} is not in the source's log", open.transaction.xid);
                self.history.transactions.push(open.transaction);
            }
        }
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("a transaction")
    }
}

fn name_of(xid: &Xid<'_>) -> String {
    xid.global.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The last name in backquotes.
fn quoted_name(text: &str) -> Option<String> {
    let end = text.rfind('`')?;
    let mut start = text[..end].rfind('`')?;
    while start > 0 && text[..start].ends_with('`') {
        start = text[..start - 1].rfind('`')?;
    }
    Some(text[start + 1..end].replace("``", "`"))
}

/// In the form of [`replay::Cell`](crate::replay::Cell).
fn datum(cell: &Cell<'_>) -> Datum {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Datum::Text(match cell {
        Cell::Null => return Datum::Null,
        Cell::Omitted => return Datum::Omitted,
        Cell::Int(value) | Cell::TimestampUs(value) | Cell::TimeUs(value) => value.to_string(),
        Cell::Uint(value) => value.to_string(),
        Cell::DateDays(days) => days.to_string(),
        Cell::Double(value) => format!("{value:?}"),
        Cell::Decimal(text) | Cell::Text(text) | Cell::Json(text) => text.to_string(),
        Cell::Other { text, .. } => text.to_string(),
        Cell::Bytes(Bytes::Raw(bytes)) => hex(bytes),
        Cell::Uuid(bytes) => hex(bytes),
        other => panic!("{other:?} of a table that has no such column"),
    })
}

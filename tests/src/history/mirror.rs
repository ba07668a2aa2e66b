use std::collections::HashMap;
use std::path::Path;

use event::TableName;

use super::{Datum, History, Tuple};
use crate::replay::{Cell, Source, source_rows};
use crate::servers::{Mysql, Release};
use crate::session::Session;

mod binlog;

/// A replica of the source: the server's own code reads the log, in whatever form that is written, and writes it anew
/// as whole rows with names. What it wrote is the history.
#[derive(Debug)]
pub(super) struct Mirror(Mysql);

impl Mirror {
    /// Begins to follow: before any table is there.
    pub(super) fn of(source: &Mysql) -> Self {
        Self(source.replica(&[("binlog_row_metadata", "FULL")]))
    }

    /// Lets go of the source, which is about to be killed: MariaDB's replica skips as many events of the next transaction
    /// as it had of the one that the source did not finish, because both bear the same GTID
    /// (`gtid_reconnect_event_skip_count` in its sql/slave.cc). MySQL's begins from what it executed.
    pub(super) fn let_go(&self) {
        if self.0.release() != Release::Mysql {
            self.0.query("STOP SLAVE");
        }
    }

    /// Goes on after [`let_go`](Self::let_go), from the last whole transaction: the statement forgets what else was read.
    pub(super) fn go_on(&self) {
        if self.0.release() != Release::Mysql {
            self.0.query("CHANGE MASTER TO MASTER_USE_GTID = slave_pos; START SLAVE");
        }
    }

    /// Reads it to its end; nothing is written any more.
    pub(super) fn read(&self, source: &Mysql, session: &Session) -> Result<History, String> {
        self.0.wait_for(source)?;
        let schema = session.value("SELECT DATABASE()").expect("a default database");
        let rows = source_rows(session);
        if let Some(name) = differing(&rows, &source_rows(&Session::open_mysql(&self.0, &schema))) {
            return Err(format!("{name} is not what the source's log tells of it"));
        }
        let mut begins = HashMap::new();
        for file in source.binlog_files() {
            let number = file_number(&file);
            binlog::each_transaction(&file, |gtid, offset, timestamp_s| {
                begins.insert(gtid, (number << 40 | offset, timestamp_s));
            });
        }
        let mut reader = binlog::Reader::new(schema, begins);
        for file in self.0.binlog_files() {
            reader.read(&file);
        }
        let mut history = reader.history;
        for (name, rows) in rows {
            history.tables.insert(name.table.to_string(), rows.named().map(tuple).collect());
        }
        Ok(history)
    }
}

/// A table that is another one on one side.
fn differing<'s>(source: &'s Source, replica: &'s Source) -> Option<&'s TableName> {
    source.keys().chain(replica.keys()).find(|name| source.get(name) != replica.get(name))
}

/// What the name of a binary log's file ends with.
fn file_number(file: &Path) -> u64 {
    let number = file.extension().and_then(|number| number.to_str()).expect("a number");
    number.parse().expect("a number")
}

fn tuple(row: impl Iterator<Item = (String, Cell)>) -> Tuple {
    row.map(|(name, cell)| (name, datum(cell))).collect()
}

pub(crate) fn datum(cell: Cell) -> Datum {
    match cell {
        Cell::Null => Datum::Null,
        Cell::Text(text) => Datum::Text(text),
        Cell::Unknown => Datum::Omitted,
    }
}

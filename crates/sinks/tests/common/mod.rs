//! Batches to send, for this crate's own tests and those against real servers.
#![allow(dead_code, missing_docs, unreachable_pub)]

use event::{
    Batch, BatchLimits, BatchPool, Body, Cell, Column, DebeziumOptions, Encoder, Event, EventPosition,
    Format, LoadRef, Lsn, Position, Table, TableName, TableSchema, Transaction,
};

pub const SOURCE: &str = "shop";
pub const EPOCH: u64 = 1;

/// Makes batches of events of one table, `id int4 primary key, note text`.
pub struct Maker {
    pool: BatchPool,
    pub table: Table,
}

impl Maker {
    pub fn new(format: Format) -> Self {
        Self::with_table(format, table("public", "orders", true))
    }

    pub fn protobuf() -> Self {
        Self::new(Format::Protobuf)
    }

    pub fn json() -> Self {
        Self::new(Format::Json(Default::default()))
    }

    pub fn debezium() -> Self {
        Self::new(Format::DebeziumJson(DebeziumOptions::default()))
    }

    pub fn with_table(format: Format, table: Table) -> Self {
        Self::with_epoch(format, table, EPOCH)
    }

    pub fn with_epoch(format: Format, table: Table, epoch: u64) -> Self {
        Self::for_source(SOURCE, format, table, epoch)
    }

    pub fn for_source(source: &str, format: Format, table: Table, epoch: u64) -> Self {
        Self { pool: BatchPool::new(Encoder::new(source, epoch, format), BatchLimits::default()), table }
    }

    pub fn batch(&self) -> Batch {
        self.pool.batch()
    }

    /// One transaction for each number: an insert of the row with that id.
    pub fn inserts(&self, numbers: impl IntoIterator<Item = u64>) -> Batch {
        let mut batch = self.batch();
        for number in numbers {
            self.insert(&mut batch, number, "fragile");
        }
        batch
    }

    pub fn insert(&self, batch: &mut Batch, number: u64, note: &str) {
        self.insert_row(batch, number, number as i64, note);
    }

    /// Transaction `number` inserts row `id`.
    pub fn insert_row(&self, batch: &mut Batch, number: u64, id: i64, note: &str) {
        let after = [Cell::Int(id), Cell::Text(note.into())];
        self.push(
            batch,
            number,
            Body::Insert {
                table: &self.table,
                table_seq: number,
                after: &after,
                key_change: false,
                fetched: &[],
            },
        );
    }

    pub fn delete(&self, batch: &mut Batch, number: u64, id: i64) {
        let row = [Cell::Int(id), Cell::Omitted];
        let before = event::Before::Key(&row);
        self.push(
            batch,
            number,
            Body::Delete { table: &self.table, table_seq: number, before, key_change: false },
        );
    }

    pub fn truncate(&self, batch: &mut Batch, number: u64) {
        self.push(
            batch,
            number,
            Body::Truncate { table: &self.table, load: None, table_seq: number, part: 1 },
        );
    }

    pub fn schema(&self, batch: &mut Batch, number: u64) {
        self.push(batch, number, Body::Schema { table: &self.table, load: None, part: 0 });
    }

    /// One row of a load.
    pub fn read(&self, batch: &mut Batch, load: &str, seq: u64) {
        let after = [Cell::Int(seq as i64), Cell::Text("loaded".into())];
        let load = LoadRef { id: load, range: None };
        batch.push(&Event {
            position: position(1),
            transaction: None,
            captured_time_us: 0,
            body: Body::Read { table: &self.table, load, seq, after: &after, row_id: None },
        });
    }

    fn push(&self, batch: &mut Batch, number: u64, body: Body<'_>) {
        let id = number.to_string();
        batch.push(&Event {
            position: position(number),
            transaction: Some(Transaction { id: &id, seq: 1, commit_time_us: 0, origin: None }),
            captured_time_us: 0,
            body,
        });
        batch.mark(Position::Postgres(Lsn::from(number * 16 + 8)), []);
    }
}

fn position(number: u64) -> EventPosition<'static> {
    EventPosition::Postgres { commit: Lsn::from(number * 16), own: Lsn::from(number * 16) }
}

pub fn table(schema: &str, name: &str, keyed: bool) -> Table {
    let column = |name: &str, type_name: &str, type_oid| Column {
        name: name.into(),
        type_name: type_name.into(),
        type_oid,
        type_modifier: -1,
    };
    Table::new(TableSchema {
        name: TableName::new(schema, name),
        columns: vec![column("id", "int4", 23), column("note", "text", 25)],
        key: if keyed { vec![0] } else { vec![] },
    })
}

/// The ID of transaction `number`'s insert.
pub fn id(source: &str, number: u64) -> String {
    format!("{source}/{EPOCH}/{:016X}/1", number * 16)
}

/// The transaction that an ID names.
pub fn number(id: &str) -> u64 {
    u64::from_str_radix(id.split('/').nth(2).unwrap(), 16).unwrap() / 16
}

/// What stands in a batch.
pub fn payloads(batch: &Batch) -> Vec<Vec<u8>> {
    batch.messages().filter_map(|message| message.payload).map(<[u8]>::to_vec).collect()
}

use std::sync::Arc;

use crate::encode::protobuf;
use crate::{Cell, Fingerprint, TableName, TableSchema};

/// A table in one shape, ready to be encoded: made when a reader meets the shape, shared by all its rows.
#[derive(Debug)]
pub struct Table {
    /// The shape.
    pub schema: TableSchema,
    /// The shape's name.
    pub fingerprint: Fingerprint,
    /// Where the table's events go.
    pub route: Arc<Route>,
    /// Its name and fingerprint, as every event of the `protobuf` format has them.
    pub(crate) protobuf_fields: Box<[u8]>,
}

/// What a sink turns into a topic, a subject or a file: decided once a table, looked up once a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// The table's own events.
    Table(TableName),
    /// What belongs to no table, and what a format can't carry between rows.
    Control,
    /// Every schema by its fingerprint: a compacted topic or a key-value bucket.
    Schemas,
}

impl Table {
    /// A table of this shape, routed by its own name.
    pub fn new(schema: TableSchema) -> Self {
        let fingerprint = schema.fingerprint();
        Self {
            fingerprint,
            route: Arc::new(Route::Table(schema.name.clone())),
            protobuf_fields: protobuf::table_fields(&schema, fingerprint),
            schema,
        }
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.schema.name
    }

    /// Whether its rows have a message key.
    pub fn has_key(&self) -> bool {
        !self.schema.key.is_empty()
    }

    /// The key columns' cells of a row, in key order; a cell the row does not hold is `Omitted`.
    pub fn key_of<'r, 'a>(&self, row: &'r [Cell<'a>]) -> impl ExactSizeIterator<Item = &'r Cell<'a>> {
        self.schema.key.iter().map(|position| row.get(*position).unwrap_or(&Cell::Omitted))
    }
}

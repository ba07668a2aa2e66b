//! A table of the stream, ready for its rows: what they look like, where they go, how many there were.

use decoder::binlog::{RowPlan, TableDefinition, TableMap};
use event::{LogPlace, Sequences, Table, TableName, TableSchema};

use crate::Options;
use crate::error::Error;
use crate::fetch::Lookup;
use crate::refusal::Refusal;
use crate::unit;

/// What is known of a table's number.
#[derive(Debug)]
pub(crate) enum Known {
    /// It is sent.
    Sent(Box<Sent>),
    /// It is not; its rows are counted.
    Unsent(RowPlan),
    /// It says where a transaction comes from.
    Marker(Box<RowPlan>),
}

/// A wanted table in its present shape.
#[derive(Debug)]
pub(crate) struct Sent {
    /// As it is sent.
    pub(crate) table: Table,
    /// How its rows are read.
    pub(crate) plan: RowPlan,
    /// The key column that fences of key ranges judge by, among those that are sent.
    pub(crate) range_key: Option<usize>,
    /// What was made before is not sent.
    pub(crate) since: LogPlace,
    /// A changed key is one event.
    pub(crate) joins_key_changes: bool,
    /// How rows are looked up that the log has in part.
    pub(crate) lookup: Lookup,
    /// Its place in [`Sequences`].
    pub(crate) sequence: usize,
}

impl Sent {
    /// Of a table whose columns are defined.
    pub(crate) fn new(
        name: TableName,
        plan: RowPlan,
        definition: &TableDefinition,
        options: &Options,
        sequences: &mut Sequences,
    ) -> Result<Self, Error> {
        let schema = TableSchema { name, columns: plan.columns(), key: definition.primary_key.clone() };
        let sent = (options.rules)(&schema.name)
            .apply(&schema)
            .map_err(|error| Refusal::Rules { table: schema.name.clone(), problem: error.to_string() })?;
        let key_columns = sent.schema.key.iter().filter_map(|position| sent.schema.columns.get(*position));
        let key: Vec<_> = key_columns.map(|column| column.name.as_str()).collect();
        let lookup = Lookup::new(&schema, definition, &plan, &sent.uses, &key);
        let range_key = unit::range_key(&schema).and_then(|position| sent.position(position));
        Ok(Self {
            plan: plan.used(&sent.uses),
            range_key,
            since: (options.since)(&schema.name),
            joins_key_changes: options.join_key_changes,
            lookup,
            sequence: sequences.of(&schema.name),
            table: Table::new(sent.schema),
        })
    }
}

/// The table's name.
pub(crate) fn name_of(map: &TableMap<'_>) -> TableName {
    TableName::new(map.database, map.table)
}

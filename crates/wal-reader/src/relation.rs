//! A relation of the stream, ready for its rows: what they look like, where they go, how many there were.

use decoder::ColumnType;
use decoder::pgoutput::{ReplicaIdentity, Shape};
use event::{LogPlace, Sequences, Table, TableSchema, Use};

use crate::catalog::PrimaryKey;
use crate::refusal::Refusal;
use crate::{Options, rules};

/// A wanted table in its present shape.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) oid: u32,
    /// As it is sent.
    pub(crate) table: Table,
    /// One a column of the log's rows.
    pub(crate) types: Vec<ColumnType>,
    /// Which columns the image of an old key holds, one a column of the log's rows.
    pub(crate) is_identity: Vec<bool>,
    /// By which the database finds a row: positions in the log's rows, and names.
    pub(crate) lookup: Vec<(usize, String)>,
    /// For each column that is sent, its position in the log's rows.
    pub(crate) sources: Vec<usize>,
    /// The key column that fences of key ranges judge by, among those that are sent.
    pub(crate) range_key: Option<usize>,
    /// What was made before is not sent.
    pub(crate) since: LogPlace,
    /// What an update left out of the log is asked of the table.
    pub(crate) fetches_unchanged: bool,
    /// A changed key is one event.
    pub(crate) joins_key_changes: bool,
    /// Its place in [`Sequences`].
    pub(crate) sequence: usize,
}

impl Relation {
    /// From what pgoutput says. `primary_key`: the names of its columns, asked for where the replica identity is not
    /// the key.
    pub(crate) fn new(
        shape: &Shape,
        primary_key: Option<&[String]>,
        options: &Options,
        sequences: &mut Sequences,
    ) -> Result<Self, Refusal> {
        let is_key = |position: usize, name: &str| match primary_key {
            Some(names) => names.iter().any(|key| key == name),
            None => shape.is_key.get(position).copied().unwrap_or_default(),
        };
        let key: Vec<usize> = shape
            .columns
            .iter()
            .enumerate()
            .filter(|(position, column)| is_key(*position, &column.name))
            .map(|(position, _)| position)
            .collect();
        let schema = TableSchema { name: shape.name.clone(), columns: shape.columns.clone(), key };
        let is_in_old_rows = |column: usize| {
            matches!(shape.replica_identity, ReplicaIdentity::Full | ReplicaIdentity::Nothing)
                || shape.is_key.get(column).copied().unwrap_or_default()
        };
        let sent = rules::sent(&schema, options, is_in_old_rows)?;
        let range_key = crate::unit::range_key(&schema).and_then(|position| sent.position(position));
        let name_of = |position: &usize| Some((*position, schema.columns.get(*position)?.name.clone()));
        Ok(Self {
            oid: shape.oid,
            sequence: sequences.of(&schema.name),
            types: shape.types.iter().zip(&sent.uses).map(|(of, by)| of.clone().used(*by)).collect(),
            is_identity: shape.is_key.clone(),
            lookup: schema.key.iter().filter_map(name_of).collect(),
            sources: (0..)
                .zip(&sent.uses)
                .filter(|(_, by)| **by != Use::Excluded)
                .map(|(at, _)| at)
                .collect(),
            range_key,
            since: (options.since)(&schema.name),
            fetches_unchanged: options.fetch_unchanged,
            joins_key_changes: options.join_key_changes,
            table: Table::new(sent.schema),
        })
    }
}

/// The columns of the primary key that a table had when the log was written, by name, as far as that can be told from
/// the one that it has now: since then columns may have been renamed, and the table dropped.
pub(crate) fn key_then(shape: &Shape, now: &PrimaryKey, before: Option<&Relation>) -> Vec<String> {
    let has = |name: &String| shape.columns.iter().any(|column| column.name == *name);
    let by_name: Vec<String> = now.columns.iter().map(|(name, _)| name.clone()).collect();
    if now.logged > 0 && by_name.iter().all(has) {
        return by_name;
    }
    if now.logged == shape.columns.len() {
        // No column has come or gone, so each is where it was.
        let name_at = |(_, place): &(String, usize)| Some(shape.columns.get(*place)?.name.clone());
        return now.columns.iter().filter_map(name_at).collect();
    }
    let before: Vec<String> =
        before.into_iter().flat_map(|before| &before.lookup).map(|(_, name)| name.clone()).collect();
    if before.iter().all(has) { before } else { Vec::new() }
}

/// Whether the message key can't be read off the Relation message: under FULL every column is marked, under NOTHING
/// none is.
pub(crate) fn needs_primary_key(shape: &Shape) -> bool {
    matches!(shape.replica_identity, ReplicaIdentity::Full | ReplicaIdentity::Nothing)
}

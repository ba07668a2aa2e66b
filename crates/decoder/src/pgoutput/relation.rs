use std::collections::HashMap;
use std::sync::Arc;

use event::{Column, TableName};

use super::cursor::Cursor;
use crate::Error;
use crate::types::{ColumnType, builtin_name, type_name};

/// A table's shape, as a Relation message gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// In a stream: the subtransaction.
    pub xid: Option<u32>,
    /// In `pg_class`. Survives a rename.
    pub oid: u32,
    /// `pg_catalog` is sent as an empty text.
    pub namespace: &'a str,
    /// The table's name.
    pub name: &'a str,
    /// What its old rows contain.
    pub replica_identity: ReplicaIdentity,
    /// The published columns, in the order of the rows' columns.
    pub columns: Vec<RelationColumn<'a>>,
}

/// A column of a [`Relation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationColumn<'a> {
    /// Whether it is part of the replica identity; under FULL every column is.
    pub is_key: bool,
    /// The column's name.
    pub name: &'a str,
    /// In `pg_type`; a domain's own.
    pub type_oid: u32,
    /// Length, precision; -1 for none.
    pub type_modifier: i32,
}

/// Which columns of an old row the server writes into its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key's, if there is one.
    Default,
    /// None.
    Nothing,
    /// All.
    Full,
    /// Those of an index that was chosen.
    Index,
}

impl<'a> Relation<'a> {
    pub(super) fn parse(xid: Option<u32>, cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let oid = cursor.u32("a relation's OID")?;
        let namespace = cursor.str("a relation's namespace in UTF-8")?;
        let name = cursor.str("a relation's name in UTF-8")?;
        let identity = cursor.clone();
        let replica_identity = match cursor.u8("a replica identity")? {
            b'd' => ReplicaIdentity::Default,
            b'n' => ReplicaIdentity::Nothing,
            b'f' => ReplicaIdentity::Full,
            b'i' => ReplicaIdentity::Index,
            _ => return Err(identity.error("a replica identity: d, n, f or i")),
        };
        let count = cursor.u16("a count of columns")?;
        let columns = (0..count).map(|_| RelationColumn::parse(cursor)).collect::<Result<_, _>>()?;
        Ok(Self { xid, oid, namespace, name, replica_identity, columns })
    }
}

impl<'a> RelationColumn<'a> {
    fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        Ok(Self {
            is_key: cursor.u8("a column's flags")? & 1 != 0,
            name: cursor.str("a column's name in UTF-8")?,
            type_oid: cursor.u32("a column's type OID")?,
            type_modifier: cursor.i32("a column's type modifier")?,
        })
    }
}

/// What is needed to read a table's rows: made when its Relation message comes, until the next one for it.
#[derive(Debug)]
pub struct Shape {
    /// The table's OID.
    pub oid: u32,
    /// The table's name.
    pub name: TableName,
    /// What its old rows contain.
    pub replica_identity: ReplicaIdentity,
    /// The published columns; a domain's type is its base type's name and its own OID.
    pub columns: Vec<Column>,
    /// For each column, whether it is part of the replica identity.
    pub is_key: Vec<bool>,
    /// For each column, how its values are read.
    pub types: Vec<ColumnType>,
}

/// The shapes and types that the messages so far have described.
///
/// It is fed in the order in which rows are read: a streamed transaction that waits for its commit keeps its Relation
/// and Type messages with its rows. OIDs are few and small, so nothing is ever forgotten; the last description wins.
#[derive(Debug, Default)]
pub struct RelationCache {
    shapes: HashMap<u32, Arc<Shape>>,
    /// By OID, as [`type_name`] gives it.
    type_names: HashMap<u32, String>,
}

impl RelationCache {
    /// Takes a Type message in.
    pub fn learn_type(&mut self, oid: u32, namespace: &str, name: &str) {
        self.type_names.insert(oid, type_name(namespace, name));
    }

    /// Takes a Relation message in. All rows of the table that follow have this shape.
    pub fn learn_relation(&mut self, relation: &Relation<'_>) -> Arc<Shape> {
        let columns: Vec<_> = relation
            .columns
            .iter()
            .map(|column| Column {
                name: column.name.to_owned(),
                type_name: self.type_name(column.type_oid),
                type_oid: column.type_oid,
                type_modifier: column.type_modifier,
            })
            .collect();
        let namespace = if relation.namespace.is_empty() { "pg_catalog" } else { relation.namespace };
        let shape = Arc::new(Shape {
            oid: relation.oid,
            name: TableName::new(namespace, relation.name),
            replica_identity: relation.replica_identity,
            is_key: relation.columns.iter().map(|column| column.is_key).collect(),
            types: columns.iter().map(|column| ColumnType::new(&column.type_name)).collect(),
            columns,
        });
        self.shapes.insert(relation.oid, Arc::clone(&shape));
        shape
    }

    /// The shape that a table's rows have now.
    pub fn shape(&self, relation: u32) -> Result<&Arc<Shape>, Error> {
        self.shapes.get(&relation).ok_or(Error::UnknownRelation { oid: relation })
    }

    /// A built-in type's, else what a Type message said, else a made-up one that no type can have.
    fn type_name(&self, oid: u32) -> String {
        match (builtin_name(oid), self.type_names.get(&oid)) {
            (Some(name), _) => name.to_owned(),
            (None, Some(name)) => name.clone(),
            (None, None) => format!("oid:{oid}"),
        }
    }
}

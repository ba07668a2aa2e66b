use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A table's name in its database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The namespace: a schema in PostgreSQL, a database in MySQL.
    pub schema: String,
    /// The table's own name, unquoted.
    pub table: String,
}

impl TableName {
    /// A name from its two halves.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// The shape of a table's rows at one moment of its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// Whose rows.
    pub name: TableName,
    /// In the order of the cells.
    pub columns: Vec<Column>,
    /// Positions in `columns` of the message key, in key order. Empty: the table has no key.
    pub key: Vec<usize>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Unquoted.
    pub name: String,
    /// The database's own name of the type: `int4`, `numeric`, `_text`, `public.mood`.
    pub type_name: String,
    /// PostgreSQL's OID of the type; 0 elsewhere.
    pub type_oid: u32,
    /// PostgreSQL's type modifier (length, precision); -1 for none.
    pub type_modifier: i32,
}

/// Names one shape of a table wherever it is seen again: the first 8 bytes of SHA-256 over the canonical schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

impl TableSchema {
    /// The canonical form is a domain tag, then every text with its length before it and every number in four
    /// big-endian bytes: schema, table, count of columns, each column's name, type, OID and modifier, count of key
    /// columns, each position. docs/envelope.md states it for consumers.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new_with_prefix(b"cdc.v1.TableSchema");
        let text = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u32).to_be_bytes());
            hash.update(text.as_bytes());
        };
        text(&mut hash, &self.name.schema);
        text(&mut hash, &self.name.table);
        hash.update((self.columns.len() as u32).to_be_bytes());
        for column in &self.columns {
            text(&mut hash, &column.name);
            text(&mut hash, &column.type_name);
            hash.update(column.type_oid.to_be_bytes());
            hash.update(column.type_modifier.to_be_bytes());
        }
        hash.update((self.key.len() as u32).to_be_bytes());
        for position in &self.key {
            hash.update((*position as u32).to_be_bytes());
        }
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Fingerprint(u64::from_be_bytes(first))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

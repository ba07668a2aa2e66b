//! The rows that belong to a root's: read whole before the roots, into a file of their own, and looked up for each.
//!
//! All queries are read in one view of the database, each over one cursor. Children are told to their root by the bytes of
//! its key, not by the database, so any type does for a key, and a text in one table equals the same in another.

use std::io::Write as _;

use event::{Cell, Column, DOCUMENT, TableName, write_json_object};
use rusqlite::{Connection, params};

use crate::canonical;
use crate::error::Error;
use crate::plan::Plan;

/// The children of all roots of one scan.
pub(crate) struct Family {
    connection: Connection,
    name: TableName,
    children: Vec<String>,
}

impl Family {
    /// An empty one, in a file below TMPDIR that SQLite takes away by itself; it may become as large as the children's
    /// tables.
    pub(crate) fn new(name: &TableName, children: Vec<String>) -> Result<Self, Error> {
        let open = || {
            let connection = Connection::open("")?;
            // Nobody needs it after this scan.
            connection.execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; \
                 CREATE TABLE child (number INTEGER, parent BLOB, key BLOB, document BLOB, \
                 PRIMARY KEY (number, parent, key)) WITHOUT ROWID; BEGIN",
            )?;
            Ok(connection)
        };
        let connection = open().map_err(failed)?;
        Ok(Self { connection, name: name.clone(), children })
    }

    /// Takes in a row of a child's query.
    pub(crate) fn insert(
        &self,
        number: usize,
        plan: &Plan,
        parents: usize,
        row: &[Cell<'_>],
    ) -> Result<(), Error> {
        let mut parent = Vec::new();
        let mut key = Vec::new();
        for (place, position) in plan.schema.key.iter().enumerate() {
            let cell = row.get(*position).unwrap_or(&Cell::Null);
            if place < parents {
                // A row without a parent belongs to nobody.
                if *cell == Cell::Null {
                    return Ok(());
                }
                canonical::write(cell, &mut parent);
            } else {
                canonical::write(cell, &mut key);
            }
        }
        let mut document = Vec::new();
        write_json_object(&plan.schema.columns, row, &mut document);
        let inserted = || {
            let mut insert =
                self.connection.prepare_cached("INSERT OR IGNORE INTO child VALUES (?1, ?2, ?3, ?4)")?;
            insert.execute(params![number as i64, parent, key, document])
        };
        match inserted().map_err(failed)? {
            1 => Ok(()),
            _ => {
                let columns = plan.schema.key.iter().skip(parents);
                let columns =
                    columns.filter_map(|position| Some(plan.schema.columns.get(*position)?.name.as_str()));
                let columns =
                    format!("{} of `{}`", columns.collect::<Vec<_>>().join(", "), self.child(number));
                Err(Error::SameKey { resource: self.name.clone(), columns })
            }
        }
    }

    /// The columns that a root has beside its own.
    pub(crate) fn columns(children: &[crate::options::Child]) -> impl Iterator<Item = Column> {
        children.iter().map(|child| Column {
            name: child.name.clone(),
            type_name: DOCUMENT.to_owned(),
            type_oid: 0,
            type_modifier: -1,
        })
    }

    /// The children of a root, by the bytes of their keys: an array of objects.
    pub(crate) fn of(&self, number: usize, parent: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut read = || {
            let mut select = self.connection.prepare_cached(
                "SELECT document FROM child WHERE number = ?1 AND parent = ?2 ORDER BY key",
            )?;
            let mut rows = select.query(params![number as i64, parent])?;
            out.push(b'[');
            let mut is_first = true;
            while let Some(row) = rows.next()? {
                if !is_first {
                    out.push(b',');
                }
                is_first = false;
                // A vector takes all that it is given.
                _ = out.write_all(row.get_ref(0)?.as_blob()?);
            }
            out.push(b']');
            Ok(())
        };
        read().map_err(failed)
    }

    fn child(&self, number: usize) -> &str {
        self.children.get(number).map(String::as_str).unwrap_or_default()
    }
}

fn failed(source: rusqlite::Error) -> Error {
    Error::State { path: std::env::temp_dir(), source }
}

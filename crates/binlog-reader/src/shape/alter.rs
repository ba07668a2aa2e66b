//! A shape after a statement.

use decoder::binlog::Charset;

use super::{Shape, ShapeColumn, is_same_name};
use crate::ddl::{Change, ColumnSpec, Place};

/// What a statement makes of a table can't be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotApplied(String);

/// A column on its way, with the name that it had.
struct Moving {
    before: Option<String>,
    column: ShapeColumn,
}

impl Shape {
    /// Of a table that was just created so, in a database with this collation.
    ///
    /// # Errors
    /// When what came to be can't be told.
    pub fn created(changes: &[Change], collation: Option<u16>) -> Result<Self, NotApplied> {
        Self { collation, ..Self::default() }.apply(changes)
    }

    /// How the table looks after a statement that made these changes, in the order in which servers make them.
    ///
    /// # Errors
    /// When that can't be told.
    pub fn apply(&self, changes: &[Change]) -> Result<Self, NotApplied> {
        let mut collation = self.collation;
        let mut converts = false;
        for change in changes {
            match change {
                Change::Convert(to) => (collation, converts) = (*to, true),
                Change::Collation(to) => collation = *to,
                _ => {}
            }
        }
        let mut columns: Vec<Moving> = Vec::new();
        for column in &self.columns {
            columns.extend(stay(column, changes, collation, converts));
        }
        for change in changes {
            match change {
                Change::Add { column, place, if_absent } => {
                    let is_there = self.position(&column.column.name).is_some();
                    if !(*if_absent && is_there) {
                        insert(
                            &mut columns,
                            Moving { before: None, column: made(column, collation) },
                            place,
                        )?;
                    }
                }
                Change::Change { name, column, place: Some(place), .. } if self.position(name).is_some() => {
                    let moving = Moving { before: Some(name.clone()), column: made(column, collation) };
                    insert(&mut columns, moving, place)?;
                }
                Change::Change { name, if_present: false, .. }
                | Change::Drop { name, if_present: false }
                | Change::Rename { from: name, if_present: false, .. }
                | Change::SetVisible { name, .. }
                    if self.position(name).is_none() =>
                {
                    return Err(NotApplied(format!("it is not known to have a column \"{name}\"")));
                }
                _ => {}
            }
        }
        let (key, is_promoted) = self.key_after(changes, &columns)?;
        let columns: Vec<ShapeColumn> = columns.into_iter().map(|moving| moving.column).collect();
        let shape = Self { columns, key, is_promoted, collation };
        match shape.key.iter().find(|name| shape.position(name).is_none()) {
            Some(name) => Err(NotApplied(format!("its key has \"{name}\", which is no column of it"))),
            None => Ok(shape),
        }
    }

    fn key_after(&self, changes: &[Change], columns: &[Moving]) -> Result<(Vec<String>, bool), NotApplied> {
        let set = changes.iter().rev().find_map(|change| match change {
            Change::SetKey(key) => Some(key.clone()),
            _ => None,
        });
        if let Some(key) = set {
            return Ok((key, false));
        }
        let has_primary = !self.key.is_empty() && !self.is_promoted;
        let may_be_another = |change: &Change| match change {
            Change::DropKey => true,
            Change::Keys | Change::Change { .. } | Change::Drop { .. } => !has_primary,
            _ => false,
        };
        if changes.iter().any(may_be_another) {
            return Err(NotApplied("which of its keys tells rows apart is not known any more".to_owned()));
        }
        let is_of = |name: &String, moving: &&Moving| {
            moving.before.as_ref().is_some_and(|before| is_same_name(before, name))
        };
        let now = |name: &String| {
            columns.iter().find(|moving| is_of(name, moving)).map(|moving| moving.column.name.clone())
        };
        // A column that goes leaves the key.
        let key: Vec<String> = self.key.iter().filter_map(now).collect();
        match key.is_empty() && has_primary {
            true => Err(NotApplied("which of its keys tells rows apart is not known any more".to_owned())),
            false => Ok((key, self.is_promoted)),
        }
    }
}

/// A column that was there, unless it goes or comes elsewhere.
fn stay(column: &ShapeColumn, changes: &[Change], collation: Option<u16>, converts: bool) -> Option<Moving> {
    let mut now = column.clone();
    if converts && is_text(column) {
        convert(&mut now, collation);
    }
    for change in changes {
        match change {
            Change::Drop { name, .. } if is_same_name(name, &column.name) => return None,
            Change::Change { name, column: spec, place, .. } if is_same_name(name, &column.name) => {
                if place.is_some() {
                    return None;
                }
                now = made(spec, collation);
            }
            Change::Rename { from, to, .. } if is_same_name(from, &column.name) => {
                to.clone_into(&mut now.name)
            }
            Change::SetVisible { name, is_visible } if is_same_name(name, &column.name) => {
                now.is_invisible = !is_visible;
            }
            _ => {}
        }
    }
    Some(Moving { before: Some(column.name.clone()), column: now })
}

/// Names of columns to come behind are those of after the statement.
fn insert(columns: &mut Vec<Moving>, moving: Moving, place: &Place) -> Result<(), NotApplied> {
    let at = match place {
        Place::First => 0,
        Place::Last => columns.len(),
        Place::After(name) => {
            let before = columns.iter().position(|moving| is_same_name(&moving.column.name, name));
            before
                .map(|before| before + 1)
                .ok_or_else(|| NotApplied(format!("a column comes behind \"{name}\", which is not known")))?
        }
    };
    columns.insert(at, moving);
    Ok(())
}

/// A column as a statement has it, in a table with this character set.
fn made(spec: &ColumnSpec, collation: Option<u16>) -> ShapeColumn {
    let mut column = spec.column.clone();
    if spec.is_text {
        if !spec.says_charset {
            column.collation = collation;
        }
        let charset = column.collation.map(Charset::of_collation);
        let stored = |label: &String| charset?.encode(label).map(Vec::into_boxed_slice);
        // What can't be told is nothing: rows are not read by it.
        column.labels = spec.labels.iter().map(stored).collect::<Option<_>>().unwrap_or_default();
        rename_type(&mut column);
    }
    column
}

fn is_text(column: &ShapeColumn) -> bool {
    let is = matches!(
        &*column.type_name,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set"
    );
    is && column.collation != Some(Charset::BINARY_COLLATION)
}

fn convert(column: &mut ShapeColumn, to: Option<u16>) {
    let from = column.collation.map(Charset::of_collation);
    let labels = column.labels.iter().map(|label| {
        let text = from?.decode(label)?;
        Charset::of_collation(to?).encode(&text).map(Vec::into_boxed_slice)
    });
    column.labels = labels.collect::<Option<_>>().unwrap_or_default();
    column.collation = to;
    rename_type(column);
}

/// Text in the character set `binary` is no text.
fn rename_type(column: &mut ShapeColumn) {
    if column.collation != Some(Charset::BINARY_COLLATION) {
        return;
    }
    let type_name = match &*column.type_name {
        "char" => "binary",
        "varchar" => "varbinary",
        "tinytext" => "tinyblob",
        "text" => "blob",
        "mediumtext" => "mediumblob",
        "longtext" => "longblob",
        _ => return,
    };
    type_name.clone_into(&mut column.type_name);
}

//! How a table looks from some place in the log on: what the log itself may not say.

mod alter;

use std::fmt;

pub use alter::NotApplied;
use decoder::binlog::{ColumnDefinition, Declared, Format, RowPlan, TableDefinition, TableMap};
use event::{Column, TableName, TableSchema};
use serde::{Deserialize, Serialize};

/// A table's columns and key, as its server's dictionary or its DDL told them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub(crate) columns: Vec<ShapeColumn>,
    /// The primary key's columns by their names, in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) key: Vec<String>,
    /// Whether that is no primary key, but the first unique one without nulls: where there is no other, servers take it
    /// for one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) is_promoted: bool,
    /// What a column for text gets that names no character set of its own, as far as that is known. It is all there is
    /// to know of a [database](Self::database).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) collation: Option<u16>,
}

/// One column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShapeColumn {
    pub(crate) name: String,
    /// As `information_schema.columns.data_type` has it, but what MariaDB keeps in another type's form by its own name.
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    /// As a schema has it.
    #[serde(default = "no_modifier", skip_serializing_if = "is_no_modifier")]
    pub(crate) modifier: i32,
    #[serde(default, rename = "unsigned", skip_serializing_if = "is_false")]
    pub(crate) is_unsigned: bool,
    /// Of what is stored as characters; none: it has none, or nobody said which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) collation: Option<u16>,
    #[serde(default, with = "labels", skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<Box<[u8]>>,
    #[serde(default, rename = "invisible", skip_serializing_if = "is_false")]
    pub(crate) is_invisible: bool,
    #[serde(default, skip_serializing_if = "is_plain")]
    pub(crate) declared: Declared,
}

/// Rows of a table do not go with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The column, counted from 0; none: their number.
    pub column: Option<usize>,
    /// As it is known.
    pub expected: String,
    /// As its rows have it.
    pub found: String,
}

impl Shape {
    /// As a log tells it by itself (`binlog_row_metadata = FULL`), with whatever was added to that.
    pub(crate) fn told(plan: &RowPlan, definition: &TableDefinition) -> Self {
        let columns =
            plan.columns().into_iter().zip(&definition.columns).map(|(column, defined)| ShapeColumn {
                type_name: column.type_name.trim_end_matches(" unsigned").to_owned(),
                name: column.name,
                modifier: column.type_modifier,
                is_unsigned: defined.is_unsigned,
                collation: defined.collation,
                labels: defined.labels.clone(),
                is_invisible: !defined.is_visible,
                declared: defined.declared,
            });
        let columns: Vec<_> = columns.collect();
        let name_of = |position: &usize| Some(columns.get(*position)?.name.clone());
        let key = definition.primary_key.iter().filter_map(name_of).collect();
        Self { columns, key, is_promoted: false, collation: None }
    }

    /// Under which name it is kept what a database's new tables get.
    pub fn database(name: &str) -> TableName {
        TableName::new(name, "")
    }

    /// Whether that is a database's name, and no table's.
    pub fn is_database(name: &TableName) -> bool {
        name.table.is_empty()
    }

    /// The definition by which the rows of this map are read. What the map tells itself holds.
    ///
    /// # Errors
    /// When the map is not one of a table that looks like this.
    pub fn definition_of(&self, map: &TableMap<'_>, format: &Format) -> Result<TableDefinition, Misfit> {
        if map.columns.len() != self.columns.len() {
            let (expected, found) = (self.columns.len(), map.columns.len());
            return Err(Misfit {
                column: None,
                expected: format!("{expected} columns"),
                found: found.to_string(),
            });
        }
        let mut definition = self.definition();
        if let Ok(told) = map.definition(format) {
            // Without any of these it may as well have told nothing.
            let tells = told.columns.iter().any(|column| column.is_unsigned || column.collation.is_some());
            for (column, told) in definition.columns.iter_mut().zip(told.columns).filter(|_| tells) {
                column.is_unsigned = told.is_unsigned;
                // Of ENUM and SET it is said beside the labels alone, if those are.
                column.collation = told.collation.or(column.collation);
            }
        }
        // What can't be read is said by whoever makes the plan.
        let Ok(plan) = RowPlan::new(map, &definition) else { return Ok(definition) };
        for (position, (stored, known)) in plan.columns().iter().zip(&self.columns).enumerate() {
            if family(&stored.type_name) != family(&known.full_type()) {
                return Err(Misfit {
                    column: Some(position),
                    expected: format!("{} {}", known.name, known.full_type()),
                    found: stored.type_name.clone(),
                });
            }
        }
        Ok(definition)
    }

    /// Adds to what a log tells by itself (`binlog_row_metadata = FULL`) what no log tells: types that are stored as
    /// others are. Only where the column is known by its name, and still has the type.
    pub fn refine(&self, told: &mut TableDefinition) {
        for column in &mut told.columns {
            let known = self.columns.iter().find(|known| known.name == column.name);
            let is_same = |known: &&ShapeColumn| known.collation == column.collation;
            if let (Some(known), Declared::Plain) = (known.filter(is_same), column.declared) {
                column.declared = known.declared;
            }
        }
    }

    /// What the columns mean, without a map.
    pub fn definition(&self) -> TableDefinition {
        let columns = self.columns.iter().map(ShapeColumn::definition).collect();
        TableDefinition { columns, primary_key: self.key_positions() }
    }

    /// As it is sent where nothing is configured.
    pub fn schema(&self, name: &TableName) -> TableSchema {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.clone(),
            type_name: column.full_type(),
            type_oid: 0,
            type_modifier: column.modifier,
        });
        TableSchema { name: name.clone(), columns: columns.collect(), key: self.key_positions() }
    }

    fn key_positions(&self) -> Vec<usize> {
        self.key.iter().filter_map(|name| self.position(name)).collect()
    }

    /// Names of columns are the same in whatever case they are written.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| is_same_name(&column.name, name))
    }
}

impl ShapeColumn {
    fn definition(&self) -> ColumnDefinition {
        ColumnDefinition {
            name: self.name.clone(),
            is_unsigned: self.is_unsigned,
            collation: self.collation.or_else(|| self.collation_of_labels()),
            labels: self.labels.clone(),
            is_visible: !self.is_invisible,
            declared: self.declared,
        }
    }

    /// Labels in ASCII, as DDL wrote them, are the same whichever character set the column got by default.
    fn collation_of_labels(&self) -> Option<u16> {
        /// `utf8mb4_general_ci`.
        const UTF8MB4: u16 = 45;
        let are_ascii = !self.labels.is_empty() && self.labels.iter().all(|label| label.is_ascii());
        are_ascii.then_some(UTF8MB4)
    }

    /// With its sign, as a schema has it.
    pub(crate) fn full_type(&self) -> String {
        let is_number = self.is_unsigned && self.type_name != "year";
        if is_number { format!("{} unsigned", self.type_name) } else { self.type_name.clone() }
    }
}

/// How a geometry is declared, by its type's name.
pub(crate) fn geometry(type_name: &str) -> Option<Declared> {
    let kinds = [
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geomcollection",
    ];
    let kind = kinds.iter().position(|kind| *kind == type_name)?;
    u8::try_from(kind).ok().map(Declared::Geometry)
}

/// Types that DDL may turn into each other without a word: the server makes room where a character set needs it.
fn family(type_name: &str) -> &str {
    match type_name {
        "tinytext" | "text" | "mediumtext" | "longtext" => "text",
        "tinyblob" | "blob" | "mediumblob" | "longblob" => "blob",
        other => other,
    }
}

pub(crate) fn is_same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, expected, found } = self;
        match column {
            Some(column) => {
                write!(f, "column {column}, counted from 0, is known as {expected}, and is {found}")
            }
            None => write!(f, "it is known to have {expected}, and has {found}"),
        }
    }
}

fn no_modifier() -> i32 {
    -1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_no_modifier(modifier: &i32) -> bool {
    *modifier == no_modifier()
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(is: &bool) -> bool {
    !is
}

fn is_plain(declared: &Declared) -> bool {
    *declared == Declared::Plain
}

/// Labels are bytes of some character set: each byte as the character of its number.
mod labels {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(labels: &[Box<[u8]>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(labels.iter().map(|label| label.iter().copied().map(char::from).collect::<String>()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Box<[u8]>>, D::Error> {
        let bytes = |text: String| text.chars().map(u8::try_from).collect::<Result<Box<[u8]>, _>>();
        let labels = Vec::<String>::deserialize(deserializer)?.into_iter().map(bytes);
        labels.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}

use serde::{Deserialize, Serialize};

use super::columns::Stored;
use super::cursor::{Cursor, bit_from_high};
use super::format::Format;
use super::table_map::TableMap;
use crate::Error;

/// What the columns of a table mean: what their stored form alone does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDefinition {
    /// In the table's order.
    pub columns: Vec<ColumnDefinition>,
    /// Positions of the primary key's columns, in key order; of a column that is there by its beginning alone too.
    pub primary_key: Vec<usize>,
}

/// What one column means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Unquoted; empty: nobody told.
    pub name: String,
    /// Whether it holds no numbers below zero.
    pub is_unsigned: bool,
    /// The number of the collation, for all that is stored as characters; `binary` has one too. None: nobody told.
    pub collation: Option<u16>,
    /// What an `ENUM` or `SET` can be, in its own character set.
    pub labels: Vec<Box<[u8]>>,
    /// Whether `SELECT *` shows it; MariaDB does not tell of those that it does not show.
    pub is_visible: bool,
    /// A type that is stored like another one and that no binlog tells, as far as somebody knows.
    pub declared: Declared,
}

/// Types that are stored in the form of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Declared {
    /// As it is stored.
    #[default]
    Plain,
    /// MariaDB's `UUID`, stored as `BINARY(16)`.
    Uuid,
    /// MariaDB's `INET6`, stored as `BINARY(16)`.
    Inet6,
    /// MariaDB's `INET4`, stored as `BINARY(4)`.
    Inet4,
    /// MariaDB's `JSON`, stored as `LONGTEXT`.
    Json,
    /// MariaDB's `VECTOR`, stored as `VARBINARY`.
    Vector,
    /// A time in the form of before MySQL 5.6 without a fraction: MariaDB has fractions in that form too, and its log says
    /// nothing of them.
    WholeSeconds,
    /// A kind of geometry, by its number in WKB; 0 for any.
    Geometry(u8),
}

// `Optional_metadata_field_type`.
const SIGNEDNESS: u8 = 1;
const DEFAULT_CHARSET: u8 = 2;
const COLUMN_CHARSET: u8 = 3;
const COLUMN_NAME: u8 = 4;
const SET_LABELS: u8 = 5;
const ENUM_LABELS: u8 = 6;
const GEOMETRY_TYPE: u8 = 7;
const SIMPLE_PRIMARY_KEY: u8 = 8;
const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
const ENUM_AND_SET_DEFAULT_CHARSET: u8 = 10;
const ENUM_AND_SET_COLUMN_CHARSET: u8 = 11;
const COLUMN_VISIBILITY: u8 = 12;

impl TableDefinition {
    /// What a table map tells. Under `binlog_row_metadata=MINIMAL` that is signedness, collations and kinds of geometry
    /// alone (MySQL; MariaDB's `NO_LOG` is nothing).
    pub(super) fn of_metadata(map: &TableMap<'_>, format: &Format, metadata: &[u8]) -> Result<Self, Error> {
        let columns =
            vec![ColumnDefinition { is_visible: true, ..ColumnDefinition::default() }; map.columns.len()];
        let mut definition = Self { columns, primary_key: Vec::new() };
        // MariaDB's geometries are blobs with a collation (`is_character_field` in its log_event_server.cc).
        let is_mariadb = format.is_mariadb();
        let is_character =
            |of: Stored| of.is_character() || is_mariadb && matches!(of, Stored::Geometry { .. });
        let mut cursor = Cursor::new(metadata, "table map");
        while !cursor.is_at_end() {
            let field = cursor.u8("a field of metadata")?;
            let mut value = Cursor::new(cursor.packed_bytes("a field of metadata")?, "table map");
            match field {
                SIGNEDNESS => {
                    let bits = value.take_rest();
                    for (place, column) in definition.places(map, Stored::is_numeric).enumerate() {
                        column.is_unsigned = bit_from_high(bits, place);
                    }
                }
                DEFAULT_CHARSET => definition.default_charset(map, is_character, value)?,
                COLUMN_CHARSET => definition.column_charset(map, is_character, value)?,
                ENUM_AND_SET_DEFAULT_CHARSET => {
                    definition.default_charset(map, Stored::is_enum_or_set, value)?;
                }
                ENUM_AND_SET_COLUMN_CHARSET => {
                    definition.column_charset(map, Stored::is_enum_or_set, value)?;
                }
                COLUMN_NAME => {
                    for column in &mut definition.columns {
                        column.name = value.packed_str("a column's name")?.to_owned();
                    }
                }
                SET_LABELS => {
                    for column in definition.places(map, |of| matches!(of, Stored::Set { .. })) {
                        column.labels = labels(&mut value)?;
                    }
                }
                ENUM_LABELS => {
                    for column in definition.places(map, |of| matches!(of, Stored::Enum { .. })) {
                        column.labels = labels(&mut value)?;
                    }
                }
                GEOMETRY_TYPE => {
                    for column in definition.places(map, |of| matches!(of, Stored::Geometry { .. })) {
                        let before = value.clone();
                        let kind = u8::try_from(value.packed("a kind of geometry")?)
                            .map_err(|_| before.error("a kind of geometry"))?;
                        column.declared = Declared::Geometry(kind);
                    }
                }
                SIMPLE_PRIMARY_KEY => {
                    while !value.is_at_end() {
                        definition.primary_key.push(definition.position(&mut value)?);
                    }
                }
                PRIMARY_KEY_WITH_PREFIX => {
                    while !value.is_at_end() {
                        definition.primary_key.push(definition.position(&mut value)?);
                        value.packed("a key's beginning")?;
                    }
                }
                COLUMN_VISIBILITY => {
                    let bits = value.take_rest();
                    for (place, column) in definition.columns.iter_mut().enumerate() {
                        column.is_visible = bit_from_high(bits, place);
                    }
                }
                // Vectors' dimensions, which each value's length tells too, and what later versions add.
                _ => {}
            }
        }
        Ok(definition)
    }

    /// Whether it holds all that rows need, as under `binlog_row_metadata=FULL`.
    pub fn is_full(&self) -> bool {
        self.columns.iter().all(|column| !column.name.is_empty())
    }

    /// The columns that are stored in one of some ways, in order.
    fn places(
        &mut self,
        map: &TableMap<'_>,
        is_one: impl Fn(Stored) -> bool,
    ) -> impl Iterator<Item = &mut ColumnDefinition> {
        self.columns
            .iter_mut()
            .zip(&map.columns)
            .filter(move |(_, of)| is_one(**of))
            .map(|(column, _)| column)
    }

    /// The most frequent collation, and those of the columns that have another.
    fn default_charset(
        &mut self,
        map: &TableMap<'_>,
        is_one: impl Fn(Stored) -> bool,
        mut value: Cursor<'_>,
    ) -> Result<(), Error> {
        let default = collation(&mut value)?;
        let mut columns: Vec<_> = self.places(map, is_one).collect();
        columns.iter_mut().for_each(|column| column.collation = Some(default));
        while !value.is_at_end() {
            let before = value.clone();
            let place = value.packed_len("a column's place")?;
            let column = columns.get_mut(place).ok_or_else(|| before.error("a column's place"))?;
            column.collation = Some(collation(&mut value)?);
        }
        Ok(())
    }

    fn column_charset(
        &mut self,
        map: &TableMap<'_>,
        is_one: impl Fn(Stored) -> bool,
        mut value: Cursor<'_>,
    ) -> Result<(), Error> {
        for column in self.places(map, is_one) {
            column.collation = Some(collation(&mut value)?);
        }
        value.end()
    }

    fn position(&self, value: &mut Cursor<'_>) -> Result<usize, Error> {
        let before = value.clone();
        let position = value.packed_len("a column's position")?;
        if position < self.columns.len() { Ok(position) } else { Err(before.error("a column's position")) }
    }
}

fn collation(value: &mut Cursor<'_>) -> Result<u16, Error> {
    let before = value.clone();
    u16::try_from(value.packed("a collation")?).map_err(|_| before.error("a collation"))
}

fn labels(value: &mut Cursor<'_>) -> Result<Vec<Box<[u8]>>, Error> {
    let mut labels = Vec::new();
    for _ in 0..value.packed("a count of labels")? {
        labels.push(value.packed_bytes("a label")?.into());
    }
    Ok(labels)
}

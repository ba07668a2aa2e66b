use event::{Column, Use};

use super::charset::Charset;
use super::columns::Stored;
use super::definition::{ColumnDefinition, Declared, TableDefinition};
use super::table_map::TableMap;
use crate::Error;

/// How a table's rows become cells: made once for a table map, used for all its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlan {
    pub(super) columns: Vec<ColumnPlan>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnPlan {
    name: Box<str>,
    pub(super) type_name: Box<str>,
    type_modifier: i32,
    pub(super) kind: Kind,
    pub(super) by: Use,
}

/// How a column's values are stored and what they mean; `len_len` is how many bytes a value's length has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int {
        len: u8,
        is_unsigned: bool,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Date,
    Time {
        fraction_digits: u8,
    },
    Datetime {
        fraction_digits: u8,
    },
    Timestamp {
        fraction_digits: u8,
    },
    OldTime,
    OldDatetime,
    OldTimestamp,
    Bit {
        len: u8,
    },
    Enum {
        len: u8,
        labels: Labels,
    },
    Set {
        len: u8,
        labels: Labels,
    },
    Text {
        len_len: u8,
        charset: Charset,
    },
    Bytes {
        len_len: u8,
    },
    /// Stored without the zeros at its end.
    Binary {
        len_len: u8,
        len: u16,
    },
    /// `COMPRESSED` in MariaDB.
    Compressed {
        len_len: u8,
        charset: Charset,
    },
    Json {
        len_len: u8,
    },
    JsonText {
        len_len: u8,
    },
    Vector {
        len_len: u8,
    },
    Uuid {
        len_len: u8,
    },
    Inet6 {
        len_len: u8,
    },
    Inet4 {
        len_len: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) raw: Vec<Box<[u8]>>,
    pub(super) charset: Charset,
}

impl RowPlan {
    /// # Errors
    /// When the definition is not one of this table's columns as they are stored: rows would be read as what they are not.
    pub fn new(map: &TableMap<'_>, definition: &TableDefinition) -> Result<Self, Error> {
        if map.columns.len() != definition.columns.len() {
            return Err(Error::ColumnCount { expected: definition.columns.len(), found: map.columns.len() });
        }
        let columns = map.columns.iter().zip(&definition.columns).enumerate();
        let columns = columns.map(|(position, (stored, defined))| {
            ColumnPlan::new(*stored, defined).map_err(|detail| Error::UndefinedColumn {
                table: format!("{}.{}", map.database, map.table),
                position,
                detail,
            })
        });
        Ok(Self { columns: columns.collect::<Result<_, _>>()? })
    }

    /// One by which rows have no cells at all: for whoever counts them, and knows nothing of what their columns mean.
    pub fn counting(map: &TableMap<'_>) -> Self {
        let nothing = ColumnDefinition {
            collation: Some(Charset::BINARY_COLLATION),
            labels: vec![Box::default()],
            declared: Declared::WholeSeconds,
            ..ColumnDefinition::default()
        };
        let columns = map.columns.iter().filter_map(|stored| ColumnPlan::new(*stored, &nothing).ok());
        Self { columns: columns.map(|column| ColumnPlan { by: Use::Excluded, ..column }).collect() }
    }

    /// The same where columns are used in these ways: one that is excluded has no cell.
    #[must_use]
    pub fn used(mut self, uses: &[Use]) -> Self {
        for (column, by) in self.columns.iter_mut().zip(uses) {
            column.by = *by;
        }
        self
    }

    /// The columns as a schema names them, however they are used. The modifier is `numeric`'s of PostgreSQL for a decimal, how many digits a
    /// fraction has for what tells time, and how many bits for `bit`.
    pub fn columns(&self) -> Vec<Column> {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.to_string(),
            type_name: column.type_name.to_string(),
            type_oid: 0,
            type_modifier: column.type_modifier,
        });
        columns.collect()
    }
}

impl ColumnPlan {
    /// The error says what the definition lacks of what the stored form needs.
    fn new(stored: Stored, defined: &ColumnDefinition) -> Result<Self, &'static str> {
        let is_old_time = matches!(stored, Stored::OldTime | Stored::OldDatetime | Stored::OldTimestamp);
        if is_old_time && defined.declared != Declared::WholeSeconds {
            return Err(
                "how many digits the fraction of a time has that is stored in the form of before MySQL 5.6. Set \
                        `mysql56_temporal_format = ON` on the server, and `ALTER TABLE … FORCE`",
            );
        }
        let kind = kind(stored, defined).ok_or(
            "its character set or its labels. Set `binlog_row_metadata = FULL` on the server, so that its log says it",
        )?;
        let (type_name, type_modifier) = type_name(stored, defined);
        Ok(Self {
            name: defined.name.as_str().into(),
            type_name: type_name.into(),
            type_modifier,
            kind,
            by: Use::Sent,
        })
    }

    /// Whether it holds documents of MySQL.
    pub(super) fn is_json(&self) -> bool {
        matches!(self.kind, Kind::Json { .. })
    }
}

fn kind(stored: Stored, defined: &ColumnDefinition) -> Option<Kind> {
    let int = |len| Kind::Int { len, is_unsigned: defined.is_unsigned };
    let charset = || defined.collation.map(Charset::of_collation);
    let labels = || {
        let raw = defined.labels.clone();
        Some(Labels { charset: charset()?, raw }).filter(|labels| !labels.raw.is_empty())
    };
    Some(match stored {
        Stored::TinyInt => int(1),
        Stored::SmallInt => int(2),
        Stored::MediumInt => int(3),
        Stored::Int => int(4),
        Stored::BigInt => int(8),
        Stored::Float => Kind::Float,
        Stored::Double => Kind::Double,
        Stored::Decimal { precision, scale } => Kind::Decimal { precision, scale },
        Stored::Year => Kind::Year,
        Stored::Date => Kind::Date,
        Stored::Time { fraction_digits } => Kind::Time { fraction_digits },
        Stored::Datetime { fraction_digits } => Kind::Datetime { fraction_digits },
        Stored::Timestamp { fraction_digits } => Kind::Timestamp { fraction_digits },
        Stored::OldTime => Kind::OldTime,
        Stored::OldDatetime => Kind::OldDatetime,
        Stored::OldTimestamp => Kind::OldTimestamp,
        Stored::Bit { bits } => Kind::Bit { len: bits.div_ceil(8) as u8 },
        Stored::Enum { len } => Kind::Enum { len, labels: labels()? },
        Stored::Set { len } => Kind::Set { len, labels: labels()? },
        Stored::Char { max_len } => {
            let len_len = if max_len > 255 { 2 } else { 1 };
            match (defined.declared, charset()?) {
                (Declared::Uuid, _) => Kind::Uuid { len_len },
                (Declared::Inet6, _) => Kind::Inet6 { len_len },
                (Declared::Inet4, _) => Kind::Inet4 { len_len },
                (_, Charset::Binary) => Kind::Binary { len_len, len: max_len },
                (_, charset) => Kind::Text { len_len, charset },
            }
        }
        Stored::Varchar { max_len, is_compressed } => {
            character(if max_len > 255 { 2 } else { 1 }, is_compressed, defined, charset()?)
        }
        Stored::Blob { len_len, is_compressed } => character(len_len, is_compressed, defined, charset()?),
        Stored::Json { len_len } => Kind::Json { len_len },
        Stored::Geometry { len_len } => Kind::Bytes { len_len },
        Stored::Vector { len_len } => Kind::Vector { len_len },
    })
}

fn character(len_len: u8, is_compressed: bool, defined: &ColumnDefinition, charset: Charset) -> Kind {
    match (is_compressed, defined.declared, charset) {
        (true, _, charset) => Kind::Compressed { len_len, charset },
        (_, Declared::Json, _) => Kind::JsonText { len_len },
        (_, Declared::Vector, _) => Kind::Vector { len_len },
        (_, _, Charset::Binary) => Kind::Bytes { len_len },
        (_, _, charset) => Kind::Text { len_len, charset },
    }
}

/// As `information_schema.columns.data_type` has it, and ` unsigned` where that is so.
fn type_name(stored: Stored, defined: &ColumnDefinition) -> (String, i32) {
    const NONE: i32 = -1;
    let is_binary = defined.collation == Some(Charset::BINARY_COLLATION);
    let either = |text: &'static str, binary: &'static str| if is_binary { binary } else { text };
    let (name, modifier) = match stored {
        Stored::TinyInt => ("tinyint", NONE),
        Stored::SmallInt => ("smallint", NONE),
        Stored::MediumInt => ("mediumint", NONE),
        Stored::Int => ("int", NONE),
        Stored::BigInt => ("bigint", NONE),
        Stored::Float => ("float", NONE),
        Stored::Double => ("double", NONE),
        Stored::Decimal { precision, scale } => {
            ("decimal", (i32::from(precision) << 16 | i32::from(scale)) + 4)
        }
        Stored::Year => ("year", NONE),
        Stored::Date => ("date", NONE),
        Stored::Time { fraction_digits } => ("time", fraction_digits.into()),
        Stored::Datetime { fraction_digits } => ("datetime", fraction_digits.into()),
        Stored::Timestamp { fraction_digits } => ("timestamp", fraction_digits.into()),
        Stored::OldTime => ("time", 0),
        Stored::OldDatetime => ("datetime", 0),
        Stored::OldTimestamp => ("timestamp", 0),
        Stored::Bit { bits } => ("bit", bits.into()),
        Stored::Enum { .. } => ("enum", NONE),
        Stored::Set { .. } => ("set", NONE),
        Stored::Char { .. } => match defined.declared {
            Declared::Uuid => ("uuid", NONE),
            Declared::Inet6 => ("inet6", NONE),
            Declared::Inet4 => ("inet4", NONE),
            _ => (either("char", "binary"), NONE),
        },
        Stored::Varchar { .. } if defined.declared == Declared::Vector => ("vector", NONE),
        Stored::Varchar { .. } => (either("varchar", "varbinary"), NONE),
        Stored::Blob { .. } if defined.declared == Declared::Json => ("json", NONE),
        Stored::Blob { len_len: 1, .. } => (either("tinytext", "tinyblob"), NONE),
        Stored::Blob { len_len: 2, .. } => (either("text", "blob"), NONE),
        Stored::Blob { len_len: 3, .. } => (either("mediumtext", "mediumblob"), NONE),
        Stored::Blob { .. } => (either("longtext", "longblob"), NONE),
        Stored::Json { .. } => ("json", NONE),
        Stored::Geometry { .. } => (geometry(defined.declared), NONE),
        Stored::Vector { .. } => ("vector", NONE),
    };
    let is_unsigned = defined.is_unsigned && stored.is_numeric() && stored != Stored::Year;
    (if is_unsigned { format!("{name} unsigned") } else { name.to_owned() }, modifier)
}

/// By their numbers in WKB.
fn geometry(declared: Declared) -> &'static str {
    match declared {
        Declared::Geometry(1) => "point",
        Declared::Geometry(2) => "linestring",
        Declared::Geometry(3) => "polygon",
        Declared::Geometry(4) => "multipoint",
        Declared::Geometry(5) => "multilinestring",
        Declared::Geometry(6) => "multipolygon",
        Declared::Geometry(7) => "geomcollection",
        _ => "geometry",
    }
}

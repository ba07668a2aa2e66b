//! A column's definition.

use decoder::binlog::{Charset, Declared};

use super::reader::Reader;
use super::token::Token;
use super::{ColumnSpec, Place, collation_of};
use crate::shape::{ShapeColumn, geometry};

/// A column's definition, with what it says of the table.
pub(super) struct Defined {
    pub(super) spec: ColumnSpec,
    pub(super) is_primary: bool,
    pub(super) is_unique: bool,
    pub(super) place: Option<Place>,
}

/// Bit of `sql_mode`.
const REAL_AS_FLOAT: u64 = 1;

/// Reads a definition, whose name was read, up to the comma or parenthesis behind it.
pub(super) fn definition(name: String, reader: &mut Reader<'_>) -> Option<Defined> {
    let mut spec = column_type(name, reader)?;
    let (mut is_primary, mut is_unique, mut place) = (false, spec.is_serial, None);
    let ColumnType { column, is_text, charset, labels, .. } = &mut spec;
    while !(reader.is_at_end() || reader.is_symbol(',') || reader.is_symbol(')')) {
        let word = reader.word()?.to_ascii_uppercase();
        match &*word {
            "UNSIGNED" | "ZEROFILL" => column.is_unsigned = true,
            "SIGNED" | "NULL" | "AUTO_INCREMENT" | "VIRTUAL" | "STORED" | "PERSISTENT" | "VISIBLE"
            | "ENFORCED" => {}
            "NOT" => {
                let _is_known = reader.take_word("NULL") || reader.take_word("ENFORCED");
            }
            // Another collation of the set.
            "BINARY" => {}
            "ASCII" => *charset = Said::As(collation_of("latin1")),
            "UNICODE" => *charset = Said::As(collation_of("ucs2")),
            "BYTE" => *charset = Said::As(Some(Charset::BINARY_COLLATION)),
            "CHARACTER" => {
                reader.expect_word("SET")?;
                *charset = Said::As(Some(collation_of(&charset_name(reader)?)?));
            }
            "CHARSET" => *charset = Said::As(Some(collation_of(&charset_name(reader)?)?)),
            "COLLATE" => {
                reader.take_symbol('=');
                let collation = collation_of(&charset_name(reader)?)?;
                *charset = Said::As(Some(collation));
            }
            "DEFAULT" => value(reader)?,
            "ON" => {
                reader.expect_word("UPDATE")?;
                value(reader)?;
            }
            "PRIMARY" => {
                reader.take_word("KEY");
                is_primary = true;
            }
            "KEY" => is_primary = true,
            "UNIQUE" => {
                reader.take_word("KEY");
                is_unique = true;
            }
            "INVISIBLE" => column.is_invisible = !reader.dialect.is_mariadb,
            "COMMENT"
            | "COLUMN_FORMAT"
            | "STORAGE"
            | "ENGINE_ATTRIBUTE"
            | "SECONDARY_ENGINE_ATTRIBUTE"
            | "SRID"
            | "REF_SYSTEM_ID"
            | "CONSTRAINT" => {
                reader.take_symbol('=');
                // A constraint may have no name.
                if !(word == "CONSTRAINT" && reader.is_word("CHECK")) {
                    reader.skip()?;
                }
            }
            "COMPRESSED" => {
                if reader.take_symbol('=') {
                    reader.skip()?;
                }
            }
            "GENERATED" => {
                reader.expect_word("ALWAYS")?;
                reader.expect_word("AS")?;
                reader.skip_parentheses()?;
            }
            "AS" | "CHECK" => reader.skip_parentheses()?,
            "REFERENCES" => {
                reader.table()?;
                if reader.is_symbol('(') {
                    reader.skip_parentheses()?;
                }
                references(reader)?;
            }
            "SERIAL" => {
                reader.expect_word("DEFAULT")?;
                reader.expect_word("VALUE")?;
                is_unique = true;
            }
            "FIRST" => place = Some(Place::First),
            "AFTER" => place = Some(Place::After(reader.name()?)),
            _ => return None,
        }
    }
    let says_charset = *charset != Said::Nothing;
    if let (Said::As(collation), true) = (charset, *is_text) {
        column.collation = *collation;
    }
    let spec = ColumnSpec {
        column: column.clone(),
        is_text: *is_text,
        says_charset,
        labels: std::mem::take(labels),
    };
    Some(Defined { spec, is_primary, is_unique, place })
}

/// `ON DELETE SET NULL` and the like.
fn references(reader: &mut Reader<'_>) -> Option<()> {
    if reader.take_word("MATCH") {
        reader.word()?;
    }
    let mut ahead = reader.clone();
    while ahead.take_word("ON") && (ahead.take_word("DELETE") || ahead.take_word("UPDATE")) {
        let is_known = ahead.take_word("RESTRICT")
            || ahead.take_word("CASCADE")
            || ahead.take_words(&["SET", "NULL"])
            || ahead.take_words(&["SET", "DEFAULT"])
            || ahead.take_words(&["NO", "ACTION"]);
        if !is_known {
            return None;
        }
        *reader = ahead.clone();
    }
    Some(())
}

/// A default: a literal, an expression between parentheses, or a function.
fn value(reader: &mut Reader<'_>) -> Option<()> {
    if reader.is_symbol('(') {
        return reader.skip_parentheses();
    }
    while reader.take_symbol('-') || reader.take_symbol('+') {}
    match reader.skip()? {
        Token::Word(_) => {
            // A literal with its character set or kind before it: `_utf8mb4'…'`, `DATE'…'`, `b'1'`.
            if matches!(reader.peek(), Some(Token::Text(_))) {
                reader.skip();
            }
            if reader.is_symbol('(') {
                reader.skip_parentheses()?;
            }
            // MariaDB: `NEXT VALUE FOR s`.
            if reader.take_words(&["VALUE", "FOR"]) {
                reader.table()?;
            }
        }
        Token::Text(_) => {}
        Token::Number(_) => {
            if reader.take_symbol('.') {
                reader.skip()?;
            }
        }
        Token::Symbol('.') => {
            reader.number()?;
        }
        _ => return None,
    }
    Some(())
}

pub(super) fn charset_name(reader: &mut Reader<'_>) -> Option<String> {
    match reader.skip()? {
        Token::Word(name) | Token::Name(name) | Token::Text(name) => Some(name.clone()),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    As(Option<u16>),
}

struct ColumnType {
    column: ShapeColumn,
    is_text: bool,
    charset: Said,
    labels: Vec<String>,
    is_serial: bool,
}

fn column_type(name: String, reader: &mut Reader<'_>) -> Option<ColumnType> {
    let is_mariadb = reader.dialect.is_mariadb;
    let word = reader.word()?.to_ascii_uppercase();
    let mut of = ColumnType {
        column: ShapeColumn { name, modifier: -1, ..ShapeColumn::default() },
        is_text: false,
        charset: Said::Nothing,
        labels: Vec::new(),
        is_serial: word == "SERIAL",
    };
    let column = &mut of.column;
    let type_name = match &*word {
        "TINYINT" | "INT1" | "BOOL" | "BOOLEAN" => "tinyint",
        "SMALLINT" | "INT2" => "smallint",
        "MEDIUMINT" | "INT3" | "MIDDLEINT" => "mediumint",
        "INT" | "INTEGER" | "INT4" => "int",
        "BIGINT" | "INT8" => "bigint",
        "SERIAL" => {
            column.is_unsigned = true;
            "bigint"
        }
        "FLOAT" | "FLOAT4" => {
            // `FLOAT(25)` is a double, `FLOAT(25, 2)` is not.
            match length(reader)? {
                (Some(25..), None) => "double",
                _ => "float",
            }
        }
        "DOUBLE" | "FLOAT8" => {
            reader.take_word("PRECISION");
            "double"
        }
        "REAL" if reader.dialect.sql_mode & REAL_AS_FLOAT != 0 => "float",
        "REAL" => "double",
        "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => {
            let (precision, scale) = length(reader)?;
            let precision = precision.filter(|precision| *precision > 0).unwrap_or(10);
            column.modifier = i32::try_from(precision << 16 | scale.unwrap_or(0)).ok()? + 4;
            "decimal"
        }
        "BIT" => {
            column.modifier = length(reader)?.0.unwrap_or(1).try_into().ok()?;
            "bit"
        }
        "YEAR" => {
            column.is_unsigned = true;
            "year"
        }
        "DATE" => "date",
        "TIME" | "DATETIME" | "TIMESTAMP" => {
            column.modifier = length(reader)?.0.unwrap_or(0).try_into().ok()?;
            match &*word {
                "TIME" => "time",
                "DATETIME" => "datetime",
                _ => "timestamp",
            }
        }
        "CHAR" | "CHARACTER" => {
            let varies = reader.take_word("VARYING");
            of.is_text = true;
            if varies { "varchar" } else { "char" }
        }
        "NATIONAL" | "NCHAR" | "NVARCHAR" => {
            of.is_text = true;
            of.charset = Said::As(collation_of("utf8mb3"));
            let mut varies = word == "NVARCHAR";
            if word == "NATIONAL" {
                varies = reader.take_word("VARCHAR")
                    || !(reader.take_word("CHAR") || reader.take_word("CHARACTER"));
            }
            varies |= reader.take_word("VARYING") || reader.take_word("VARCHAR");
            if varies { "varchar" } else { "char" }
        }
        "VARCHAR" | "VARCHARACTER" => {
            of.is_text = true;
            "varchar"
        }
        "BINARY" => "binary",
        "VARBINARY" => "varbinary",
        "TINYBLOB" => "tinyblob",
        "BLOB" => match length(reader)?.0 {
            Some(1..=255) => "tinyblob",
            Some(65_536..=16_777_215) => "mediumblob",
            Some(16_777_216..) => "longblob",
            _ => "blob",
        },
        "MEDIUMBLOB" => "mediumblob",
        "LONGBLOB" => "longblob",
        "TINYTEXT" => "tinytext",
        "TEXT" => "text",
        "MEDIUMTEXT" => "mediumtext",
        "LONGTEXT" => "longtext",
        "LONG" => {
            if reader.take_word("VARBINARY") {
                "mediumblob"
            } else {
                let _is_named = reader.take_word("VARCHAR") || reader.take_word("VARCHARACTER");
                "mediumtext"
            }
        }
        "ENUM" | "SET" => {
            of.is_text = true;
            reader.expect_symbol('(')?;
            loop {
                // The server keeps no spaces at their end.
                of.labels.push(reader.text()?.trim_end_matches(' ').to_owned());
                if reader.take_symbol(')') {
                    break;
                }
                reader.expect_symbol(',')?;
            }
            if word == "ENUM" { "enum" } else { "set" }
        }
        "JSON" => {
            if is_mariadb {
                column.declared = Declared::Json;
                column.collation = collation_of("utf8mb4");
            }
            "json"
        }
        "VECTOR" => {
            column.declared = if is_mariadb { Declared::Vector } else { Declared::Plain };
            "vector"
        }
        "UUID" if is_mariadb => {
            column.declared = Declared::Uuid;
            "uuid"
        }
        "INET6" if is_mariadb => {
            column.declared = Declared::Inet6;
            "inet6"
        }
        "INET4" if is_mariadb => {
            column.declared = Declared::Inet4;
            "inet4"
        }
        other => {
            let name = other.to_ascii_lowercase();
            let name = if name == "geometrycollection" { "geomcollection".to_owned() } else { name };
            column.declared = geometry(&name)?;
            column.type_name = name;
            ""
        }
    };
    if !type_name.is_empty() {
        type_name.clone_into(&mut column.type_name);
    }
    of.is_text |= matches!(type_name, "tinytext" | "text" | "mediumtext" | "longtext");
    let is_binary = matches!(
        type_name,
        "binary"
            | "varbinary"
            | "tinyblob"
            | "blob"
            | "mediumblob"
            | "longblob"
            | "vector"
            | "uuid"
            | "inet6"
            | "inet4"
    );
    if is_binary || is_mariadb && geometry(&column.type_name).is_some() {
        column.collation = Some(Charset::BINARY_COLLATION);
    }
    // A text's size depends on how long its characters are.
    if reader.is_symbol('(') {
        if matches!(type_name, "text" | "json") {
            return None;
        }
        reader.skip_parentheses()?;
    }
    Some(of)
}

/// `(10)`, `(10, 2)`, or nothing.
fn length(reader: &mut Reader<'_>) -> Option<(Option<u32>, Option<u32>)> {
    if !reader.take_symbol('(') {
        return Some((None, None));
    }
    let first = reader.number()?;
    let second = if reader.take_symbol(',') { Some(reader.number()?) } else { None };
    reader.expect_symbol(')')?;
    Some((Some(first), second))
}

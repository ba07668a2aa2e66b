use decoder::binlog::{Charset, Declared};
use event::TableName;

use super::{id_of, is_of};
use crate::error::Error;
use crate::session::{Session, quote_text};
use crate::shape::{self, ShapeColumn};

/// A table's columns, in their order.
pub(super) async fn columns(
    session: &mut Session,
    name: &TableName,
    collations: &[(String, u16)],
) -> Result<Vec<ShapeColumn>, Error> {
    type Row = (
        String,
        String,
        String,
        String,
        Option<u64>,
        Option<u64>,
        Option<u64>,
        Option<String>,
        Option<String>,
    );
    let rows: Vec<Row> = session
        .rows(&format!(
            "SELECT table_name, column_name, data_type, column_type, numeric_precision, numeric_scale, \
               datetime_precision, collation_name, extra \
             FROM information_schema.columns WHERE {} ORDER BY ordinal_position",
            is_of(name)
        ))
        .await?;
    // MariaDB's JSON is text with this check, by which the server itself tells it from other text.
    let checks: Vec<String> = match session.is_mariadb() {
        true => {
            let checks: Vec<(String, String)> = session
                .rows(&format!(
                    "SELECT table_name, check_clause FROM information_schema.check_constraints \
                     WHERE constraint_schema = {} AND table_name = {}",
                    quote_text(&name.schema),
                    quote_text(&name.table)
                ))
                .await?;
            checks.into_iter().filter(|(table, _)| *table == name.table).map(|(_, check)| check).collect()
        }
        false => Vec::new(),
    };
    let mut columns = Vec::new();
    for (
        table,
        name_of_column,
        data_type,
        column_type,
        precision,
        scale,
        fraction_digits,
        collation,
        extra,
    ) in rows
    {
        if table != name.table {
            continue;
        }
        let row = ColumnRow {
            name: name_of_column,
            data_type,
            column_type,
            precision,
            scale,
            fraction_digits,
            collation,
            extra: extra.unwrap_or_default(),
        };
        let is_json = checks.contains(&format!("json_valid(`{}`)", row.name.replace('`', "``")));
        columns.push(row.column(session, collations, is_json).await?);
    }
    Ok(columns)
}

struct ColumnRow {
    name: String,
    data_type: String,
    column_type: String,
    precision: Option<u64>,
    scale: Option<u64>,
    fraction_digits: Option<u64>,
    collation: Option<String>,
    extra: String,
}

impl ColumnRow {
    async fn column(
        self,
        session: &mut Session,
        collations: &[(String, u16)],
        is_json: bool,
    ) -> Result<ShapeColumn, Error> {
        let is_mariadb = session.is_mariadb();
        let type_name = match &*self.data_type {
            "geometrycollection" => "geomcollection",
            "longtext" if is_mariadb && is_json => "json",
            other => other,
        }
        .to_owned();
        let collation = match &*type_name {
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" | "uuid"
            | "inet6" | "inet4" => Some(Charset::BINARY_COLLATION),
            // Of a log: MariaDB's geometries are blobs with a collation.
            geometry if is_mariadb && shape::geometry(geometry).is_some() => Some(Charset::BINARY_COLLATION),
            _ => self.collation.as_deref().and_then(|name| id_of(collations, name)),
        };
        let digits =
            |digits: Option<u64>| digits.and_then(|digits| i32::try_from(digits).ok()).unwrap_or_default();
        let modifier = match &*type_name {
            "decimal" => (digits(self.precision) << 16 | digits(self.scale)) + 4,
            "time" | "datetime" | "timestamp" => digits(self.fraction_digits),
            "bit" => digits(self.precision),
            _ => -1,
        };
        let declared = match &*type_name {
            "uuid" => Declared::Uuid,
            "inet6" => Declared::Inet6,
            "inet4" => Declared::Inet4,
            "json" if is_mariadb => Declared::Json,
            "vector" if is_mariadb => Declared::Vector,
            "time" | "datetime" | "timestamp"
                if self.column_type.contains("mariadb-5.3") && modifier == 0 =>
            {
                Declared::WholeSeconds
            }
            other => shape::geometry(other).unwrap_or_default(),
        };
        let labels = match &*type_name {
            "enum" | "set" => {
                let set =
                    self.collation.as_deref().and_then(|name| name.split('_').next()).unwrap_or("binary");
                stored_labels(session, &labels(&self.column_type), set, collation).await?
            }
            _ => Vec::new(),
        };
        // A year has the sign's bit in the log too.
        let is_unsigned = self.column_type.contains(" unsigned") && labels.is_empty() || type_name == "year";
        Ok(ShapeColumn {
            name: self.name,
            is_unsigned,
            collation,
            labels,
            is_invisible: !is_mariadb && self.extra.contains("INVISIBLE"),
            declared,
            type_name,
            modifier,
        })
    }
}

/// The labels between the parentheses of `enum('a','b''s')`.
fn labels(column_type: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = column_type.split_once('(').map_or("", |(_, rest)| rest);
    while let Some(start) = rest.strip_prefix('\'') {
        let (mut label, mut from) = (String::new(), start);
        loop {
            let Some((part, after)) = from.split_once('\'') else { return labels };
            label.push_str(part);
            match after.strip_prefix('\'') {
                Some(after) => {
                    label.push('\'');
                    from = after;
                }
                None => {
                    rest = after.strip_prefix(',').unwrap_or_default();
                    break;
                }
            }
        }
        labels.push(label);
    }
    labels
}

/// The labels in the bytes of their own character set. None at all where the dictionary can't tell them: it has a question
/// mark for every character beyond the basic ones.
async fn stored_labels(
    session: &mut Session,
    labels: &[String],
    set: &str,
    collation: Option<u16>,
) -> Result<Vec<Box<[u8]>>, Error> {
    let charset = collation.map_or(Charset::Unknown, Charset::of_collation);
    let can_go_beyond =
        !matches!(charset, Charset::Legacy(_) | Charset::Ascii | Charset::Binary) && set != "utf8mb3";
    if can_go_beyond && labels.iter().any(|label| label.contains('?')) {
        return Ok(Vec::new());
    }
    if matches!(charset, Charset::Utf8 | Charset::Ascii | Charset::Binary) {
        return Ok(labels.iter().map(|label| label.as_bytes().into()).collect());
    }
    let mut stored = Vec::new();
    for label in labels {
        // The hexadecimal digits of no bytes are no row's value of their own.
        let sql = format!("SELECT CONCAT('x', HEX(CONVERT({} USING {set})))", quote_text(label));
        let digits: Option<(String,)> = session.first(&sql).await?;
        let digits = digits.map(|(digits,)| digits).unwrap_or_default();
        let digits = digits.trim_start_matches('x').as_bytes();
        let bytes =
            digits.chunks_exact(2).filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
        stored.push(bytes.collect());
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_told_from_what_stands_between_them() {
        assert_eq!(labels("enum('a','it''s','c,d','')"), ["a", "it's", "c,d", ""]);
        assert_eq!(labels("set('''')"), ["'"]);
        assert_eq!(labels("int"), Vec::<String>::new());
    }
}

use std::time::Duration;

use decoder::ColumnType;
use event::Column;

use super::Reading;

/// NO_CACHE and STREAMRS: rows as they come, in the drivers that can.
pub(super) const CONNECTION: &[(&str, &str)] =
    &[("CHARSET", "utf8mb4"), ("NO_CACHE", "1"), ("FORWARDONLY", "1"), ("STREAMRS", "1")];

/// MariaDB has `max_statement_time` in seconds, MySQL `max_execution_time` in milliseconds: each is a comment to the other.
pub(super) fn session(timeout: Duration) -> Vec<String> {
    vec![
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned(),
        "SET SESSION TRANSACTION READ ONLY".to_owned(),
        "SET SESSION time_zone = '+00:00'".to_owned(),
        "SET SESSION sql_mode = ''".to_owned(),
        format!(
            "SET @cdc_timeout = 0 /*M!100101 , SESSION max_statement_time = {} */",
            timeout.as_secs_f64()
        ),
    ]
}

pub(super) fn columns(parts: &[String]) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let (schema, table) = match parts {
        [table] => ("DATABASE()".to_owned(), literal(table)),
        [.., schema, table] => (literal(schema), literal(table)),
        [] => ("''".to_owned(), "''".to_owned()),
    };
    format!(
        "SELECT c.column_name, \
         CONCAT(c.data_type, IF(c.column_type LIKE '%unsigned%', ' unsigned', '')), '0', '-1', \
         CAST(k.ordinal_position AS CHAR) \
         FROM information_schema.columns c \
         LEFT JOIN information_schema.key_column_usage k ON k.constraint_name = 'PRIMARY' \
         AND k.table_schema = c.table_schema AND k.table_name = c.table_name AND k.column_name = c.column_name \
         WHERE c.table_schema = {schema} AND c.table_name = {table} ORDER BY c.ordinal_position"
    )
}

/// Bytes as hexadecimal digits: the driver gives them raw where text was asked for, and shortens them at a zero.
pub(super) fn read(quoted: &str, column: &Column) -> (String, Reading) {
    let text = |name| Reading::Text(ColumnType::new(name));
    let as_text = format!("CAST({quoted} AS CHAR)");
    let (name, is_unsigned) = match column.type_name.strip_suffix(" unsigned") {
        Some(name) => (name, true),
        None => (column.type_name.as_str(), false),
    };
    match name {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "year" => {
            (as_text, text(if is_unsigned { "oid" } else { "int8" }))
        }
        "bit" => (format!("CAST({quoted} + 0 AS CHAR)"), text("oid")),
        "decimal" | "numeric" => (as_text, text("numeric")),
        // As a double first: a float is shown with six digits.
        "float" | "double" => (format!("CAST({quoted} + 0e0 AS CHAR)"), text("float8")),
        "date" => (as_text, text("date")),
        "time" => (as_text, text("time")),
        "datetime" | "timestamp" => (as_text, text("timestamp")),
        "json" => (as_text, text("json")),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry" | "point"
        | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" => (format!("HEX({quoted})"), Reading::Hex),
        _ => (as_text, text("text")),
    }
}

use std::time::Duration;

use decoder::ColumnType;
use event::Column;

use super::Reading;

/// By default psqlodbc reads the whole result into memory before it gives the first row.
pub(super) const CONNECTION: &[(&str, &str)] =
    &[("UseDeclareFetch", "1"), ("Fetch", "4000"), ("MaxLongVarcharSize", "65536"), ("BoolsAsChar", "1")];

/// The formats are those that the log's reader pins too, so that a value is the same cell by either way.
pub(super) fn session(timeout: Duration) -> Vec<String> {
    vec![
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned(),
        "SET row_security = off".to_owned(),
        "SET DateStyle = 'ISO, YMD'".to_owned(),
        "SET IntervalStyle = 'postgres'".to_owned(),
        "SET TimeZone = 'UTC'".to_owned(),
        "SET extra_float_digits = 3".to_owned(),
        "SET bytea_output = 'hex'".to_owned(),
        format!("SET statement_timeout = {}", timeout.as_millis()),
    ]
}

/// Of a domain, its base type, as the log says it. Generated columns are read too: nothing else would tell of them.
pub(super) fn columns(parts: &[String]) -> String {
    let table = parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect::<Vec<_>>();
    let table = table.join(".").replace('\'', "''");
    format!(
        "SELECT a.attname::text, \
         CASE WHEN n.nspname = 'pg_catalog' THEN t.typname::text ELSE n.nspname || '.' || t.typname END, \
         t.oid::text, a.atttypmod::text, array_position(i.indkey::int2[], a.attnum)::text \
         FROM pg_attribute a \
         JOIN pg_type d ON d.oid = a.atttypid \
         JOIN pg_type t ON t.oid = CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END \
         JOIN pg_namespace n ON n.oid = t.typnamespace \
         LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
         WHERE a.attrelid = to_regclass('{table}') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
}

/// The outer join gives one row even if the query gives none.
pub(super) fn types(query: &str, names: &[String]) -> String {
    let types = names.iter().map(|name| {
        let name = name.replace('"', "\"\"");
        format!(
            "(SELECT CASE WHEN n.nspname = 'pg_catalog' THEN t.typname::text ELSE n.nspname || '.' || t.typname END \
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = pg_typeof(q.\"{name}\")::oid)"
        )
    });
    let types = types.collect::<Vec<_>>().join(", ");
    format!("SELECT {types} FROM (SELECT 1) AS one LEFT JOIN ({query}) AS q ON false")
}

/// As the type's own output function writes it, which is what the log has. A cast writes some types otherwise: `true` for
/// `t`, `char(5)` without its padding, `inet` with `/32`.
pub(super) fn read(quoted: &str, column: &Column) -> (String, Reading) {
    let expression = match column.type_name.as_str() {
        "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" | "text" | "varchar" | "date" | "time"
        | "timestamp" | "timestamptz" | "uuid" | "json" | "jsonb" | "bytea" => format!("{quoted}::text"),
        // `format` makes an empty text of NULL.
        _ => format!("CASE WHEN {quoted} IS DISTINCT FROM NULL THEN format('%s', {quoted}) END"),
    };
    (expression, Reading::Text(ColumnType::new(&column.type_name)))
}

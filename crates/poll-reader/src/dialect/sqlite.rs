/// StepAPI: rows as they come. By default the driver reads the whole result first.
pub(super) const CONNECTION: &[(&str, &str)] = &[("StepAPI", "1"), ("Timeout", "10000")];

pub(super) fn session() -> Vec<String> {
    vec!["PRAGMA query_only = 1".to_owned()]
}

pub(super) fn columns(parts: &[String]) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let (schema, table) = match parts {
        [.., schema, table] => (literal(schema), literal(table)),
        [table] => ("'main'".to_owned(), literal(table)),
        [] => ("'main'".to_owned(), "''".to_owned()),
    };
    format!(
        "SELECT name AS c0, lower(type) AS c1, '0' AS c2, '-1' AS c3, \
         CASE pk WHEN 0 THEN NULL ELSE CAST(pk AS TEXT) END AS c4 FROM pragma_table_info({table}, {schema}) ORDER BY cid"
    )
}

/// A value of SQLite has a type of its own, whatever its column says; the driver goes by the column, gives `NUMERIC` as a
/// double of 15 digits, and bytes as `X'…'`. So each value is asked for as text, with its type before it. A text with a
/// zero in it would end there.
pub(super) fn tagged(quoted: &str) -> String {
    format!(
        "CASE typeof({quoted}) WHEN 'integer' THEN 'i' || {quoted} WHEN 'real' THEN 'r' || printf('%!.17g', {quoted}) \
         WHEN 'blob' THEN 'b' || hex({quoted}) WHEN 'text' THEN CASE WHEN instr({quoted}, char(0)) \
         THEN 'x' || hex({quoted}) ELSE 't' || {quoted} END END"
    )
}

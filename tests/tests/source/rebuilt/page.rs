//! docs/types.md, held against what was seen.

use std::collections::{BTreeMap, BTreeSet};

use event::envelope::value::Kind;
use event::envelope::{TableSchema, Value};

use super::Object;
use crate::world::World;

const PAGE: &str = include_str!("../../../../docs/types.md");

/// How the values of each type came, by the type's name.
#[derive(Default)]
pub(super) struct Seen {
    protobuf: Forms,
    json: Forms,
    debezium: Forms,
}

type Forms = BTreeMap<String, BTreeSet<String>>;

/// The server takes no text of them, so no column here has any.
const WITHOUT_INPUT: &[&str] = &[
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
];

impl Seen {
    pub(super) fn protobuf(&mut self, schema: &TableSchema, rows: &[Vec<Value>]) {
        for row in rows {
            for (value, column) in row.iter().zip(&schema.columns) {
                add(&mut self.protobuf, &column.r#type, arm(value));
            }
        }
    }

    pub(super) fn json(&mut self, schema: &TableSchema, rows: &[Object]) {
        add_json(&mut self.json, schema, rows);
    }

    pub(super) fn debezium(&mut self, schema: &TableSchema, rows: &[Object]) {
        add_json(&mut self.debezium, schema, rows);
    }

    /// The page has each type that a column of this server can have, in the forms that were seen and no others.
    pub(super) async fn assert_documented(&self, world: &World) {
        let page = Page::read();
        let every = world
            .rows(
                "(SELECT typname FROM pg_type WHERE typtype IN ('b', 'r', 'm') AND typname !~ '^_' \
                  AND typnamespace = 'pg_catalog'::regnamespace AND oid < 16384) q",
            )
            .await;
        let every: BTreeSet<String> = every.iter().map(|row| row[1..row.len() - 1].to_owned()).collect();
        assert_eq!(
            page.protobuf.keys().cloned().collect::<BTreeSet<_>>(),
            every,
            "the types of docs/types.md"
        );
        for (documented, seen, format) in [
            (&page.protobuf, &self.protobuf, "protobuf"),
            (&page.json, &self.json, "json"),
            (&page.debezium, &self.debezium, "debezium-json"),
        ] {
            for (name, forms) in documented {
                if !WITHOUT_INPUT.contains(&name.as_str()) {
                    assert_eq!(Some(forms), seen.get(name), "{name} in {format}: documented, seen");
                }
            }
            let text = if format == "protobuf" { "other" } else { "string" };
            for (name, forms) in seen.iter().filter(|(name, _)| !documented.contains_key(*name)) {
                let expected: &[&str] = if name.starts_with('_') { &["array", text] } else { &[text] };
                assert!(forms.iter().eq(expected), "{name} in {format}: {forms:?}, documented {expected:?}");
            }
        }
    }
}

fn add(forms: &mut Forms, type_name: &str, form: Option<&str>) {
    if let Some(form) = form {
        forms.entry(type_name.to_owned()).or_default().insert(form.to_owned());
    }
}

fn add_json(forms: &mut Forms, schema: &TableSchema, rows: &[Object]) {
    for row in rows {
        for column in &schema.columns {
            let form = match &row[&column.name] {
                serde_json::Value::Null => None,
                serde_json::Value::Bool(_) => Some("boolean"),
                serde_json::Value::Number(_) => Some("number"),
                serde_json::Value::String(_) => Some("string"),
                serde_json::Value::Array(_) => Some("array"),
                serde_json::Value::Object(_) => Some("object"),
            };
            add(forms, &column.r#type, form);
        }
    }
}

/// As the proto file calls it.
fn arm(value: &Value) -> Option<&'static str> {
    Some(match value.kind.as_ref().expect("a kind") {
        Kind::Null(_) => return None,
        Kind::Unchanged(_) => "unchanged",
        Kind::Omitted(_) => "omitted",
        Kind::Bool(_) => "bool",
        Kind::Int64(_) => "int64",
        Kind::Uint64(_) => "uint64",
        Kind::Double(_) => "double",
        Kind::Decimal(_) => "decimal",
        Kind::String(_) => "string",
        Kind::Bytes(_) => "bytes",
        Kind::TimestampUs(_) => "timestamp_us",
        Kind::DateDays(_) => "date_days",
        Kind::TimeUs(_) => "time_us",
        Kind::Uuid(_) => "uuid",
        Kind::Array(_) => "array",
        Kind::Json(_) => "json",
        Kind::Other(_) => "other",
    })
}

/// The page's table of built-in types.
struct Page {
    protobuf: Forms,
    json: Forms,
    debezium: Forms,
}

impl Page {
    fn read() -> Self {
        let mut page = Self { protobuf: Forms::new(), json: Forms::new(), debezium: Forms::new() };
        let (_, table) = PAGE.split_once("\n## Built-in types\n").expect("the table");
        let table = table.split("\n## ").next().unwrap_or_default();
        for line in table.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            let [names, protobuf, json, debezium, ..] = cells[..] else { panic!("{line}") };
            for name in in_backticks(names) {
                assert!(page.protobuf.insert(name.clone(), in_backticks(protobuf)).is_none(), "{name} twice");
                page.json.insert(name.clone(), words(json));
                page.debezium.insert(name, words(debezium));
            }
        }
        page
    }
}

fn in_backticks(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The kinds of JSON values that a cell speaks of.
fn words(cell: &str) -> BTreeSet<String> {
    let words = cell.split(|character: char| !character.is_ascii_alphabetic());
    words.filter(|word| ["boolean", "number", "string", "array"].contains(word)).map(str::to_owned).collect()
}

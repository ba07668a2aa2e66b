//! `cdc config show`: what counts, who wrote it, and no secret.

use super::document::{Document, Entry, Node, Origin, Table};
use super::secret::{BLANK, SecretUrl, is_secret_key};

/// The tree as TOML, each key from outside the file with a remark.
pub(super) fn document(document: &Document) -> String {
    let mut out = String::new();
    write_table("", &document.root, &mut out);
    out
}

fn write_table(path: &str, table: &Table, out: &mut String) {
    let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(key, entry)| {
        is_section(path, key) && matches!(entry.node, Node::Table(_) | Node::Tables(_))
    });
    if !path.is_empty() && (!values.is_empty() || tables.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("[{path}]\n"));
    }
    for (key, entry) in values {
        let remark = match &entry.value_at {
            Origin::File(_) => String::new(),
            outside => format!("  # from {outside}"),
        };
        out.push_str(&format!("{key} = {}{remark}\n", shown(key, entry)));
    }
    for (key, entry) in tables {
        let inner_path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match &entry.node {
            Node::Tables(tables) => tables.iter().for_each(|table| write_repeated(&inner_path, table, out)),
            Node::Table(inner) => write_table(&inner_path, inner, out),
            Node::Value(_) | Node::Text(_) => {}
        }
    }
}

fn write_repeated(path: &str, table: &Table, out: &mut String) {
    out.push_str(&format!("\n[[{path}]]\n"));
    for (key, entry) in table {
        out.push_str(&format!("{key} = {}\n", shown(key, entry)));
    }
}

/// Tables that are no section are values: maps such as Kafka's properties.
fn is_section(path: &str, key: &str) -> bool {
    let inner = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    super::layout::sections()
        .iter()
        .any(|section| section.path == inner || section.path.starts_with(&format!("{inner}.")))
}

fn shown(key: &str, entry: &Entry) -> toml::Value {
    // The last reading: text from outside is shown as what it was read as where it can be.
    let value = entry.readings().pop().unwrap_or_else(|| toml::Value::String(String::new()));
    blank(key, value)
}

fn blank(key: &str, value: toml::Value) -> toml::Value {
    if is_secret_key(key) {
        return toml::Value::String(BLANK.to_owned());
    }
    match value {
        // Any text may be a URL with a password in it.
        toml::Value::String(text) => toml::Value::String(SecretUrl::from(text.as_str()).to_string()),
        toml::Value::Array(items) => {
            toml::Value::Array(items.into_iter().map(|item| blank(key, item)).collect())
        }
        toml::Value::Table(table) => toml::Value::Table(
            table.into_iter().map(|(key, value)| (key.clone(), blank(&key, value))).collect(),
        ),
        other => other,
    }
}

//! The configuration as a tree of keys that remember where they were written: the file, the environment or a flag.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

use super::error::Fault;

/// One file with what overrides it.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) root: Table,
}

/// Keys and what they hold.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key, with its value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where the key stands: what an unknown key is reported at.
    pub(super) key_at: Origin,
    /// Where the value stands: what a wrong value is reported at.
    pub(super) value_at: Origin,
    pub(super) node: Node,
}

/// What a key holds.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Table(Table),
    /// `[[section]]`, any number of times.
    Tables(Vec<Table>),
    Value(toml::Value),
    /// From outside the file, where everything is text: taken as it is if the key wants text, else read as TOML.
    Text(String),
}

/// Who wrote a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File(Range<usize>),
    Environment(String),
    Flag(&'static str),
}

impl Document {
    /// Reads the file's text. All syntax errors at once.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { root: convert_table(table.into_inner()) });
        }
        let faults = errors.into_iter().map(|error| {
            let at = error.span().map(Origin::File);
            Fault::syntax(error.message().to_owned(), at)
        });
        Err(faults.collect())
    }

    /// Sets a key from outside the file, with the tables on the way to it.
    pub(super) fn set(&mut self, path: &[&str], text: String, origin: Origin) {
        let Some((key, sections)) = path.split_last() else { return };
        let mut table = &mut self.root;
        for section in sections {
            let entry = table.entry((*section).to_owned()).or_insert_with(|| Entry::table(origin.clone()));
            // A value where a table belongs is reported when the tree is checked; here it only has to give way.
            if !matches!(entry.node, Node::Table(_)) {
                return;
            }
            let Node::Table(next) = &mut entry.node else { return };
            table = next;
        }
        let entry = Entry { key_at: origin.clone(), value_at: origin, node: Node::Text(text) };
        table.insert((*key).to_owned(), entry);
    }

    /// The table at a path, if there is one.
    pub(super) fn table(&self, path: &str) -> Option<&Table> {
        path.split('.').try_fold(&self.root, |table, section| match &table.get(section)?.node {
            Node::Table(next) => Some(next),
            Node::Tables(_) | Node::Value(_) | Node::Text(_) => None,
        })
    }

    /// Where the section at a path begins, if it is there at all.
    pub(super) fn section_at(&self, path: &str) -> Option<&Origin> {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let table = if parent.is_empty() { &self.root } else { self.table(parent)? };
        table.get(name).map(|entry| &entry.key_at)
    }
}

impl Entry {
    /// An empty table.
    pub(super) fn table(origin: Origin) -> Self {
        Self { key_at: origin.clone(), value_at: origin, node: Node::Table(Table::new()) }
    }

    /// The values that the key may mean, the likeliest first.
    pub(super) fn readings(&self) -> Vec<toml::Value> {
        match &self.node {
            Node::Value(value) => vec![value.clone()],
            Node::Table(table) => vec![table_value(table)],
            Node::Tables(tables) => vec![toml::Value::Array(tables.iter().map(table_value).collect())],
            Node::Text(text) => {
                let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
                let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
                std::iter::once(toml::Value::String(text.clone())).chain(parsed).collect()
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("the file"),
            Self::Environment(variable) => write!(f, "the environment variable {variable}"),
            Self::Flag(flag) => write!(f, "the flag {flag}"),
        }
    }
}

fn convert_table(table: DeTable<'_>) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let entry = Entry {
            key_at: Origin::File(key.span()),
            value_at: Origin::File(value.span()),
            node: match value.into_inner() {
                DeValue::Table(table) => Node::Table(convert_table(table)),
                DeValue::Array(items) => convert_array(items),
                other => Node::Value(convert_value(other)),
            },
        };
        (key.into_inner().into_owned(), entry)
    });
    entries.collect()
}

fn convert_array(items: DeArray<'_>) -> Node {
    let is_tables = !items.is_empty() && items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(_)));
    if !is_tables {
        return Node::Value(convert_value(DeValue::Array(items)));
    }
    let tables = items.into_iter().filter_map(|item| match item.into_inner() {
        DeValue::Table(table) => Some(convert_table(table)),
        _ => None,
    });
    Node::Tables(tables.collect())
}

fn convert_value(value: DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.into_owned()),
        // A number beyond 64 bits stays text: the key that wants a number says so.
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => toml::Value::Integer(number),
            Err(_) => toml::Value::String(integer.to_string()),
        },
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(number) => toml::Value::Float(number),
            Err(_) => toml::Value::String(float.to_string()),
        },
        DeValue::Boolean(truth) => toml::Value::Boolean(truth),
        DeValue::Datetime(time) => toml::Value::Datetime(time),
        DeValue::Array(items) => {
            toml::Value::Array(items.into_iter().map(|item| convert_value(item.into_inner())).collect())
        }
        DeValue::Table(table) => table_value(&convert_table(table)),
    }
}

fn table_value(table: &Table) -> toml::Value {
    let entries = table.iter().filter_map(|(key, entry)| Some((key.clone(), entry.readings().pop()?)));
    toml::Value::Table(entries.collect())
}

//! Which sections and keys there are: the one list that unknown keys, the environment and the documentation are held
//! against. The keys themselves are asked of the structs.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::document::{Document, Entry, Node, Origin, Table};
use super::error::Fault;
use super::section::known_keys;
use super::{admin, checkpoint, format, load, mysql, odbc, pipeline, retain, sink, source, table};

/// A table of the file that a struct reads.
#[derive(Debug)]
pub(super) struct SectionLayout {
    pub(super) path: &'static str,
    pub(super) keys: &'static [&'static str],
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

impl SectionLayout {
    /// As this struct reads it.
    pub(super) fn of<T: DeserializeOwned + JsonSchema>(path: &'static str) -> Self {
        Self { path, keys: known_keys::<T>(), schema: SchemaGenerator::subschema_for::<T> }
    }
}

/// What is sent of some tables, and where.
pub(super) const TABLES: &str = "table";
/// What is read of a database without a log.
pub(super) const RESOURCES: &str = "source.odbc.resource";
/// The sections that a file may have any number of.
pub(super) const REPEATED: [&str; 2] = [TABLES, RESOURCES];

/// All sections.
pub(super) fn sections() -> Vec<SectionLayout> {
    let mut sections = vec![
        SectionLayout::of::<pipeline::Pipeline>("pipeline"),
        SectionLayout::of::<source::Postgres>("source.postgres"),
        SectionLayout::of::<mysql::Mysql>("source.mysql"),
        SectionLayout::of::<odbc::Odbc>("source.odbc"),
        SectionLayout::of::<odbc::ResourceSection>(RESOURCES),
    ];
    sections.extend(sink::sections());
    sections.extend([
        SectionLayout::of::<table::TableSection>(TABLES),
        SectionLayout::of::<load::Load>("load"),
        SectionLayout::of::<checkpoint::Checkpoint>("checkpoint"),
        SectionLayout::of::<retain::Retain>("retain"),
        SectionLayout::of::<format::Keys>("format"),
        SectionLayout::of::<format::Json>("format.json"),
        SectionLayout::of::<format::Debezium>("format.debezium"),
        SectionLayout::of::<admin::Admin>("admin"),
        SectionLayout::of::<admin::AdminTls>("admin.tls"),
    ]);
    sections
}

/// Takes out of the tree what no struct reads, and says so.
pub(super) fn take_unknown(document: &mut Document) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_table("", &mut document.root, &sections(), &mut faults);
    faults
}

/// Where a variable of the environment belongs: `CDC__SOURCE__POSTGRES__URL` is `source.postgres.url`.
pub(super) fn path_of_variable(variable: &str) -> Option<Vec<String>> {
    let path = variable.strip_prefix(super::VARIABLE_PREFIX)?;
    Some(path.split("__").map(str::to_ascii_lowercase).collect())
}

/// The variable that sets a key.
pub(super) fn variable_of(section: &str, key: &str) -> String {
    format!("{}{}__{key}", super::VARIABLE_PREFIX, section.replace('.', "__")).to_ascii_uppercase()
}

fn check_table(path: &str, table: &mut Table, sections: &[SectionLayout], faults: &mut Vec<Fault>) {
    let keys = sections.iter().find(|section| section.path == path).map_or(&[][..], |section| section.keys);
    let subsections = subsections(path, sections);
    table.retain(|key, entry| {
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if REPEATED.contains(&inner.as_str()) {
            let Node::Tables(tables) = &mut entry.node else {
                let message = format!("`{inner}` is a section that can be repeated");
                let help = format!("write it as [[{inner}]] with keys below");
                faults.push(Fault::value(message, Some(&entry.key_at)).with_help(help));
                return false;
            };
            tables.iter_mut().for_each(|table| check_table(&inner, table, sections, faults));
            return true;
        }
        if subsections.contains(&key.as_str()) {
            let Node::Table(table) = &mut entry.node else {
                let message = format!("`{inner}` is a section, not a value");
                faults.push(
                    Fault::value(message, Some(&entry.key_at))
                        .with_help(format!("write it as [{inner}] with keys below")),
                );
                return false;
            };
            check_table(&inner, table, sections, faults);
            return true;
        }
        if keys.contains(&key.as_str()) {
            return true;
        }
        faults.push(unknown(path, key, &inner, entry, keys, &subsections, sections));
        false
    });
}

fn subsections<'a>(path: &str, sections: &'a [SectionLayout]) -> Vec<&'a str> {
    let mut names: Vec<&str> = sections
        .iter()
        .filter_map(|section| {
            let below = if path.is_empty() {
                section.path
            } else {
                section.path.strip_prefix(path)?.strip_prefix('.')?
            };
            below.split('.').next()
        })
        .collect();
    names.dedup();
    names
}

fn unknown(
    path: &str,
    key: &str,
    inner: &str,
    entry: &Entry,
    keys: &[&str],
    subsections: &[&str],
    sections: &[SectionLayout],
) -> Fault {
    if let Origin::Environment(variable) = &entry.key_at {
        let all = sections
            .iter()
            .flat_map(|section| section.keys.iter().map(|key| variable_of(section.path, key)))
            .collect::<Vec<_>>();
        let help = match nearest(variable, all.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => "variables are CDC__<SECTION>__<KEY>, as in CDC__SOURCE__POSTGRES__URL".to_owned(),
        };
        return Fault::unknown(format!("no key is called `{inner}`"), &entry.key_at, help);
    }
    let names = keys.iter().chain(subsections).copied();
    let section = if path.is_empty() { String::new() } else { format!(" in [{path}]") };
    let help = match (elsewhere(key, sections), nearest(key, names.clone())) {
        (Some(home), _) if !is_table(entry) => format!("`{key}` belongs in [{home}]"),
        (_, Some(near)) => format!("did you mean `{near}`?"),
        _ if is_table(entry) && !subsections.is_empty() => {
            format!("known sections{section}: {}", subsections.join(", "))
        }
        _ => match names.collect::<Vec<_>>().join(", ").as_str() {
            "" => format!("[{path}] has no keys"),
            known => format!("known here: {known}"),
        },
    };
    let kind = if is_table(entry) { "section" } else { "key" };
    Fault::unknown(format!("unknown {kind} `{key}`{section}"), &entry.key_at, help)
}

fn is_table(entry: &Entry) -> bool {
    matches!(entry.node, Node::Table(_) | Node::Tables(_))
}

/// The section that does know the key.
fn elsewhere(key: &str, sections: &[SectionLayout]) -> Option<&'static str> {
    sections.iter().find(|section| section.keys.contains(&key)).map(|section| section.path)
}

/// The name that was probably meant.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        // A third of the letters wrong is another word.
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

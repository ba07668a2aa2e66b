use serde::de::DeserializeOwned;

use super::document::{Document, Node, Origin};
use super::error::Fault;
use super::explain::explain;
use super::{layout, section};

/// Turns the tree into structs, collecting what is wrong on the way.
pub(super) struct Reader {
    pub(super) document: Document,
    pub(super) faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn new(mut document: Document) -> Self {
        let faults = layout::take_unknown(&mut document);
        Self { document, faults }
    }

    pub(super) fn section<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
        let mut table = self.document.table(path).cloned().unwrap_or_default();
        // Sections within this one are read on their own.
        let inner = layout::sections();
        table.retain(|key, _| !inner.iter().any(|section| section.path == format!("{path}.{key}")));
        match section::read(&table) {
            Ok(value) => Some(value),
            Err(faults) => {
                let at = self.document.section_at(path).cloned();
                self.faults.extend(faults.into_iter().map(|fault| explain(path, &table, at.as_ref(), fault)));
                None
            }
        }
    }

    /// None if it is wrong, and otherwise the section if it is there.
    pub(super) fn optional_section<T: DeserializeOwned>(&mut self, path: &str) -> Option<Option<T>> {
        match self.document.section_at(path) {
            Some(_) => self.section(path).map(Some),
            None => Some(None),
        }
    }

    /// All of a section that can be repeated.
    pub(super) fn repeated<T: DeserializeOwned>(&mut self, path: &str) -> Option<Vec<T>> {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let table = if parent.is_empty() { Some(&self.document.root) } else { self.document.table(parent) };
        let Some(entry) = table.and_then(|table| table.get(name)) else { return Some(Vec::new()) };
        let (at, Node::Tables(tables)) = (entry.key_at.clone(), entry.node.clone()) else { return None };
        let mut read = Vec::new();
        for table in &tables {
            match section::read(table) {
                Ok(section) => read.push(section),
                Err(faults) => {
                    let faults = faults.into_iter().map(|fault| explain(path, table, Some(&at), fault));
                    self.faults.extend(faults);
                }
            }
        }
        Some(read)
    }

    /// The one section that is there, of those that can be.
    pub(super) fn one_of(&mut self, what: &str, paths: &[&'static str]) -> Option<&'static str> {
        let present: Vec<&'static str> =
            paths.iter().copied().filter(|path| self.document.section_at(path).is_some()).collect();
        match present.as_slice() {
            [path] => Some(path),
            [] => {
                // A section that is there, but misspelt, is reported already.
                if self.document.section_at(what).is_none() {
                    let choices = paths.iter().map(|path| format!("[{path}]")).collect::<Vec<_>>().join(", ");
                    let help = if paths.len() == 1 {
                        format!("add {choices}")
                    } else {
                        format!("add one of {choices}")
                    };
                    self.faults.push(Fault::missing(format!("there is no {what}"), None, help));
                }
                None
            }
            [first, .., last] => {
                let message = format!("two {what}s: [{first}] and [{last}]");
                let help = match what {
                    "sink" => {
                        "one pipeline has one sink: use a second file with its own name, or choose by --sink"
                    }
                    _ => "one pipeline has one source: use a second file with its own name",
                };
                let at = self.document.section_at(last).cloned();
                self.faults.push(Fault::too_many(message, at.as_ref(), help));
                None
            }
        }
    }

    pub(super) fn refuse_secrets_in_file(&mut self, path: &str) {
        for key in ["password", "token", "hmac_secret"] {
            let Some(entry) = self.document.table(path).and_then(|table| table.get(key)) else { continue };
            if matches!(entry.key_at, Origin::File(_)) {
                let fault =
                    Fault::value(format!("a {key} does not belong in this file"), Some(&entry.key_at));
                let variable = layout::variable_of(path, key);
                self.faults.push(fault.with_help(format!(
                    "write it to a file of its own and name that by `{key}_file`, or set {variable}"
                )));
            }
        }
    }

    /// Notes what a sink says of its options as a whole.
    pub(super) fn accept(&mut self, path: &str, checked: Result<(), sinks::Error>) -> Option<()> {
        let at = self.document.section_at(path);
        let faults = &mut self.faults;
        checked.map_err(|error| faults.push(Fault::value(error.to_string(), at))).ok()
    }
}

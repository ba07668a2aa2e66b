use std::path::Path;

use super::document::{Document, Entry, Node, Origin};
use super::error::ConfigError;
use super::{Overrides, SinkKind, layout};

/// The file with the environment laid over it, and the flags over both.
pub(super) fn overlay(file: &Path, text: &str, overrides: &Overrides) -> Result<Document, ConfigError> {
    let mut document = Document::parse(text).map_err(|faults| ConfigError::new(file, text, faults))?;
    for (variable, value) in &overrides.variables {
        let Some(path) = layout::path_of_variable(variable) else { continue };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        document.set(&path, value.clone(), Origin::Environment(variable.clone()));
    }
    if let Some(url) = &overrides.source_url {
        let kind = if url.is_mysql() { "mysql" } else { "postgres" };
        document.set(&["source", kind, "url"], url.expose().to_owned(), Origin::Flag("--source-url"));
    }
    if let Some(folder) = &overrides.state_dir {
        document.set(&["pipeline", "state_dir"], folder.clone(), Origin::Flag("--state-dir"));
    }
    if let Some(kind) = overrides.sink {
        choose_sink(&mut document, kind);
    }
    Ok(document)
}

/// Leaves only the chosen sink's section, empty if there was none.
fn choose_sink(document: &mut Document, kind: SinkKind) {
    let origin = Origin::Flag("--sink");
    let sinks = document.root.entry("sink".to_owned()).or_insert_with(|| Entry::table(origin.clone()));
    let Node::Table(sinks) = &mut sinks.node else { return };
    let name = kind.path().trim_start_matches("sink.");
    for other in SinkKind::ALL.iter().map(|kind| kind.path().trim_start_matches("sink.")) {
        if other != name {
            sinks.remove(other);
        }
    }
    sinks.entry(name.to_owned()).or_insert_with(|| Entry::table(origin));
}

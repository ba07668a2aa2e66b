//! What is wrong with a configuration, said with the line, a caret and a remedy; all of it at once.

use std::path::{Path, PathBuf};

use super::document::Origin;
use super::secret::redact;
use crate::diagnostics::{Colour, Complaint, Place};

/// A configuration that can't be used, and every reason that was found.
#[derive(Debug, thiserror::Error)]
#[error("{} is not usable: {}", file.display(), summary(faults))]
pub(crate) struct ConfigError {
    file: PathBuf,
    /// The file's text with its secrets overwritten, so that no snippet can show one.
    text: String,
    faults: Vec<Fault>,
}

/// One reason.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    code: &'static str,
    message: String,
    at: Option<Origin>,
    help: Option<String>,
}

impl ConfigError {
    /// What was found in a file's text.
    pub(super) fn new(file: &Path, text: &str, mut faults: Vec<Fault>) -> Self {
        // In the order of the file, and what isn't in it last.
        faults.sort_by_key(|fault| match &fault.at {
            Some(Origin::File(range)) => (0, range.start),
            _ => (1, 0),
        });
        Self { file: file.to_owned(), text: redact(text), faults }
    }

    /// What was found without a text to point into.
    pub(super) fn without_text(file: &Path, fault: Fault) -> Self {
        Self { file: file.to_owned(), text: String::new(), faults: vec![fault] }
    }

    /// All reasons, for a person.
    pub(crate) fn render(&self, colour: Colour) -> String {
        let faults = self.faults.iter().map(|fault| fault.render(&self.file, &self.text, colour));
        faults.collect::<Vec<_>>().join("\n")
    }
}

impl Fault {
    /// The file can't be read.
    pub(super) fn unreadable(message: String, help: &str) -> Self {
        Self { code: "CDC-CONFIG-001", message, at: None, help: Some(help.to_owned()) }
    }

    /// The file is not TOML.
    pub(super) fn syntax(message: String, at: Option<Origin>) -> Self {
        Self { code: "CDC-CONFIG-002", message, at, help: None }
    }

    /// A key that nothing reads.
    pub(super) fn unknown(message: String, at: &Origin, help: String) -> Self {
        Self { code: "CDC-CONFIG-003", message, at: Some(at.clone()), help: Some(help) }
    }

    /// A value that its key can't take.
    pub(super) fn value(message: String, at: Option<&Origin>) -> Self {
        Self { code: "CDC-CONFIG-004", message, at: at.cloned(), help: None }
    }

    /// A key or section that must be there.
    pub(super) fn missing(message: String, at: Option<&Origin>, help: String) -> Self {
        Self { code: "CDC-CONFIG-005", message, at: at.cloned(), help: Some(help) }
    }

    /// Two sources or two sinks.
    pub(super) fn too_many(message: String, at: Option<&Origin>, help: &str) -> Self {
        Self { code: "CDC-CONFIG-007", message, at: at.cloned(), help: Some(help.to_owned()) }
    }

    fn render(&self, file: &Path, text: &str, colour: Colour) -> String {
        let (what, place) = match &self.at {
            Some(Origin::File(range)) => {
                (self.message.clone(), Some(Place { file, text, range: range.clone() }))
            }
            Some(outside) => (format!("{} (from {outside})", self.message), None),
            None => (self.message.clone(), None),
        };
        Complaint { code: self.code, what: &what, place, causes: &[], help: self.help.as_deref() }
            .render(colour)
    }

    /// The same fault with a remedy.
    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

fn summary(faults: &[Fault]) -> String {
    faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ")
}

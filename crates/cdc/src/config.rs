//! `cdc.toml` as a typed tree.
//!
//! The one idea: **every value knows who wrote it.** The file is read into a tree of keys with their places, the
//! environment and the flags are laid over it, and only then each section becomes a struct. So whatever is wrong, and
//! all of it at once, is reported at the line, the variable or the flag where it was written.
//!
//! | file | what |
//! |---|---|
//! | `document` | the tree |
//! | `overlay` | what overrides it |
//! | `layout` | which sections and keys there are; unknown ones |
//! | `section` | a table of the tree into a struct |
//! | `reader` | the same by its path, and what is wrong with it |
//! | `sections` | all of them into one configuration |
//! | `explain` | what is wrong, in the file's words |
//! | `error` | what is wrong, with line, caret and remedy |
//! | `schema` | the JSON Schema, for editors |
//! | `show` | the tree as it counts, without secrets |
//! | `secret` | what is never shown |
//! | `table_pattern` | which tables |
//! | the others | one section each |

mod admin;
mod checkpoint;
mod document;
mod error;
mod explain;
mod format;
mod layout;
mod load;
mod mysql;
mod odbc;
mod overlay;
mod pipeline;
mod reader;
mod retain;
mod schema;
mod secret;
mod section;
mod sections;
mod show;
mod sink;
mod source;
mod table;
mod table_pattern;

#[cfg(test)]
mod tests;

use std::path::Path;

pub(crate) use self::admin::{Admin, AdminTls};
pub(crate) use self::checkpoint::CheckpointStore;
pub(crate) use self::error::ConfigError;
pub(crate) use self::format::Format;
pub(crate) use self::load::{Load, LoadMode};
pub(crate) use self::mysql::Mysql;
pub(crate) use self::odbc::Odbc;
pub(crate) use self::pipeline::{Pipeline, PipelineName};
pub(crate) use self::retain::Retain;
pub(crate) use self::secret::SecretUrl;
pub(crate) use self::sink::{Sink, SinkKind};
pub(crate) use self::source::{KeyChanges, NewTables, Postgres, Source, Unchanged};
pub(crate) use self::table::Tables;
pub(crate) use self::table_pattern::TablePattern;

use crate::diagnostics::Problem;
use crate::exit::ExitStatus;

use self::document::Document;
use self::error::Fault;
use self::overlay::overlay;
use self::reader::Reader;

/// What one file, with what overrides it, says.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `[pipeline]`.
    pub(crate) pipeline: Pipeline,
    /// The one `[source.*]`.
    pub(crate) source: Source,
    /// The one `[sink.*]`.
    pub(crate) sink: Sink,
    /// All `[[table]]`.
    pub(crate) tables: Tables,
    /// `[load]`.
    pub(crate) load: Load,
    /// `[checkpoint]`.
    pub(crate) checkpoint: CheckpointStore,
    /// `[retain]`.
    pub(crate) retain: Option<Retain>,
    /// `[format]`.
    pub(crate) format: Format,
    /// `[admin]`.
    pub(crate) admin: Admin,
    /// All of it as `cdc config show` has it: for people, without secrets.
    pub(crate) shown: String,
}

/// What counts more than the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// Variables of the environment, of which those that begin with `CDC__` are keys.
    pub(crate) variables: Vec<(String, String)>,
    /// `--source-url`.
    pub(crate) source_url: Option<SecretUrl>,
    /// `--sink`: the sink to use, of those in the file or without any options.
    pub(crate) sink: Option<SinkKind>,
    /// `--state-dir`.
    pub(crate) state_dir: Option<String>,
}

const VARIABLE_PREFIX: &str = "CDC__";

impl Config {
    /// Reads a file. Without it, the environment alone will do, unless the file was asked for by name.
    pub(crate) fn load(file: &Path, named: bool, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::parse(file, &read(file, named, overrides)?, overrides)
    }

    /// What the file's text says.
    pub(crate) fn parse(file: &Path, text: &str, overrides: &Overrides) -> Result<Self, ConfigError> {
        let document = overlay(file, text, overrides)?;
        let shown = show::document(&document);
        let (config, faults) = Reader::new(document).config();
        match config {
            Some(config) if faults.is_empty() => Ok(Self { shown, ..config }),
            _ => Err(ConfigError::new(file, text, faults)),
        }
    }

    /// The sink alone that a file names, whatever else it holds.
    pub(crate) fn sink_of(file: &Path) -> Result<Sink, ConfigError> {
        let text = read(file, true, &Overrides::default())?;
        let document = Document::parse(&text).map_err(|faults| ConfigError::new(file, &text, faults))?;
        let mut reader = Reader::new(document);
        let tables = reader.tables().map(Tables).unwrap_or_default();
        match reader.sink(tables) {
            Some(sink) if reader.faults.is_empty() => Ok(sink),
            _ => Err(ConfigError::new(file, &text, reader.faults)),
        }
    }

    /// The source, for what there is on PostgreSQL alone. `what` names it.
    pub(crate) fn postgres(&self, what: &str) -> Result<&Postgres, Problem> {
        match &self.source {
            Source::Postgres(source) => Ok(source),
            Source::Mysql(_) => Err(not_on_mysql(what)),
            Source::Odbc(_) => Err(not_on_odbc(what)),
        }
    }

    /// The JSON Schema of a file, for editors.
    pub(crate) fn schema() -> String {
        schema::text()
    }

    /// The file as it counts, with everything that overrides it, without secrets: for `cdc config show`.
    pub(crate) fn show(file: &Path, named: bool, overrides: &Overrides) -> Result<String, ConfigError> {
        let text = read(file, named, overrides)?;
        Self::parse(file, &text, overrides)?;
        Ok(show::document(&overlay(file, &text, overrides)?))
    }
}

/// Of what there is on PostgreSQL alone.
pub(crate) fn not_on_mysql(what: &str) -> Problem {
    let what = format!("{what}: there is no such thing on MySQL and MariaDB, which have no slots");
    Problem::new(
        ExitStatus::Usage,
        "CDC-CLI-013",
        what,
        "leave it out; docs/errors.md says how to move from another connector",
    )
}

/// Of what there is only where a database has a log.
pub(crate) fn not_on_odbc(what: &str) -> Problem {
    let what = format!("{what}: there is no such thing for a database that is polled, which has no log");
    Problem::new(
        ExitStatus::Usage,
        "CDC-CLI-022",
        what,
        "leave it out; `cdc resync` sends rows again, and docs/odbc.md says what else there is",
    )
}

fn read(file: &Path, named: bool, overrides: &Overrides) -> Result<String, ConfigError> {
    let from_environment =
        overrides.variables.iter().any(|(variable, _)| variable.starts_with(VARIABLE_PREFIX));
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named && from_environment => {
            Ok(String::new())
        }
        Err(error) => {
            let message = format!("can't read the configuration {}: {error}", file.display());
            let help =
                "name it by -c FILE or CDC_CONFIG; docs/configuration.md has a small one to start from";
            Err(ConfigError::without_text(file, Fault::unreadable(message, help)))
        }
    }
}

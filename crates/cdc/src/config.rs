//! `cdc.toml` as a typed tree.
//!
//! The one idea: **every value knows who wrote it.** The file is read into a tree of keys with their places, the
//! environment and the flags are laid over it, and only then each section becomes a struct. So whatever is wrong, and
//! all of it at once, is reported at the line, the variable or the flag where it was written.
//!
//! | file | what |
//! |---|---|
//! | `document` | the tree, and what overrides it |
//! | `layout` | which sections and keys there are; unknown ones |
//! | `section` | a table of the tree into a struct |
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
mod format;
mod layout;
mod load;
mod mysql;
mod odbc;
mod pipeline;
mod retain;
mod schema;
mod secret;
mod section;
mod show;
mod sink;
mod source;
mod table;
mod table_pattern;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::de::DeserializeOwned;
use sinks::{HttpOptions, KafkaOptions, NatsOptions};

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

use self::document::{Document, Entry, Node, Origin, Table};
use self::error::Fault;
use self::odbc::ResourceSection;
use self::section::SectionFault;

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

/// The file with the environment laid over it, and the flags over both.
fn overlay(file: &Path, text: &str, overrides: &Overrides) -> Result<Document, ConfigError> {
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

/// Turns the tree into structs, collecting what is wrong on the way.
struct Reader {
    document: Document,
    faults: Vec<Fault>,
}

impl Reader {
    fn new(mut document: Document) -> Self {
        let faults = layout::take_unknown(&mut document);
        Self { document, faults }
    }

    fn config(mut self) -> (Option<Config>, Vec<Fault>) {
        let pipeline = self.section("pipeline");
        let source = self.source();
        let tables = self.tables().map(Tables);
        let sink = self.sink(tables.clone().unwrap_or_default());
        let load = self.section("load");
        let checkpoint = self.checkpoint(sink.as_ref());
        let retain = self.optional_section("retain");
        let format = self.format();
        self.check_odbc(source.as_ref(), checkpoint, format.as_ref());
        let admin = self.admin();
        let config = || {
            Some(Config {
                pipeline: pipeline?,
                source: source?,
                sink: sink?,
                tables: tables?,
                load: load?,
                checkpoint: checkpoint?,
                retain: retain?,
                format: format?,
                admin: admin?,
                shown: String::new(),
            })
        };
        (config(), self.faults)
    }

    fn source(&mut self) -> Option<Source> {
        let path = self.one_of("source", &["source.postgres", "source.mysql", "source.odbc"])?;
        self.refuse_secrets_in_file(path);
        match path {
            "source.odbc" => self.odbc(path).map(Source::Odbc),
            "source.mysql" => self.section(path).map(Source::Mysql),
            _ => self.section(path).map(Source::Postgres),
        }
    }

    fn odbc(&mut self, path: &str) -> Option<Odbc> {
        let odbc: Option<Odbc> = self.section(path);
        let at = self.document.section_at(path).cloned();
        let sections: Vec<ResourceSection> = self.repeated(layout::RESOURCES)?;
        let mut resources: Vec<poll_reader::Resource> = Vec::new();
        for section in sections {
            match section.resource() {
                Ok(resource) if resources.iter().any(|other| other.name == resource.name) => {
                    let message = format!("[[{}]]: two are called `{}`", layout::RESOURCES, resource.name);
                    self.faults
                        .push(Fault::value(message, at.as_ref()).with_help("give each its own `name`"));
                }
                Ok(resource) => resources.push(resource),
                Err((message, help)) => {
                    let message = format!("[[{}]]: {message}", layout::RESOURCES);
                    self.faults.push(Fault::value(message, at.as_ref()).with_help(help));
                }
            }
        }
        let odbc = odbc?;
        if resources.is_empty() {
            let help = format!("add [[{}]] with a `table`", layout::RESOURCES);
            self.faults.push(Fault::missing(format!("[{path}] reads nothing"), at.as_ref(), help));
        }
        if odbc.connection_string.is_some() == odbc.connection_string_file.is_some() {
            let message = format!("[{path}] needs either `connection_string` or `connection_string_file`");
            let help = "add `connection_string = \"Driver=…;Server=…;Database=…;UID=…\"`".to_owned();
            self.faults.push(Fault::missing(message, at.as_ref(), help));
        }
        Some(Odbc { resources, ..odbc })
    }

    fn sink(&mut self, tables: Tables) -> Option<Sink> {
        let path = self.one_of("sink", &SinkKind::ALL.map(SinkKind::path))?;
        for section in [path, "sink.kafka.sasl"] {
            self.refuse_secrets_in_file(section);
        }
        match SinkKind::ALL.into_iter().find(|kind| kind.path() == path)? {
            SinkKind::Kafka => self.kafka(path, tables).map(Sink::Kafka),
            SinkKind::Nats => self.nats(path, tables).map(Sink::Nats),
            SinkKind::Http => self.http(path).map(Sink::Http),
            SinkKind::File => self.section(path).map(Sink::File),
            SinkKind::Stdout => self.section(path).map(Sink::Stdout),
            SinkKind::Null => self.section(path).map(Sink::Null),
        }
    }

    fn tables(&mut self) -> Option<Vec<table::TableSection>> {
        self.repeated(layout::TABLES)
    }

    /// All of a section that can be repeated.
    fn repeated<T: DeserializeOwned>(&mut self, path: &str) -> Option<Vec<T>> {
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

    fn kafka(&mut self, path: &str, tables: Tables) -> Option<KafkaOptions> {
        let tls = self.optional_section("sink.kafka.tls");
        let sasl = self.optional_section("sink.kafka.sasl");
        let options =
            KafkaOptions { own_names: tables.own_names(), tls: tls?, sasl: sasl?, ..self.section(path)? };
        self.accept(path, options.check())?;
        Some(options)
    }

    fn nats(&mut self, path: &str, tables: Tables) -> Option<NatsOptions> {
        let tls = self.optional_section("sink.nats.tls");
        let options = NatsOptions { own_names: tables.own_names(), tls: tls?, ..self.section(path)? };
        self.accept(path, options.check())?;
        Some(options)
    }

    fn http(&mut self, path: &str) -> Option<HttpOptions> {
        let tls = self.optional_section("sink.http.tls");
        let options = HttpOptions { tls: tls?, ..self.section(path)? };
        self.accept(path, options.check())?;
        Some(options)
    }

    /// None if it is wrong, and otherwise the section if it is there.
    fn optional_section<T: DeserializeOwned>(&mut self, path: &str) -> Option<Option<T>> {
        match self.document.section_at(path) {
            Some(_) => self.section(path).map(Some),
            None => Some(None),
        }
    }

    /// Notes what a sink says of its options as a whole.
    fn accept(&mut self, path: &str, checked: Result<(), sinks::Error>) -> Option<()> {
        let at = self.document.section_at(path);
        let faults = &mut self.faults;
        checked.map_err(|error| faults.push(Fault::value(error.to_string(), at))).ok()
    }

    fn checkpoint(&mut self, sink: Option<&Sink>) -> Option<CheckpointStore> {
        let section: checkpoint::Checkpoint = self.section("checkpoint")?;
        if section.store == CheckpointStore::Sink
            && matches!(sink?, Sink::Http(_) | Sink::File(_) | Sink::Stdout(_) | Sink::Null(_))
        {
            let message = "`checkpoint.store`: \"sink\" needs a sink that keeps it: Kafka or NATS".to_owned();
            let table = self.document.table("checkpoint");
            let at = table.and_then(|table| table.get("store")).map(|entry| &entry.value_at);
            self.faults.push(Fault::value(message, at));
            return None;
        }
        Some(section.store)
    }

    fn format(&mut self) -> Option<Format> {
        let json = self.section("format.json");
        let debezium = self.section("format.debezium");
        let keys: Option<format::Keys> = self.section("format");
        Some(Format { kind: keys?.kind, json: json?, debezium: debezium? })
    }

    /// What a database without a log does not go together with.
    fn check_odbc(
        &mut self,
        source: Option<&Source>,
        checkpoint: Option<CheckpointStore>,
        format: Option<&Format>,
    ) {
        if !matches!(source, Some(Source::Odbc(_))) {
            return;
        }
        if checkpoint == Some(CheckpointStore::Sink) {
            let message = "`checkpoint.store`: what is known of polled rows is kept in a file".to_owned();
            let at = self.document.section_at("checkpoint");
            self.faults.push(
                Fault::value(message, at).with_help("leave it out, and keep pipeline.state_dir on a volume"),
            );
        }
        if format.is_some_and(Format::is_debezium) {
            let message =
                "`format.kind`: no connector of Debezium's polls, so none has messages like these".to_owned();
            let at = self.document.section_at("format");
            self.faults.push(Fault::value(message, at).with_help("use \"json\" or \"protobuf\""));
        }
    }

    fn admin(&mut self) -> Option<Admin> {
        let tls = match self.document.section_at("admin.tls") {
            Some(_) => Some(self.section("admin.tls")?),
            None => None,
        };
        Some(Admin { tls, ..self.section("admin")? })
    }

    /// The one section that is there, of those that can be.
    fn one_of(&mut self, what: &str, paths: &[&'static str]) -> Option<&'static str> {
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

    fn refuse_secrets_in_file(&mut self, path: &str) {
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

    fn section<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
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
}

fn explain(path: &str, table: &Table, section_at: Option<&Origin>, fault: SectionFault) -> Fault {
    match fault {
        SectionFault::Value { key, message } => {
            let entry = table.get(&key);
            let (must, example) = wanted(&message);
            // What serde says repeats the value, which here may be a secret.
            let message = match (secret::is_secret_key(&key) || key.ends_with("url"), must) {
                (true, _) => format!("`{path}.{key}` must be a text"),
                (false, Some(must)) => format!("`{path}.{key}` must be {must}"),
                (false, None) => {
                    format!("`{path}.{key}`: {}", message.replacen("unknown variant", "unknown value", 1))
                }
            };
            let fault = Fault::value(message, entry.map(|entry| &entry.value_at));
            match example {
                Some(example) => fault.with_help(format!("write it as {example}")),
                None => fault,
            }
        }
        SectionFault::Missing { key } => {
            let help = format!(
                "add `{key} = {}` to [{path}], or set {}",
                example(path, key),
                layout::variable_of(path, key)
            );
            Fault::missing(format!("[{path}] needs `{key}`"), section_at, help)
        }
        SectionFault::Whole { message } => Fault::value(format!("[{path}]: {message}"), section_at),
    }
}

/// What serde expected in place of a wrong type, in the file's words, and how that is written.
fn wanted(message: &str) -> (Option<&str>, Option<&'static str>) {
    let Some((_, expected)) =
        message.strip_prefix("invalid ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return (None, None);
    };
    match expected {
        "a sequence" => (Some("a list"), Some("[\"a\", \"b\"]")),
        "a map" => (Some("a table"), Some("{ key = \"value\" }")),
        "a string" | "string only" => (Some("a text"), Some("\"text\"")),
        "a boolean" => (Some("true or false"), None),
        "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero i32" => {
            (Some("a whole number, at least 1"), None)
        }
        "u8" | "u16" | "u32" | "u64" | "i64" => (Some("a whole number"), None),
        other => (Some(other), None),
    }
}

/// What a key without a default may look like.
fn example(path: &str, key: &str) -> &'static str {
    match key {
        "name" => "\"shop\"",
        "url" if path == "sink.http" => "\"https://crm.example/changes\"",
        "url" => "\"postgres://cdc@127.0.0.1:5432/shop\"",
        "brokers" => "[\"127.0.0.1:9092\"]",
        "servers" => "[\"nats://127.0.0.1:4222\"]",
        "mechanism" => "\"SCRAM-SHA-512\"",
        "path" => "\"/var/lib/cdc/events\"",
        _ => "…",
    }
}

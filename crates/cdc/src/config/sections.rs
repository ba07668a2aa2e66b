//! Which section becomes what, and what does not go together.

use sinks::{HttpOptions, KafkaOptions, NatsOptions};

use super::error::Fault;
use super::odbc::ResourceSection;
use super::reader::Reader;
use super::{Admin, CheckpointStore, Config, Format, Odbc, Sink, SinkKind, Source, Tables};
use super::{checkpoint, format, layout, table};

impl Reader {
    pub(super) fn config(mut self) -> (Option<Config>, Vec<Fault>) {
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

    pub(super) fn sink(&mut self, tables: Tables) -> Option<Sink> {
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

    pub(super) fn tables(&mut self) -> Option<Vec<table::TableSection>> {
        self.repeated(layout::TABLES)
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
}

use std::path::PathBuf;

use toml::Value;

use crate::config::PipelineName;

/// What a first configuration says.
pub(super) struct Draft {
    pub(super) name: PipelineName,
    /// Without a password.
    pub(super) url: String,
    pub(super) password_file: Option<PathBuf>,
    pub(super) source: SourceDraft,
    pub(super) tables: Vec<String>,
    pub(super) exclude_tables: Vec<String>,
    pub(super) sink: SinkDraft,
    pub(super) state_dir: String,
}

/// Where changes come from.
pub(super) enum SourceDraft {
    /// The slot: one that is adopted.
    Postgres {
        slot: Option<String>,
        publication: Option<String>,
    },
    Mysql,
}

/// Where events go.
pub(super) enum SinkDraft {
    Kafka(Vec<String>),
    Nats(Vec<String>),
    Http(String),
    File(PathBuf),
    Stdout,
    Null,
}

impl Draft {
    /// As a file with comments.
    pub(super) fn text(&self) -> String {
        let kind = self.source.kind();
        let variable = format!("CDC__SOURCE__{}__PASSWORD", kind.to_ascii_uppercase());
        let password_file = match &self.password_file {
            Some(file) => format!("password_file = {}", quote(&file.display().to_string())),
            None => format!("# password_file = \"/run/secrets/{kind}\"     # read at every connection"),
        };
        let own = match &self.source {
            SourceDraft::Postgres { slot, publication } => {
                let name = self.name.slot();
                let slot = named("slot", slot.as_deref(), &name);
                format!("{slot}\n{}\n", named("publication", publication.as_deref(), &name))
            }
            SourceDraft::Mysql => "# server_id = 4000000001     # default: one that is free\n".to_owned(),
        };
        let exclude_tables = match self.exclude_tables.as_slice() {
            [] => "# exclude_tables = [\"public.audit_*\"]".to_owned(),
            names => format!("exclude_tables = {}", list(names)),
        };
        format!(
            "# Written by cdc init. Every key is explained in docs/configuration.md; `cdc check` says what is missing.\n\
             # `cdc config schema > cdc.schema.json` and a first line `#:schema ./cdc.schema.json` let editors complete it.\n\
             \n\
             [pipeline]\n\
             # Names the source in every event. Another name is another pipeline, which starts from nothing.\n\
             name = {name}\n\
             # Holds the checkpoint: it must survive restarts.\n\
             state_dir = {state_dir}\n\
             \n\
             [source.{kind}]\n\
             # A password does not belong in here: it comes from a file, or from {variable}.\n\
             url = {url}\n\
             {password_file}\n\
             {own}\
             tables = {tables}\n\
             {exclude_tables}\n\
             \n\
             # What is sent of single tables; the first match counts.\n\
             # [[table]]\n\
             # match = \"public.customers\"\n\
             # exclude_columns = [\"card_number\"]\n\
             # mask = {{ email = \"sha256\" }}\n\
             \n\
             {sink}\n\
             \n\
             [format]\n\
             # \"protobuf\" (docs/envelope.md), \"json\" or \"debezium-json\"\n\
             kind = \"{format}\"\n\
             \n\
             # The live page, /health, /ready, /metrics and /status.\n\
             # [admin]\n\
             # listen = \"127.0.0.1:8088\"\n",
            name = quote(self.name.as_str()),
            state_dir = quote(&self.state_dir),
            url = quote(&self.url),
            tables = list(&self.tables),
            sink = self.sink.text(),
            format = self.sink.format(),
        )
    }
}

impl SourceDraft {
    /// As its section is called.
    fn kind(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

impl SinkDraft {
    fn text(&self) -> String {
        match self {
            Self::Kafka(brokers) => format!(
                "[sink.kafka]\nbrokers = {}\n# topic = \"{{source}}.{{schema}}.{{table}}\"\n\
                 # [sink.kafka.tls]      the section alone asks for TLS\n\
                 # [sink.kafka.sasl]     mechanism, username, password_file",
                list(brokers)
            ),
            Self::Nats(servers) => format!(
                "[sink.nats]\nservers = {}\n# subject = \"cdc.{{source}}.{{schema}}.{{table}}\"\n\
                 # credentials_file = \"/run/secrets/nats.creds\"",
                list(servers)
            ),
            Self::Http(url) => format!(
                "[sink.http]\nurl = {}\n# token_file = \"/run/secrets/receiver\"\n\
                 # takes what the receiver refuses for good; without it the pipeline stops there\n\
                 # dead_letter = \"/var/lib/cdc/refused.ndjson\"",
                quote(url)
            ),
            Self::File(path) => {
                format!("[sink.file]\npath = {}\n# rotate_mb = 100", quote(&path.display().to_string()))
            }
            Self::Stdout => "[sink.stdout]".to_owned(),
            Self::Null => "[sink.null]".to_owned(),
        }
    }

    /// Between programs the envelope; for eyes and web servers JSON.
    fn format(&self) -> &'static str {
        match self {
            Self::Kafka(_) | Self::Nats(_) | Self::Null => "protobuf",
            Self::Http(_) | Self::File(_) | Self::Stdout => "json",
        }
    }
}

fn named(key: &str, name: Option<&str>, default: &str) -> String {
    match name {
        Some(name) => format!("{key} = {}", quote(name)),
        None => format!("# {key} = {}", quote(default)),
    }
}

fn quote(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    Value::Array(texts.iter().cloned().map(Value::String).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Overrides};

    #[test]
    fn whatever_is_answered_is_read_as_it_was_meant() {
        let odd = "odd \"name\"\\ with ü, ' and \n".to_owned();
        let sinks = [
            SinkDraft::Kafka(vec!["a:1".to_owned(), "b:2".to_owned()]),
            SinkDraft::Nats(vec!["nats://a:1".to_owned()]),
            SinkDraft::Http("https://crm.example/changes".to_owned()),
            SinkDraft::File(PathBuf::from(&odd)),
            SinkDraft::Stdout,
            SinkDraft::Null,
        ];
        for sink in sinks {
            let draft = Draft {
                name: "shop".to_owned().try_into().unwrap(),
                url: "postgres://cdc@h/shop".to_owned(),
                password_file: Some(PathBuf::from(&odd)),
                source: SourceDraft::Postgres {
                    slot: Some("debezium".to_owned()),
                    publication: Some(odd.clone()),
                },
                tables: vec!["public.*".to_owned(), "\"Odd \"\"one\".\"x.y\"".to_owned()],
                exclude_tables: vec!["public.\"*\"".to_owned()],
                sink,
                state_dir: odd.clone(),
            };
            let text = draft.text();
            let config = Config::parse(Path::new("f"), &text, &Overrides::default())
                .unwrap_or_else(|error| panic!("{error:?}\n{text}"));
            let source = config.postgres("this").unwrap();
            assert_eq!(config.pipeline.state_dir, Path::new(&odd));
            assert_eq!(source.publication(&config.pipeline.name), odd);
            assert!(source.wants("Odd \"one", "x.y") && !source.wants("public", "*"));
        }
    }
}

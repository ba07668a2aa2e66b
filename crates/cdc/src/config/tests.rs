//! Golden files: `tests/*.golden` hold a configuration (after lines `$ VARIABLE=value` for the environment) and, below
//! a line of dashes, what a person is told. `CDC_UPDATE_GOLDEN=1 cargo test` writes them anew: read the difference.

use std::path::{Path, PathBuf};

use super::layout::{sections, variable_of};
use super::*;
use crate::diagnostics::Colour;

const RULE: &str = "--------------------------------------------------\n";

#[test]
fn what_is_wrong_is_told_as_in_the_golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the golden files are gone");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (input, expected) = text.split_once(RULE).unwrap_or((&text, ""));
        let (variables, config): (Vec<&str>, Vec<&str>) =
            input.split_inclusive('\n').partition(|line| line.starts_with("$ "));
        let variables = variables
            .iter()
            .filter_map(|line| line.trim_start_matches("$ ").trim_end().split_once('='))
            .map(|(variable, value)| (variable.to_owned(), value.to_owned()))
            .collect();
        let overrides = Overrides { variables, ..Overrides::default() };
        let told = match Config::parse(Path::new("cdc.toml"), &config.concat(), &overrides) {
            Ok(_) => "fine\n".to_owned(),
            Err(error) => error.render(Colour::No),
        };
        let told: String = told.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert!(!told.contains("hunter2"), "a secret is shown: {told}");
        if std::env::var_os("CDC_UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, format!("{input}{RULE}{told}")).unwrap();
        } else {
            assert_eq!(told, expected, "{}", file.display());
        }
    }
}

const SMALL: &str =
    "[pipeline]\nname = \"shop\"\n[source.postgres]\nurl = \"postgres://cdc@h/shop\"\n[sink.null]\n";

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(Path::new("cdc.toml"), text, &Overrides { variables, ..Overrides::default() })
}

#[test]
fn three_sections_are_enough() {
    let config = parse(SMALL, &[]).unwrap();
    let source = config.postgres("a test").unwrap();
    assert_eq!(source.slot(&config.pipeline.name), "cdc_shop");
    assert_eq!(source.publication(&config.pipeline.name), "cdc_shop");
    assert_eq!(config.pipeline.control_socket(), Path::new("/var/lib/cdc/shop/control.sock"));
    assert_eq!(config.pipeline.buffer_mb.bytes(), 16 << 20);
    assert_eq!((config.load.mode, config.load.workers.count()), (LoadMode::Initial, 2));
    assert!(matches!(config.format.encoding("shop"), event::Format::Protobuf));
    assert!(matches!(config.sink, Sink::Null(_)));
    assert_eq!(config.admin.listen.map(|listen| listen.0), None);
}

#[test]
fn the_contract_s_file_is_read() {
    let config = parse(
        r#"
        [pipeline]
        name = "shop"
        state_dir = "/var/lib/cdc"
        [source.postgres]
        url = "postgres://cdc@127.0.0.1:5432/shop?sslmode=verify-full"
        password_file = "/run/secrets/pg"
        slot = "cdc_shop"
        publication = "cdc_shop"
        tables = ["public.*"]
        exclude_tables = ["public.audit_*"]
        drop_origins = ["cdc:branch-7"]
        [load]
        mode = "initial"
        workers = 2
        [sink.kafka]
        brokers = ["127.0.0.1:9092"]
        topic = "{source}.{schema}.{table}"
        create_topics = true
        [checkpoint]
        store = "file"
        [format]
        kind = "debezium-json"
        [format.json]
        bigint = "number"
        [format.debezium]
        decimal = "precise"
        before = "key"
        [admin]
        listen = "127.0.0.1:8088"
        "#,
        &[],
    )
    .unwrap();
    assert!(matches!(config.sink, Sink::Kafka(_)));
    let event::Format::DebeziumJson(options) = config.format.encoding("shop") else { panic!() };
    assert!(options.before_key && options.tombstones && options.database == "shop");
    assert_eq!(options.decimal, event::DebeziumDecimals::Precise);
    assert_eq!(config.admin.listen.unwrap().0.port(), 8088);
}

#[test]
fn the_environment_counts_more_than_the_file() {
    let config = parse(
        SMALL,
        &[
            ("CDC__SOURCE__POSTGRES__URL", "postgres://other@h/shop"),
            ("CDC__SOURCE__POSTGRES__PASSWORD", "12345"),
            ("CDC__SOURCE__POSTGRES__TABLES", "[\"a.*\", \"b.*\"]"),
            ("CDC__PIPELINE__NAME", "2024"),
            ("CDC__LOAD__WORKERS", "7"),
            ("CDC__FORMAT__DEBEZIUM__TOMBSTONES", "false"),
            ("CDC__ADMIN__LISTEN", "127.0.0.1:1"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    let source = config.postgres("a test").unwrap();
    assert_eq!(source.url.expose(), "postgres://other@h/shop");
    assert_eq!(source.password.as_ref().unwrap().expose(), "12345");
    assert!(source.wants("b", "x") && !source.wants("public", "x"));
    assert_eq!(config.pipeline.name.as_str(), "2024");
    assert_eq!(config.load.workers.count(), 7);
    assert!(!config.format.debezium.tombstones);
    assert_eq!(config.admin.listen.unwrap().0.port(), 1);
}

#[test]
fn every_key_has_a_variable_that_sets_it() {
    for section in sections() {
        for key in section.keys {
            let variable = variable_of(section.path, key);
            let error = parse("", &[(&variable, "x")]).unwrap_err().to_string();
            assert!(!error.contains("no key is called"), "{variable}: {error}");
        }
    }
}

#[test]
fn flags_count_more_than_the_environment() {
    let overrides = Overrides {
        variables: vec![("CDC__PIPELINE__STATE_DIR".to_owned(), "/a".to_owned())],
        source_url: Some("postgres://flag@h/shop".into()),
        sink: Some(SinkKind::Stdout),
        state_dir: Some("/b".to_owned()),
    };
    let config = Config::parse(Path::new("cdc.toml"), SMALL, &overrides).unwrap();
    assert_eq!(config.pipeline.state_dir, Path::new("/b"));
    assert!(matches!(config.sink, Sink::Stdout(_)));
    let source = config.postgres("a test").unwrap();
    assert_eq!(source.url.expose(), "postgres://flag@h/shop");
}

#[test]
fn without_a_file_the_environment_will_do() {
    let mut overrides = Overrides { sink: Some(SinkKind::Null), ..Overrides::default() };
    for (variable, value) in
        [("CDC__PIPELINE__NAME", "shop"), ("CDC__SOURCE__POSTGRES__URL", "postgres://h/d")]
    {
        overrides.variables.push((variable.to_owned(), value.to_owned()));
    }
    let nowhere = Path::new("/nowhere/cdc.toml");
    Config::load(nowhere, false, &overrides).unwrap();
    let error = Config::load(nowhere, true, &overrides).unwrap_err();
    assert!(error.to_string().contains("can't read the configuration /nowhere/cdc.toml"), "{error}");
}

#[test]
fn nothing_that_is_shown_holds_a_secret() {
    let text = r#"
        [pipeline]
        name = "shop"
        [source.postgres]
        url = "postgres://cdc:hunter2@h/shop?password=hunter2"
        [sink.kafka]
        brokers = ["kafka://u:hunter2@127.0.0.1:9092"]
        [sink.kafka.properties]
        "sasl.password" = "hunter2"
        "ssl.key.password" = "hunter2"
        "sasl.username" = "cdc"
    "#;
    let variables = [("CDC__SOURCE__POSTGRES__PASSWORD", "hunter2")];
    let config = parse(text, &variables).unwrap();
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2"), "{debug}");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let shown = Config::show(file.path(), true, &Overrides { variables, ..Overrides::default() }).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("url = \"postgres://cdc:***@h/shop?password=***\""), "{shown}");
    assert!(
        shown.contains("password = \"***\"  # from the environment variable CDC__SOURCE__POSTGRES__PASSWORD"),
        "{shown}"
    );
}

#[test]
fn every_key_is_documented_and_nothing_else() {
    let text = include_str!("../../../../docs/configuration.md");
    let mut documented: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("### `[").and_then(|rest| rest.strip_suffix("]`")) {
            documented.push((path.trim_matches(['[', ']']).to_owned(), Vec::new()));
        } else if line.starts_with("## ") {
            documented.push((String::new(), Vec::new()));
        } else if let Some((key, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'))
            && let Some((_, keys)) = documented.last_mut()
        {
            keys.push(key.to_owned());
        }
    }
    documented.retain(|(path, _)| !path.is_empty());
    let mut known: Vec<(String, Vec<String>)> = sections()
        .iter()
        .map(|section| (section.path.to_owned(), section.keys.iter().map(ToString::to_string).collect()))
        .collect();
    for (_, keys) in documented.iter_mut().chain(&mut known) {
        keys.sort();
    }
    documented.sort();
    known.sort();
    assert_eq!(documented, known);
}

#[test]
fn the_documentation_s_example_is_read() {
    let text = include_str!("../../../../docs/configuration.md");
    let example = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    parse(example, &[]).unwrap();
}

#[test]
fn what_is_repeated_is_shown_where_it_was_written() {
    let config = parse(
        "[pipeline]\nname = \"crm\"\n[source.odbc]\nconnection_string = \"DSN=crm\"\n\
         [[source.odbc.resource]]\ntable = \"a\"\n[[source.odbc.resource]]\ntable = \"b\"\n[sink.null]\n",
        &[],
    )
    .unwrap();
    assert_eq!(config.shown.matches("[[source.odbc.resource]]\ntable = ").count(), 2, "{}", config.shown);
    assert!(parse(&config.shown, &[]).is_ok(), "{}", config.shown);
}

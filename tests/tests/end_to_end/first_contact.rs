//! From nothing to a pipeline: a first configuration by flags and by questions, and slots of other programs taken over.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use end_to_end::connector::binary;
use end_to_end::servers::unique;
use serde_json::Value;

use crate::least::Role;
use crate::setup::{Setup, assert_done, assert_says, shared_postgres};

#[test]
fn by_flags_with_what_the_administrator_must_do() {
    let mut setup = Setup::new("init");
    setup.session.execute("CREATE TABLE notes (note text)");
    let database = setup.session.value("SELECT current_database()").unwrap();
    setup.role = Role::that_reads(&setup.session, &database);
    setup.url = setup.role.url(&shared_postgres().url(&database));
    let with_password = setup.url.replace('@', ":swordfish@");
    let flags = Flags::of(&setup, &with_password);

    let refused = flags.run(&setup, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert_says(&text(&refused), &["CDC-CLI-010", "cdc.toml", "--force"]);

    let done = flags.run(&setup, &["--force"]);
    assert_eq!(done.status.code(), Some(3), "{}", text(&done));
    let said = text(&done);
    let publication = setup.cdc.slot();
    let sql = format!("CREATE PUBLICATION \"{publication}\" FOR TABLE ONLY \"public\".\"orders\";");
    assert_says(
        &said,
        &["public.orders", "primary key", "public.notes", "NO replica identity", "CDC-PG-021"],
    );
    assert_eq!(said.lines().filter(|line| *line == sql).count(), 2, "{said}");
    let written = fs::read_to_string(setup.cdc.config_file()).unwrap();
    assert_says(&written, &["tables = [\"public.*\"]", "exclude_tables = [\"public.notes\"]"]);
    assert!(!written.contains("swordfish") && !said.contains("swordfish"), "{written}\n{said}");

    setup.session.execute(&sql);
    assert_says(&assert_done(&setup.cdc.run(&["check"])), &["nothing keeps this pipeline from running"]);
    let told: Value = serde_json::from_str(&assert_done(&setup.cdc.run(&["check", "--json"]))).unwrap();
    assert!(
        told["findings"].as_array().unwrap().iter().all(|found| found["severity"] == "warning"),
        "{told}"
    );
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let reads = events(&setup.events_file()).iter().filter(|event| event["op"] == "read").count();
    assert_eq!(reads, 100);
}

#[test]
fn what_is_missing_is_named() {
    let setup = Setup::new("missing");
    let output = setup.cdc.folder().join("other.toml");
    let init = |flags: &[&str]| {
        let flags = [&["init", "--output", output.to_str().unwrap()], flags].concat();
        setup.cdc.run(&flags)
    };
    for (flags, flag) in [
        (vec![], "--url"),
        (vec!["--url", setup.url.as_str()], "--sink"),
        (vec!["--url", setup.url.as_str(), "--sink", "kafka"], "--brokers"),
        (vec!["--url", setup.url.as_str(), "--sink", "nats"], "--servers"),
        (vec!["--url", setup.url.as_str(), "--sink", "file"], "--path"),
    ] {
        let refused = init(&flags);
        assert_eq!(refused.status.code(), Some(2), "{flags:?}: {}", text(&refused));
        assert_says(&text(&refused), &["CDC-CLI-009", flag]);
    }
    // A role that is not there: what a superuser runs.
    let nobody = setup.url.replace(&setup.role.name, "nobody-yet");
    let refused = init(&["--url", &nobody, "--sink", "stdout"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert_says(&text(&refused), &["CDC-PG-005", "CREATE ROLE \"nobody-yet\" LOGIN REPLICATION PASSWORD"]);
    assert!(!output.exists());
}

#[test]
fn by_questions_on_a_terminal() {
    let setup = Setup::new("asked");
    fs::remove_file(setup.cdc.config_file()).unwrap();
    let folder = setup.cdc.folder();
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{} init", binary().display()))
        .arg("/dev/null")
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let answers =
        ["nonsense", &setup.url, "", "a b", "asked", "", "file", "events.ndjson", "state"].join("\n");
    // Kept open: a terminal that ends would end the program.
    let mut input = terminal.stdin.take().unwrap();
    writeln!(input, "{answers}").unwrap();
    let done = terminal.wait_with_output().unwrap();
    drop(input);
    let said = text(&done);
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert_says(
        &said,
        &["can't name a pipeline", "public.orders", "which tables [public.*]", "nothing keeps"],
    );
    let written = fs::read_to_string(setup.cdc.config_file()).unwrap();
    assert_says(&written, &["name = \"asked\"", "path = \"events.ndjson\"", "tables = [\"public.*\"]"]);
}

/// As Debezium leaves them: a slot of pgoutput, and a publication of all tables.
#[test]
fn a_slot_is_adopted_where_it_stands_and_nothing_is_loaded() {
    let mut setup = Setup::new("adopt");
    let slot = unique("debezium").replace('-', "_");
    setup.session.execute("CREATE PUBLICATION dbz_publication FOR ALL TABLES");
    setup.session.execute(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"));
    setup.session.execute("INSERT INTO orders VALUES (1001, 'confirmed by the other')");
    setup.session.execute(&format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())"));
    setup.session.execute("INSERT INTO orders VALUES (1002, 'not yet'), (1003, 'not yet')");
    setup.session.execute("UPDATE orders SET note = 'changed' WHERE id = 1001");

    let flags = Flags::of(&setup, &setup.url);
    let done = flags.run(&setup, &["--force", "--adopt-slot", &slot]);
    assert_says(&assert_done(&done), &["adopted slot", &slot, "without a load", "nothing keeps"]);
    let written = fs::read_to_string(setup.cdc.config_file()).unwrap();
    assert_says(&written, &[&format!("slot = \"{slot}\""), "publication = \"dbz_publication\""]);

    setup.start_streaming();
    setup.session.execute("INSERT INTO orders VALUES (1004, 'new')");
    let file = setup.events_file();
    setup.cdc.wait_until("an event arrives", || !events(&file).is_empty());
    // While it holds the slot, nobody else can have it.
    let other = ["--force", "--name", "other", "--output", "other.toml", "--adopt-slot", &slot];
    assert_refused(&flags.run(&setup, &other), &["CDC-PG-041", &slot, &setup.role.name]);
    setup.cdc.kill();
    setup.session.execute("DELETE FROM orders WHERE id = 1002");
    setup.start_streaming();
    let end = setup.session.value("SELECT pg_current_wal_insert_lsn()").unwrap();
    setup.session.execute("SELECT pg_logical_emit_message(true, 'test', 'the end')");
    let released =
        format!("SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{slot}'");
    setup.cdc.wait_until("it is let go of", || setup.session.value(&released).as_deref() == Some("t"));
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    let rows: BTreeSet<(u64, String, i64)> = events(&file)
        .iter()
        .filter(|event| event["table_seq"].is_u64() && event["key"].is_object())
        .map(|event| {
            let op = event["op"].as_str().unwrap().to_owned();
            (event["table_seq"].as_u64().unwrap(), op, event["key"]["id"].as_i64().unwrap())
        })
        .collect();
    let expected = [
        (1, "insert", 1002),
        (2, "insert", 1003),
        (3, "update", 1001),
        (4, "insert", 1004),
        (5, "delete", 1002),
    ];
    assert_eq!(
        rows,
        expected.map(|(number, op, id)| (number, op.to_owned(), id)).into(),
        "{}",
        setup.cdc.log_text()
    );
    let kinds: BTreeSet<String> =
        events(&file).iter().map(|event| event["op"].as_str().unwrap().to_owned()).collect();
    assert!(!kinds.contains("read") && !kinds.contains("load_begin"), "{kinds:?}");

    // What is begun is not adopted again, and not what is not there or not ours to read.
    assert_refused(&flags.run(&setup, &["--force", "--adopt-slot", &slot]), &["CDC-RUN-004", "checkpoint"]);
    let other = ["--force", "--name", "other", "--output", "other.toml", "--adopt-slot"];
    let adopt = |slot: &str| flags.run(&setup, &[&other[..], &[slot]].concat());
    assert_refused(&adopt("nowhere"), &["CDC-RUN-005", "nowhere", &slot]);
    let foreign = unique("foreign").replace('-', "_");
    setup
        .session
        .execute(&format!("SELECT pg_create_logical_replication_slot('{foreign}', 'test_decoding')"));
    assert_refused(&adopt(&foreign), &["CDC-PG-025", "test_decoding"]);
    for slot in [slot, foreign] {
        setup.session.execute(&format!("SELECT pg_drop_replication_slot('{slot}')"));
    }
}

/// What `cdc init` is told here.
struct Flags(Vec<String>);

impl Flags {
    fn of(setup: &Setup, url: &str) -> Self {
        let database = setup.session.value("SELECT current_database()").unwrap();
        let state_dir = setup.cdc.state_folder().parent().unwrap().display().to_string();
        let path = setup.events_file().display().to_string();
        let flags = ["init", "--url", url, "--state-dir", &state_dir, "--sink", "file", "--path", &path];
        Self(flags.into_iter().chain(["--name", &database]).map(str::to_owned).collect())
    }

    fn run(&self, setup: &Setup, more: &[&str]) -> Output {
        // The later of two counts.
        let skipped = if more.contains(&"--name") { 2 } else { 0 };
        let own = self.0[..self.0.len() - skipped].iter().map(String::as_str);
        setup.cdc.run(&own.chain(more.iter().copied()).collect::<Vec<_>>())
    }
}

fn assert_refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    assert_says(&text(output), words);
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What is in the file by now, without a last line that is still being written.
fn events(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

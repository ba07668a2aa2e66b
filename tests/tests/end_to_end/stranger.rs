//! Wrong input is refused with a code and the remedy, and once it is mended nothing is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::connector::Connector;
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Kafka, Postgres};
use end_to_end::session::Session;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::setup::{Setup, shared_postgres};

#[test]
fn a_wrong_password() {
    let postgres = Postgres::start(15);
    let mut setup = Setup::on(&postgres, "password");
    let role = setup.role.name.clone();
    setup.session.execute(&format!("ALTER ROLE \"{role}\" PASSWORD 'swordfish'"));
    postgres.write_file(
        "pg_hba.conf",
        &format!("host all \"{role}\" 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"),
    );
    setup.session.execute("SELECT pg_reload_conf()");
    let file = setup.cdc.folder().join("password");
    setup.configure(&format!("password_file = \"{}\"", file.display()), &setup.file_sink());
    setup.assert_refused(1, &["CDC-PG-002", "password"]);
    fs::write(&file, "sailfish\n").unwrap();
    setup.assert_refused(1, &["CDC-PG-005", "password authentication failed", &role]);
    fs::write(&file, "swordfish\n").unwrap();
    setup.assert_works();
    assert!(!setup.cdc.log_text().contains("fish"), "{}", setup.cdc.log_text());
}

#[test]
fn an_unknown_database() {
    let mut setup = Setup::new("unknown");
    let known = setup.session.value("SELECT current_database()").unwrap();
    setup.url = setup.url.replace(&known, "nowhere");
    setup.configure("", &setup.file_sink());
    setup.assert_refused(1, &["CDC-PG-005", "\"nowhere\" does not exist"]);
    setup.url = setup.url.replace("nowhere", &known);
    setup.configure("", &setup.file_sink());
    setup.assert_works();
}

#[test]
fn no_table_matches() {
    let mut setup = Setup::new("no-tables");
    setup.configure("tables = [\"shop.*\"]", &setup.file_sink());
    setup.assert_refused(1, &["CDC-PG-032", "public.orders", "tables"]);
    setup.configure("tables = [\"public.*\"]", &setup.file_sink());
    setup.assert_works();
}

#[test]
fn a_table_without_replica_identity() {
    let mut setup = Setup::new("no-identity");
    setup.session.execute("CREATE TABLE notes (note text)");
    setup.assert_refused(1, &["CDC-PG-031", "ALTER TABLE \"public\".\"notes\" REPLICA IDENTITY FULL"]);
    setup.session.execute("ALTER TABLE notes REPLICA IDENTITY FULL; INSERT INTO notes VALUES ('one')");
    setup.assert_works();
}

#[test]
fn a_slot_that_somebody_dropped() {
    let mut setup = Setup::new("dropped");
    setup.assert_works();
    let slot = setup.cdc.slot();
    setup.session.execute(&format!("SELECT pg_drop_replication_slot('{slot}')"));
    // What is deleted now is in no log: the reload has to tell.
    setup.write_some();
    setup.assert_refused(1, &["CDC-PG-024", &slot, "cdc snapshot --new-epoch"]);
    begin_anew(&mut setup);
}

#[test]
fn a_slot_that_somebody_moved_on() {
    let mut setup = Setup::new("ahead");
    setup.assert_works();
    let slot = setup.cdc.slot();
    setup.write_some();
    setup.session.execute(&format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())"));
    setup.assert_refused(1, &["CDC-PG-026", &slot, "public.orders", "cdc snapshot --new-epoch"]);
    begin_anew(&mut setup);
}

#[test]
fn a_slot_without_a_checkpoint() {
    let mut setup = Setup::new("no-checkpoint");
    setup.assert_works();
    let slot = setup.cdc.slot();
    fs::remove_file(setup.cdc.state_folder().join("checkpoint")).unwrap();
    setup.write_some();
    setup.assert_refused(1, &["CDC-PG-027", &slot]);
    // Without the checkpoint, a new epoch is new by the clock, which counts seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    begin_anew(&mut setup);
}

#[test]
fn a_torn_checkpoint() {
    let mut setup = Setup::new("torn");
    setup.assert_works();
    let path = setup.cdc.state_folder().join("checkpoint");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    setup.write_some();
    setup.assert_refused(
        1,
        &["CDC-CKPT-003", &path.display().to_string(), "backup", "cdc snapshot --new-epoch"],
    );
    assert_eq!(fs::read(&path).unwrap().len(), whole.len() / 2, "it is left as it is");
    fs::write(&path, &whole).unwrap();
    setup.assert_works();

    fs::write(&path, "").unwrap();
    setup.assert_refused(1, &["CDC-CKPT-003", "empty"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    begin_anew(&mut setup);
}

#[test]
fn a_second_instance() {
    let mut setup = Setup::new("second");
    setup.start_streaming();
    let second = setup.cdc.run(&["run"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("CDC-CKPT-002") && said.contains("another cdc process"), "{said}");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0));
    setup.assert_nothing_lost();
}

#[test]
fn a_full_disk_below_the_file() {
    let mut setup = Setup::new("full-file");
    let disk = SmallDisk::mount(setup.cdc.folder().join("disk"), "400k");
    let path = disk.path.join("events");
    setup.configure("", &format!("[sink.file]\npath = \"{}\"", path.display()));
    setup.start_streaming();
    setup.session.execute("INSERT INTO orders SELECT g, repeat('x', 200) FROM generate_series(1001, 9000) g");
    setup.cdc.wait_for_log("CDC-SINK-011");
    assert!(setup.cdc.log_text().contains("free space"), "{}", setup.cdc.log_text());
    disk.resize("40m");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_file(&path, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

#[test]
fn a_full_disk_below_the_state() {
    let mut setup = Setup::new("full-state");
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(folder.path().join("disk"), "64k");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let state_dir = disk.path.join("state");
    setup.cdc = Connector::with_state_dir(&name, "", folder, state_dir);
    setup.configure("", &setup.file_sink());
    setup.start_streaming();
    setup.catch_up();
    let slot = setup.cdc.slot();
    let confirmed =
        format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'");
    let fill =
        Command::new("dd").arg("if=/dev/zero").arg(format!("of={}/fill", disk.path.display())).output();
    assert!(!fill.unwrap().status.success(), "the disk is full now");
    let before = setup.session.value(&confirmed);
    setup.write_some();
    // Events go on; only nothing is let go of.
    setup.cdc.wait_for_log("CDC-CKPT-001");
    assert_eq!(setup.session.value(&confirmed), before, "what is not saved was let go of");
    fs::remove_file(disk.path.join("fill")).unwrap();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
    // Before what it is mounted in.
    drop(disk);
}

#[test]
fn a_topic_that_is_not_there() {
    let kafka = Kafka::shared();
    let mut setup = Setup::new("no-topic");
    let name = setup.session.value("SELECT current_database()").unwrap();
    setup.configure("", &format!("[sink.kafka]\nbrokers = [\"{}\"]\ncreate_topics = false", kafka.brokers()));
    setup.assert_refused(1, &["CDC-SINK-020", "kafka-topics.sh", "--create --topic", "create_topics = true"]);
    let topics = ["control", "schemas", "public.orders"].map(|topic| format!("{name}.{topic}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
        let topics = topics.each_ref().map(|topic| NewTopic::new(topic, 2, TopicReplication::Fixed(1)));
        for created in admin.create_topics(&topics, &AdminOptions::new()).await.unwrap() {
            created.unwrap();
        }
    });
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_kafka(&kafka.brokers(), &name, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

#[test]
fn a_server_that_writes_too_little_into_its_log() {
    let mut postgres = Postgres::with_settings(14, &[("wal_level", "replica")]);
    let mut setup = Setup::on(&postgres, "wal-level");
    setup.assert_refused(1, &["CDC-PG-020", "wal_level", "logical", "restart"]);
    setup.session.execute("ALTER SYSTEM SET wal_level = 'logical'");
    let database = setup.session.value("SELECT current_database()").unwrap();
    postgres.restart();
    setup.session = Session::open(&postgres, &database);
    setup.assert_works();
}

#[test]
fn a_misspelt_key() {
    let mut setup = Setup::new("misspelt");
    setup.configure("tabels = [\"public.*\"]", &setup.file_sink());
    setup.assert_refused(2, &["CDC-CONFIG-003", "tabels", "cdc.toml:", "`tables`"]);
    setup.configure("tables = [\"public.*\"]", &setup.file_sink());
    setup.assert_works();
    assert!(shared_postgres().port() > 0);
}

/// As the messages advise: a new slot, a new epoch, everything loaded again.
pub fn begin_anew(setup: &mut Setup) {
    let done = setup.cdc.run(&["snapshot", "--new-epoch"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let summary = setup.assert_works();
    assert!(summary.loads >= 2, "{summary:?}");
}

/// A file system in memory, of few bytes.
pub struct SmallDisk {
    pub path: PathBuf,
}

impl SmallDisk {
    pub fn mount(path: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&path).unwrap();
        administer(&["mount", "-t", "tmpfs", "-o", &format!("size={size},mode=777"), "tmpfs"], &path);
        Self { path }
    }

    pub fn resize(&self, size: &str) {
        administer(&["mount", "-o", &format!("remount,size={size}")], &self.path);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that still runs may hold a file.
        administer(&["umount", "--lazy"], &self.path);
    }
}

fn administer(command: &[&str], path: &Path) {
    let is_root = rustix::process::geteuid().is_root();
    let mut process = Command::new(if is_root { "env" } else { "sudo" });
    let output = process.args(command).arg(path).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What one sink has, another lacks.
#[test]
fn another_sink_under_the_same_name() {
    let mut setup = Setup::new("another-sink");
    setup.assert_works();
    let elsewhere = setup.cdc.folder().join("elsewhere");
    setup.configure("", &format!("[sink.file]\npath = \"{}\"", elsewhere.display()));
    setup.assert_refused(1, &["CDC-RUN-003", "events", "elsewhere", "cdc snapshot --new-epoch"]);
    setup.configure("", &setup.file_sink());
    setup.write_some();
    setup.assert_works();
}

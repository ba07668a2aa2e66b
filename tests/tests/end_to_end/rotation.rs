//! Passwords that are changed under a running program: it goes on without a restart once its file has the new one.

use std::fs;

use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Nats, Postgres, Stop};

use crate::least::{guarded_kafka, kafka_sink};
use crate::setup::Setup;

#[test]
fn the_database_s() {
    let postgres = Postgres::start(16);
    let mut setup = Setup::on(&postgres, "rotated");
    let role = setup.role.name.clone();
    let change = |setup: &Setup, password: &str| {
        setup.session.execute(&format!("ALTER ROLE \"{role}\" PASSWORD '{password}'"));
    };
    change(&setup, "first-swordfish");
    postgres.write_file(
        "pg_hba.conf",
        &format!("host all \"{role}\" 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"),
    );
    setup.session.execute("SELECT pg_reload_conf()");
    let file = setup.cdc.folder().join("password");
    fs::write(&file, "first-swordfish\n").unwrap();
    setup.configure(&format!("password_file = \"{}\"", file.display()), &setup.file_sink());
    setup.start_streaming();
    change(&setup, "second-swordfish");
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
    setup.session.execute(&end);
    go_on_with(&mut setup, &file, "CDC-PG-005");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

#[test]
fn nats_s() {
    let mut nats =
        Nats::with_settings(&[("authorization.user", "cdc"), ("authorization.password", "first-swordfish")]);
    let mut setup = Setup::new("rotated");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let file = setup.cdc.folder().join("password");
    fs::write(&file, "first-swordfish").unwrap();
    let sink = format!(
        "[sink.nats]\nservers = [\"{}\"]\nusername = \"cdc\"\npassword_file = \"{}\"\n",
        nats.url(),
        file.display()
    );
    setup.configure("", &sink);
    setup.start_streaming();
    nats.stop(Stop::Fast);
    nats.start_again_with(&[("authorization.password", "second-swordfish")]);
    go_on_with(&mut setup, &file, "CDC-SINK-004");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    let url = nats.url().replace("//", "//cdc:second-swordfish@");
    Delivered::each_of_nats(&url, &format!("CDC_{name}"), |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

#[test]
fn kafka_s() {
    let kafka = guarded_kafka();
    let mut setup = Setup::new("rotated");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let file = setup.cdc.folder().join("password");
    fs::write(&file, "first-swordfish").unwrap();
    setup.configure("", &kafka_sink(kafka, "rotated", &file.display().to_string()));
    setup.start_streaming();
    let password = "SCRAM-SHA-512=[password=second-swordfish]";
    kafka.administer(
        "kafka.admin.ConfigCommand",
        &["--alter", "--entity-type", "users", "--entity-name", "rotated", "--add-config", password],
    );
    go_on_with(&mut setup, &file, "CDC-SINK-004");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_kafka(&kafka.brokers(), &name, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

/// Sees the old password refused, one line each time, until the file holds the new one.
fn go_on_with(setup: &mut Setup, file: &std::path::Path, code: &str) {
    setup.write_some();
    setup.cdc.wait_for_log(code);
    let lines = setup.cdc.log().len();
    setup.cdc.wait_for_log_after(lines, code);
    let told = String::from_utf8(setup.cdc.run(&["status", "--json"]).stdout).unwrap();
    assert!(told.contains(code) && told.contains("\"waiting\""), "{told}");
    let said: Vec<String> = setup.cdc.log()[lines..].to_vec();
    assert!(said.iter().all(|line| line.contains(code)), "more than a line each: {said:#?}");
    assert!(said[0].contains(&file.display().to_string()), "which file is not told: {said:?}");
    fs::write(file, "second-swordfish\n").unwrap();
    setup.cdc.wait_for_log_after(lines, "streaming");
    setup.write_some();
    setup.catch_up();
    assert!(!setup.cdc.log_text().contains("swordfish"), "{}", setup.cdc.log_text());
}

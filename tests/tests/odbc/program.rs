//! The commands around it.

use std::process::Command;

use end_to_end::connector::binary;
use end_to_end::servers::Postgres;
use end_to_end::session::Session;

use crate::world::{Sqlite, World, postgres};

#[test]
fn the_program_starts_without_a_driver_manager() {
    // It is loaded when a database is first asked by it.
    let linked = Command::new("ldd").arg(binary()).output().expect("run ldd");
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    assert!(linked.contains("libc.so") && !linked.contains("odbc"), "{linked}");
}

#[test]
fn a_check_names_what_is_wrong_and_changes_nothing() {
    let world = World::new("checked", "Driver=SQLite3", "");
    let database = Sqlite(world.cdc.folder().join("crm.db"));
    database.execute("CREATE TABLE good (id INTEGER PRIMARY KEY); CREATE TABLE keyless (a INT);");
    let resource = |table: &str| format!("[[source.odbc.resource]]\ntable = \"{table}\"\n");
    let check = |resources: &str| {
        world.configure(&database.connection_string(), resources, "");
        let output = world.cdc.run(&["check"]);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_fine, said) = check(&resource("good"));
    assert!(is_fine, "{said}");
    let (is_fine, said) = check(&[resource("good"), resource("keyless"), resource("missing")].concat());
    assert!(!is_fine && said.contains("CDC-OD-005") && said.contains("CDC-OD-004"), "{said}");
    world.configure("Driver=No Such Driver", &resource("good"), "");
    let output = world.cdc.run(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("CDC-OD-002"), "{said}");
    assert!(!world.cdc.state_folder().join("poll.sqlite").exists());
}

#[test]
fn status_and_metrics_tell_of_scans() {
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2);");
    let resources = "[[source.odbc.resource]]\ntable = \"public.t\"\nevery_s = 1\n";
    let mut world = World::new("told", &postgres(&server, "postgres"), resources);
    world.cdc.start();
    world.cdc.wait_for_log("scanned");
    let report = world.status();
    assert_eq!(report["scans"][0]["resource"], "public.t");
    assert_eq!(report["scans"][0]["rows"], 2);
    assert_eq!(report["state"]["name"], "streaming");
    let text = world.cdc.run(&["status"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("public.t: 2 all rows"), "{text:?}");
    let again = world.cdc.run(&["resync", "--table", "t", "--key", "2"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 rows"), "{again:?}");
    for wrong in [&["snapshot"][..], &["tail"], &["slot", "list"]] {
        assert!(!world.cdc.run(wrong).status.success(), "{wrong:?}");
    }
    let replica = world.wait_for_events(3);
    assert_eq!(replica.events[2]["op"], "update");
    assert!(replica.events[2]["changed"].is_null());
    assert_eq!(world.cdc.terminate(), Some(0), "{}", world.cdc.log_text());
}

//! That a row is gone is said when it is, and never otherwise.

use std::process::Command;

use end_to_end::servers::Postgres;
use end_to_end::session::Session;
use serde_json::json;

use crate::world::{Sqlite, World, postgres};

const RESOURCES: &str =
    "[[source.odbc.resource]]\ntable = \"public.t\"\nevery_s = 1\nmax_delete_fraction = 0.5\n";

#[test]
fn more_than_may_be_gone_halts_and_asks() {
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000);
         CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1);",
    );
    let resources = format!("{RESOURCES}[[source.odbc.resource]]\ntable = \"public.other\"\nevery_s = 1\n");
    let connection = postgres(&server, "postgres");
    let mut world = World::new("gone", &connection, &resources);
    assert_eq!(world.read_once(&connection, &resources).rows("public.t").len(), 1000);
    session.execute("DELETE FROM t WHERE id > 300; UPDATE t SET id = -1 WHERE id = 1");
    world.configure(&connection, &resources, "[admin]\nlisten = \"127.0.0.1:0\"\n");
    world.cdc.start();
    world.cdc.wait_for_log("CDC-OD-006");

    // The others go on, and whoever looks sees what is asked and how to answer.
    session.execute("INSERT INTO other VALUES (2)");
    world.wait_for("what is certain, and the other table", |replica| {
        replica.rows("public.other").len() == 2 && replica.rows("public.t").len() == 1001
    });
    let report = world.status();
    let scan =
        report["scans"].as_array().unwrap().iter().find(|scan| scan["resource"] == "public.t").unwrap();
    assert_eq!(scan["held_deletes"], 701, "{report}");
    let error = &report["last_errors"][0];
    assert_eq!((&error["code"], &error["times"]), (&json!("CDC-OD-006"), &json!(1)), "{report}");
    assert!(error["remedy"].as_str().unwrap().contains("--confirm-deletes"), "{error}");
    let text = world.cdc.run(&["status"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("HELD BACK: 701") && text.contains("resync --table public.t"), "{text}");
    let asked = |world: &World| {
        let asked = world.cdc.run(&["resync", "--table", "public.t", "--confirm-deletes"]);
        assert!(asked.status.success(), "{asked:?}");
    };
    asked(&world);
    world.wait_for("the answer", |replica| replica.rows("public.t").len() == 300);

    // The answer counted once. Rows that are there again need none.
    session.execute("CREATE TABLE away AS TABLE t; DELETE FROM t");
    let lines = world.cdc.log().len();
    world.cdc.wait_for_log_after(lines, "CDC-OD-006");
    session.execute("INSERT INTO t SELECT id FROM away WHERE id <> 7; INSERT INTO t VALUES (2000)");
    let replica = world.wait_for("the rows that are there again", |replica| {
        let rows = replica.rows("public.t");
        rows.iter().any(|row| row["id"] == 2000) && rows.iter().all(|row| row["id"] != 7)
    });
    assert_eq!(replica.rows("public.t").len(), 300);
    assert_eq!(replica.events.iter().filter(|event| event["op"] == "delete").count(), 702);
    assert_eq!(world.cdc.terminate(), Some(0), "{}", world.cdc.log_text());

    // Whoever asked for one scan of each is told by the exit code; the others were read.
    session.execute("DELETE FROM t; INSERT INTO other VALUES (3)");
    world.configure(&connection, &resources, "[load]\nmode = \"only\"\n");
    let lines = world.cdc.log().len();
    world.cdc.start();
    assert_eq!(world.cdc.wait(), Some(1), "{}", world.cdc.log_text());
    assert!(world.cdc.log()[lines..].join("\n").contains("CDC-OD-006"), "{}", world.cdc.log_text());
    let replica = world.replica();
    assert_eq!((replica.rows("public.t").len(), replica.rows("public.other").len()), (300, 3));
}

#[test]
fn one_table_s_quiet_hours_are_no_other_s() {
    let hour = |when: &str| {
        let output = Command::new("date").args(["-d", when, "+%H:%M"]).output().expect("run date");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let mut world = World::new("quiet", "Driver=SQLite3", "");
    let database = Sqlite(world.cdc.folder().join("crm.db"));
    database
        .execute("CREATE TABLE quiet (id INTEGER PRIMARY KEY); CREATE TABLE loud (id INTEGER PRIMARY KEY)");
    database.execute("INSERT INTO quiet VALUES (1); INSERT INTO loud VALUES (1)");
    let quiet = format!("quiet_hours = [\"{}-{}\"]", hour("-3 hours"), hour("+3 hours"));
    let resources = format!(
        "[[source.odbc.resource]]\ntable = \"quiet\"\n{quiet}\n[[source.odbc.resource]]\ntable = \"loud\"\n"
    );
    world.configure(&database.connection_string(), &resources, "");
    world.cdc.start();
    let replica = world.wait_for_events(1);
    assert_eq!(replica.rows("main.loud").len(), 1);
    assert_eq!(world.cdc.terminate(), Some(0), "{}", world.cdc.log_text());
    assert!(world.replica().rows("main.quiet").is_empty());
}

#[test]
fn a_key_that_is_none_is_refused() {
    let mut world = World::new("keys", "Driver=SQLite3", RESOURCES);
    let database = Sqlite(world.cdc.folder().join("crm.db"));
    database.execute("CREATE TABLE t (a INT, b INT); INSERT INTO t VALUES (1, 1), (1, 2), (2, NULL);");
    for (key, code, part) in [
        ("", "CDC-OD-005", "no primary key"),
        ("key = [\"a\"]", "CDC-OD-005", "same key"),
        ("key = [\"a\", \"b\"]", "CDC-OD-005", "NULL in its key"),
        ("key = [\"c\"]", "CDC-OD-004", "no column"),
    ] {
        let resources = format!("[[source.odbc.resource]]\ntable = \"t\"\n{key}\n");
        world.configure(&database.connection_string(), &resources, "");
        let lines = world.cdc.log().len();
        world.cdc.start();
        assert_ne!(world.cdc.wait(), Some(0), "{key}");
        let log = world.cdc.log()[lines..].join("\n");
        assert!(log.contains(code) && log.contains(part), "{key}: {log}");
    }
    assert!(world.replica().events.iter().all(|event| event["op"] == "insert"));
}

#[test]
fn between_full_scans_what_is_new_is_read_alone() {
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, x int);
         INSERT INTO t SELECT n, '2026-01-01'::timestamptz + n * interval '1 min', 0 FROM generate_series(1, 100) n;",
    );
    let connection = postgres(&server, "postgres");
    let since = format!("{RESOURCES}since = \"at\"\noverlap_s = 600\nfull_every_s = 3600\n");
    let mut world = World::new("since", &connection, &since);
    assert_eq!(world.read_once(&connection, &since).events.len(), 100);
    session.execute(
        "UPDATE t SET x = 1 WHERE id = 95; UPDATE t SET x = 1 WHERE id = 5; DELETE FROM t WHERE id = 50;
         INSERT INTO t VALUES (101, '2026-01-01 01:35:00Z', 1)",
    );
    // Within the overlap: the row that was stamped before and committed after; but not what only a full scan sees.
    let replica = world.read_once(&connection, &since);
    let keys: Vec<i64> =
        replica.events[100..].iter().map(|event| event["key"]["id"].as_i64().unwrap()).collect();
    assert_eq!(keys, [95, 101], "{}", world.cdc.log_text());
    assert_eq!(replica.rows("public.t").len(), 101);
    // Without the column: all of it.
    let replica = world.read_once(&connection, RESOURCES);
    assert_eq!(replica.events.len(), 104);
    assert_eq!(replica.rows("public.t").len(), 100);
}

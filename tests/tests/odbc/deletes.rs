//! That a row is gone is said when it is, and never otherwise.

use end_to_end::servers::Postgres;
use end_to_end::session::Session;

use crate::world::{Sqlite, World, postgres};

const RESOURCES: &str =
    "[[source.odbc.resource]]\ntable = \"public.t\"\nevery_s = 1\nmax_delete_fraction = 0.5\n";

#[test]
fn more_than_may_be_gone_halts_and_asks() {
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000);");
    let connection = postgres(&server, "postgres");
    let mut world = World::new("gone", &connection, RESOURCES);
    assert_eq!(world.read_once(&connection, RESOURCES).rows("public.t").len(), 1000);
    session.execute("DELETE FROM t WHERE id > 300; UPDATE t SET id = -1 WHERE id = 1");
    world.cdc.start();
    assert_ne!(world.cdc.wait(), Some(0));
    assert!(world.cdc.log_text().contains("CDC-OD-006"), "{}", world.cdc.log_text());
    // What is certain was sent: a row is there that was not before.
    assert_eq!(world.replica().rows("public.t").len(), 1001);
    let asked = world.cdc.run(&["resync", "--table", "public.t", "--confirm-deletes"]);
    assert!(asked.status.success(), "{asked:?}");
    let replica = world.read_once(&connection, RESOURCES);
    assert_eq!(replica.rows("public.t").len(), 300);
    // Once: the next time it asks again.
    session.execute("DELETE FROM t");
    world.cdc.start();
    assert_ne!(world.cdc.wait(), Some(0));
    assert_eq!(world.replica().rows("public.t").len(), 300);
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

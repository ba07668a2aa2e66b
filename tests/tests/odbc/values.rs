//! What drivers shorten, mistype and re-encode comes out as it is in the database.

use end_to_end::servers::{Mysql, Postgres, Release};
use end_to_end::session::Session;
use serde_json::json;

use crate::world::{Sqlite, World, mysql, postgres};

#[test]
fn sqlite_s_values_have_their_own_types() {
    let mut world = World::new("sqlite", "Driver=SQLite3", "[[source.odbc.resource]]\ntable = \"t\"\n");
    let database = Sqlite(world.cdc.folder().join("crm.db"));
    let long = "lång €😀 ".repeat(20_000);
    database.execute(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n NUMERIC, x VARCHAR(5), ts TIMESTAMP, b BLOB, i INT);
         INSERT INTO t VALUES (1, 0.1, 'häl€😀 longer than five', '2026-01-01 10:00:00.123456', x'00ff', 'abc');
         INSERT INTO t VALUES (2, 9007199254740993, '', 5, 'text', 9223372036854775807);
         INSERT INTO t VALUES (3, NULL, 'a' || char(0) || 'b', NULL, NULL, -1e300);
         INSERT INTO t VALUES (4, 'NaN', '{long}', 1.5, zeroblob(70000), -9223372036854775808);"
    ));
    let replica = world.read_once(&database.connection_string(), "[[source.odbc.resource]]\ntable = \"t\"\n");
    let rows = replica.rows("main.t");
    assert_eq!(
        *rows[0],
        json!({"id": "1", "n": 0.1, "x": "häl€😀 longer than five", "ts": "2026-01-01 10:00:00.123456", "b": "AP8=", "i": "abc"})
    );
    // int in the declaration makes numbers of its integers; numeric does not.
    assert_eq!(
        *rows[1],
        json!({"id": "2", "n": "9007199254740993", "x": "", "ts": "5", "b": "text", "i": 9_223_372_036_854_775_807_i64})
    );
    assert_eq!(*rows[2], json!({"id": "3", "n": null, "x": "a\0b", "ts": null, "b": null, "i": -1e300}));
    assert_eq!(rows[3]["x"], long);
    assert_eq!(rows[3]["b"].as_str().unwrap().len(), 70_000_usize.div_ceil(3) * 4);
    assert_eq!(rows[3]["n"], "NaN");
}

#[test]
fn postgres_s_values_are_those_of_its_log() {
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute(
        "ALTER DATABASE postgres SET DateStyle = 'German'; ALTER DATABASE postgres SET TimeZone = 'Asia/Kolkata';
         CREATE TYPE mood AS ENUM ('glad', 'sad');
         CREATE TABLE t (a int, b text, n numeric, f float8, r float4, at timestamptz, d date, u uuid, j jsonb, y bytea,
                         l int[], m mood, i interval, ok bool, long text, c char(5), ip inet, PRIMARY KEY (b, a));
         INSERT INTO t VALUES (1, 'häl€😀', 12345678901234567890.50, 0.1, 0.1, '2026-01-01 10:00:00.123456+00', '4713-01-01 BC',
           '00000000-0000-0000-0000-000000000001', '{\"a\": 1e400}', '\\x00ff', '{1,NULL}', 'sad', '1 mon -1 day', true, NULL, 'ab', '10.0.0.1');
         INSERT INTO t (a, b, n, f, at) VALUES (2, '', 'NaN', '-0', 'infinity');
         INSERT INTO t (a, b, long, y) VALUES (3, 'c', repeat('long €', 100000), decode(repeat('ab', 100000), 'hex'));",
    );
    let resources = "[[source.odbc.resource]]\ntable = \"public.t\"\n";
    let mut world = World::new("values", &postgres(&server, "postgres"), resources);
    let replica = world.read_once(&postgres(&server, "postgres"), resources);
    let row = |a: i64| replica.rows("public.t").into_iter().find(|row| row["a"] == a).unwrap().clone();
    assert_eq!(
        row(1),
        json!({"a": 1, "b": "häl€😀", "n": "12345678901234567890.50", "f": 0.1, "r": 0.1,
               "at": "2026-01-01T10:00:00.123456Z", "d": "-004712-01-01", "u": "00000000-0000-0000-0000-000000000001",
               "j": row(1)["j"], "y": "AP8=", "l": [1, null], "m": "sad", "i": "1 mon -1 days", "ok": true, "long": null,
               "c": "ab   ", "ip": "10.0.0.1"})
    );
    assert!(row(1)["j"].as_str().unwrap().len() > 400, "{}", row(1)["j"]);
    let second = row(2);
    assert_eq!((&second["n"], &second["b"], &second["at"]), (&json!("NaN"), &json!(""), &json!("infinity")));
    assert!(second["f"].as_f64().unwrap().is_sign_negative() && second["ok"].is_null());
    assert_eq!(row(3)["y"].as_str().unwrap().len(), 100_000_usize.div_ceil(3) * 4);
    assert_eq!(row(3)["long"], "long €".repeat(100_000));
    // The key's columns in the key's order.
    assert!(replica.events.iter().all(|event| event["key"].as_object().unwrap().len() == 2));
}

#[test]
fn mariadb_s_values_are_exact() {
    let server = Mysql::start(Release::Mariadb("10.11"));
    server.query(
        "CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop; SET sql_mode = '';
         CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, n DECIMAL(30,10), x TEXT, ts TIMESTAMP(6) NULL, b BLOB, f FLOAT,
                         d DATETIME NULL, u BIGINT UNSIGNED, dt TIME(3), y YEAR, e ENUM('a','b'), bits BIT(5));
         SET time_zone = '+05:30';
         INSERT INTO t VALUES (1, 12345678901234567890.5, 'hä€😀', '2026-01-01 15:30:00.5', x'00ff00', 0.1, '0000-00-00',
                               18446744073709551615, '-00:00:01.5', 2026, 'b', b'10101');
         INSERT INTO t (id, x) VALUES (2, '');
         INSERT INTO t (id, x, b) VALUES (3, REPEAT('long €', 8000), REPEAT(x'00', 50000));",
    );
    let resources = "[[source.odbc.resource]]\ntable = \"shop.t\"\n";
    let mut world = World::new("mariadb", &mysql(&server), resources);
    let replica = world.read_once(&mysql(&server), resources);
    let row = |id: i64| replica.rows("shop.t").into_iter().find(|row| row["id"] == id).unwrap().clone();
    assert_eq!(
        row(1),
        json!({"id": 1, "n": "12345678901234567890.5000000000", "x": "hä€😀", "ts": "2026-01-01T10:00:00.500000Z",
               "b": "AP8A", "f": 0.10000000149011612, "d": "0000-00-00 00:00:00", "u": "18446744073709551615",
               "dt": "-00:00:01.500", "y": 2026, "e": "b", "bits": "21"})
    );
    assert_eq!(row(2)["x"], "");
    assert!(row(2)["n"].is_null());
    assert_eq!(row(3)["x"], "long €".repeat(8_000));
    assert_eq!(row(3)["b"], "A".repeat(66_664) + "AAA=");
}

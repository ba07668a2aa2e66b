//! Rows that nobody has seen before, and of which the log has parts.

use end_to_end::servers::Release;
use event::TableNews;
use serde_json::{Value, json};

use crate::world::World;

/// Where more than the log is needed.
const RELEASES: [Release; 2] = [Release::Mysql, Release::Mariadb("11.4")];

fn rows(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["op"] != "schema").collect()
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_row_under_a_new_key_is_whole() {
    for release in RELEASES {
        let world = World::new(release);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); \
             CREATE TABLE t (a int, id int PRIMARY KEY, b text, c varchar(9) DEFAULT 'c', e enum('x', 'y') DEFAULT 'y'); \
             INSERT INTO t VALUES (1, 1, 'b', NULL, 'x')",
        );
        let mut reader = world.reader().await;
        world.run(
            "SET binlog_row_image = MINIMAL; UPDATE t SET id = 2 WHERE id = 1; INSERT INTO t (id) VALUES (3), (4); \
             SET binlog_row_image = NOBLOB; UPDATE t SET id = 5 WHERE id = 2; INSERT INTO mark VALUES (1)",
        );
        let events = reader.until_mark(1).await;
        let rows = rows(&events);
        let moved = rows[1];
        assert_eq!((moved["op"].as_str(), &moved["key"]), (Some("insert"), &json!({"id": 2})), "{moved}");
        // By the time it is looked up, it is under the last key: this one says what the log has, the last one all.
        let last = rows.last().unwrap();
        assert_eq!(last["after"], json!({"a": 1, "id": 5, "b": "b", "c": null, "e": "x"}), "{last}");
        assert_eq!(names(&last["fetched"]), ["b"], "{last}");
        let inserted: Vec<_> = rows.iter().filter(|row| row["key"]["id"] == 3).collect();
        assert_eq!(inserted[0]["after"], json!({"a": null, "id": 3, "b": null, "c": "c", "e": "y"}));
    }
}

#[tokio::test]
async fn a_row_that_is_gone_says_what_is_left_out() {
    for release in RELEASES {
        let world = World::new(release);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, b text); \
             CREATE TABLE dropped (id int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'b')",
        );
        let mut reader = world.reader().await;
        world.run(
            "SET binlog_row_image = MINIMAL; UPDATE t SET id = 2; DELETE FROM t; \
             INSERT INTO dropped (id) VALUES (1); DROP TABLE dropped; INSERT INTO mark VALUES (1)",
        );
        let events = reader.until_mark(1).await;
        let rows = rows(&events);
        assert_eq!((&rows[1]["key"], &rows[1]["omitted"]), (&json!({"id": 2}), &json!(["b"])), "{}", rows[1]);
        assert_eq!((rows[2]["op"].as_str(), &rows[2]["key"]), (Some("delete"), &json!({"id": 2})));
    }
}

/// Each key's value as the log has it finds its row, whatever its type.
#[tokio::test]
async fn rows_are_found_by_keys_of_every_type() {
    let keys = [
        ("bigint unsigned", "18446744073709551615"),
        ("decimal(20, 3)", "-12345678901234567.125"),
        ("varchar(20) CHARACTER SET latin1", "'M\u{fc}ller''s \\\\'"),
        ("char(9) CHARACTER SET utf8mb4", "'\u{1f600}'"),
        ("varbinary(9)", "x'00ff27'"),
        ("binary(4)", "x'0100'"),
        ("date", "'1969-12-31'"),
        ("datetime(6)", "'1900-01-01 00:00:00.000001'"),
        ("timestamp(3) DEFAULT '2000-01-01 00:00:00'", "'2026-11-22 01:02:03.004'"),
        ("time(6)", "'23:59:59.000001'"),
        ("time", "'-838:59:59'"),
        ("year", "2026"),
        ("bit(9)", "b'100000001'"),
        ("enum('a', 'b')", "'b'"),
    ];
    for release in RELEASES {
        let world = World::new(release);
        world.run("CREATE TABLE mark (id int PRIMARY KEY)");
        for (number, (key_type, _)) in keys.iter().enumerate() {
            world.run(&format!(
                "CREATE TABLE t{number} (b int DEFAULT {number}, id {key_type}, PRIMARY KEY (id))"
            ));
        }
        let mut reader = world.reader().await;
        for (number, (_, value)) in keys.iter().enumerate() {
            world.run(&format!(
                "SET binlog_row_image = MINIMAL, time_zone = '+00:00'; INSERT INTO t{number} (id) VALUES ({value})"
            ));
        }
        world.run("INSERT INTO mark VALUES (1)");
        let events = reader.until_mark(1).await;
        for (number, row) in rows(&events).into_iter().enumerate() {
            assert_eq!(row["after"]["b"], number, "{release:?} {:?}: {row}", keys[number]);
        }
        assert!(reader.news().is_empty());
    }
}

/// A number that is not equal to itself as it is written, and no key at all: there is no finding such a row.
#[tokio::test]
async fn rows_that_cannot_be_found_have_their_table_loaded() {
    let world = World::new(Release::Mysql);
    world.run(
        "CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id float PRIMARY KEY, b int DEFAULT 7)",
    );
    let mut reader = world.reader().await;
    world.run("SET binlog_row_image = MINIMAL; INSERT INTO t (id) VALUES (0.1); INSERT INTO mark VALUES (1)");
    let events = reader.until_mark(1).await;
    assert_eq!(rows(&events)[0]["omitted"], json!(["b"]));
    assert_eq!(reader.news(), [TableNews::Rewritten(event::TableName::new("shop", "t"))]);
}

/// A commit is in the log before others see it: the row that is asked for must be the one after it.
#[tokio::test]
async fn a_row_is_looked_up_after_its_commit() {
    for release in RELEASES {
        let world = World::new(release);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); \
             CREATE TABLE t (id int PRIMARY KEY, b int, INDEX (b))",
        );
        let mut reader = world.reader().await;
        let moves: String = (0..300)
            .map(|id| {
                format!("INSERT INTO t VALUES ({id}, {id}); UPDATE t SET id = {id} + 1000 WHERE id = {id};")
            })
            .collect();
        world.run(&format!("SET binlog_row_image = MINIMAL; {moves} INSERT INTO mark VALUES (1)"));
        let events = reader.until_mark(1).await;
        let moved: Vec<_> = rows(&events)
            .into_iter()
            .filter(|row| row["op"] == "insert" && row["key"]["id"].as_i64() >= Some(1000))
            .collect();
        assert_eq!(moved.len(), 300);
        for row in moved {
            assert_eq!(row["after"]["b"].as_i64(), row["key"]["id"].as_i64().map(|id| id - 1000), "{row}");
        }
    }
}

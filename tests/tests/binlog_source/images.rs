//! Rows of which the log has parts, and origins.

use binlog_reader::Options;
use end_to_end::servers::Release;
use event::{Failure as _, Mask, TableRules};

use crate::world::{Reader, World, lines};

#[tokio::test]
async fn what_an_image_leaves_out_is_never_null() {
    for release in [Release::Mysql, Release::Mariadb("11.4")] {
        let world = World::new(release);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); \
             CREATE TABLE t (a int, id int PRIMARY KEY, b text, c int); INSERT INTO t VALUES (1, 1, 'b', NULL)",
        );
        let mut reader = world.reader().await;
        world.run(
            "SET binlog_row_image = MINIMAL; UPDATE t SET a = 2 WHERE id = 1; UPDATE t SET id = 2 WHERE id = 1; \
             DELETE FROM t WHERE id = 2; INSERT INTO t (id) VALUES (3); SET binlog_row_image = NOBLOB; \
             UPDATE t SET a = 2 WHERE id = 3; INSERT INTO mark VALUES (1)",
        );
        let events = reader.until_mark(1).await;
        let rows: Vec<_> = events.iter().filter(|event| event["op"] != "schema").collect();
        let update = rows[0];
        assert_eq!((update["after"]["a"].as_i64(), update["after"]["id"].as_i64()), (Some(2), Some(1)));
        assert_eq!(update["omitted"], serde_json::json!(["b", "c"]), "{update}");
        assert_eq!(update["key"], serde_json::json!({"id": 1}));
        assert_eq!((rows[1]["op"].as_str(), rows[1]["key"]["id"].as_i64()), (Some("delete"), Some(1)));
        assert_eq!((rows[2]["op"].as_str(), rows[2]["key"]["id"].as_i64()), (Some("insert"), Some(2)));
        assert_eq!((rows[3]["op"].as_str(), rows[3]["key"]["id"].as_i64()), (Some("delete"), Some(2)));
        let nobold = rows[5];
        assert_eq!((nobold["after"]["a"].as_i64(), nobold["after"]["id"].as_i64()), (Some(2), Some(3)));
        assert!(nobold["after"].get("b").is_none() && nobold["omitted"][0] == "b", "{nobold}");
        assert!(nobold["after"]["c"].is_null());
    }
}

#[tokio::test]
async fn columns_are_left_out_and_masked() {
    let mut world = World::new(Release::Mysql);
    world.run("CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (card text, id int PRIMARY KEY, email text, b int)");
    world.options = Options {
        rules: std::sync::Arc::new(|name| match name.table.as_str() {
            "t" => TableRules {
                excluded: vec!["card".to_owned()],
                masked: vec![("email".to_owned(), Mask::Sha256), ("b".to_owned(), Mask::Null)],
                ..TableRules::default()
            },
            _ => TableRules::default(),
        }),
        ..world.options
    };
    let mut reader = world.reader().await;
    world.run("INSERT INTO t VALUES ('4711', 1, 'abc', 7); INSERT INTO mark VALUES (1)");
    let events = reader.until_mark(1).await;
    // `printf abc | sha256sum`
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(lines(&events), [format!(r#"insert t {{"b":null,"email":"{hash}","id":1}}"#)]);
}

#[tokio::test]
async fn changes_that_are_logged_as_statements_stop_the_stream() {
    for release in [Release::Mysql, Release::Mariadb("10.11"), Release::Mariadb("11.8")] {
        let world = World::new(release);
        world.run("CREATE TABLE t (id int PRIMARY KEY)");
        let mut reader = world.reader().await;
        world.run("SET binlog_format = STATEMENT; INSERT INTO t VALUES (1)");
        let error = reader.failure().await;
        assert_eq!(error.code(), "CDC-MY-021", "{error}");
        assert!(!error.to_string().contains("VALUES"), "{error}");
    }
}

#[tokio::test]
async fn origins_are_told_and_dropped() {
    let mut world = World::new(Release::Mysql);
    world.run("CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE cdc_origin (origin varchar(60) PRIMARY KEY)");
    let start = world.position().await;
    world.run(
        "SET gtid_next = 'AUTOMATIC:branch_7'; INSERT INTO t VALUES (1); SET gtid_next = 'AUTOMATIC'; \
         SET gtid_next = '3e11fa47-71ca-11e1-9e33-c80aa9429562:1'; INSERT INTO t VALUES (2); SET gtid_next = 'AUTOMATIC'; \
         BEGIN; INSERT INTO cdc_origin VALUES ('cdc:shop'); INSERT INTO t VALUES (3); COMMIT; \
         INSERT INTO t VALUES (4); INSERT INTO mark VALUES (1)",
    );
    let uuid = world.system().await.identity;
    let mut reader = Reader::open(&world.options, start.clone()).await.unwrap();
    let events = reader.until_mark(1).await;
    let origins: Vec<_> = events
        .iter()
        .filter(|event| event["table"] == "t" && event["op"] == "insert")
        .map(|event| event["origin"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        origins,
        [&format!("{uuid}:branch_7"), "3e11fa47-71ca-11e1-9e33-c80aa9429562", "cdc:shop", ""]
    );
    world.options.drop_origins =
        ["branch_7", "3e11fa47-71ca-11e1-9e33-c80aa9429562", "cdc:shop"].map(str::to_owned).to_vec();
    let mut reader = Reader::open(&world.options, start).await.unwrap();
    assert_eq!(lines(&reader.until_mark(1).await), [r#"insert t {"id":4}"#]);
    // What was dropped is dealt with.
    let mut again = reader.reopen(&world.options).await.unwrap();
    world.run("INSERT INTO mark VALUES (2)");
    assert!(again.until_mark(2).await.is_empty());
}

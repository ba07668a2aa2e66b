//! One unit: what is locked and for how long, what its rows are called, what is left out, and what keeps it from being
//! read.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use binlog_reader::{Config, Loader, Session};
use end_to_end::servers::{Release, Stop};
use event::{Begun, Failure as _, Load as _, LoadPart, LoadRequest, Mask, TableName, TableRules};
use serde_json::json;

use crate::load_world::{begin, pool, read_to_end};
use crate::world::World;

fn table(name: &str) -> TableName {
    TableName::new("shop", name)
}

/// A table of so many rows.
fn fill(world: &World, rows: u32) {
    world.run(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, note varchar(20)); SET @n = 0; \
         INSERT INTO t SELECT @n := @n + 1, 'x' FROM information_schema.columns a, information_schema.columns b LIMIT {rows}"
    ));
}

#[tokio::test]
async fn whoever_writes_goes_on_while_rows_are_read_and_whoever_alters_waits() {
    for release in [Release::Mysql, Release::Mariadb("11.4")] {
        let world = World::new(release);
        fill(&world, 100);
        // More than lies between the server and the loader.
        world.run("ALTER TABLE t MODIFY note longtext; UPDATE t SET note = repeat('x', 300000)");
        let mut loader = Loader::open(&world.options).await.unwrap();
        begin(&mut loader, &table("t"), None).await;
        // At once: the table is not locked any more.
        let mut other = world.session().await;
        other.execute("SET SESSION lock_wait_timeout = 1").await.unwrap();
        other.execute("INSERT INTO shop.t VALUES (1000, 'late')").await.unwrap();
        for statement in
            ["ALTER TABLE shop.t ADD COLUMN more int FIRST", "TRUNCATE TABLE shop.t", "DROP TABLE shop.t"]
        {
            let refused = other.execute(statement).await.unwrap_err();
            assert_eq!(refused.number(), Some(1205), "{statement}: {refused}");
        }
        let (events, finished) = read_to_end(&mut loader).await;
        assert_eq!((finished.rows, finished.next), (100, None));
        assert!(events.iter().all(|event| event["after"]["id"] != 1000));
        other.execute("ALTER TABLE shop.t ADD COLUMN more int FIRST").await.unwrap();
        begin(&mut loader, &table("t"), None).await;
        let (events, finished) = read_to_end(&mut loader).await;
        assert_eq!(finished.rows, 101);
        let row = events.iter().find(|event| event["after"]["id"] == 1000).unwrap();
        assert_eq!(row["after"], json!({ "more": null, "id": 1000, "note": "late" }));
    }
}

#[tokio::test]
async fn an_open_transaction_that_changed_the_table_is_waited_for() {
    let world = World::new(Release::Mysql);
    fill(&world, 3);
    let mut loader = Loader::open(&world.options).await.unwrap();
    let mut writer = world.session().await;
    writer.execute("BEGIN").await.unwrap();
    writer.execute("UPDATE shop.t SET note = 'new' WHERE id = 2").await.unwrap();
    let begun = loader.begin(&LoadRequest::default(), &table("t"), None, &HashSet::new()).await.unwrap();
    let Begun::NotYet(why) = begun else { panic!("{begun:?}") };
    assert!(why.starts_with("shop.t is locked"), "{why}");
    writer.execute("COMMIT").await.unwrap();
    begin(&mut loader, &table("t"), None).await;
    let (events, _) = read_to_end(&mut loader).await;
    assert!(events.iter().any(|event| event["after"] == json!({ "id": 2, "note": "new" })));
    let begun =
        loader.begin(&LoadRequest::default(), &table("nothing"), None, &HashSet::new()).await.unwrap();
    assert!(matches!(begun, Begun::Gone), "{begun:?}");
}

/// Whether it counts is open, and its rows are in the log from before: a load that did not wait would miss them. MariaDB
/// locks nothing for one whose session is gone.
#[tokio::test]
async fn a_prepared_transaction_is_waited_for() {
    for release in Release::ALL {
        let mut world = World::new(release);
        fill(&world, 3);
        world.run("XA START 'a'; UPDATE t SET note = 'new' WHERE id = 2; XA END 'a'; XA PREPARE 'a'");
        // Whoever prepared it is gone, and so is the server that it was prepared on.
        for _ in 0..2 {
            let mut loader = Loader::open(&world.options).await.unwrap();
            let begun = loader.begin(&LoadRequest::default(), &table("t"), None, &HashSet::new()).await;
            let Begun::NotYet(why) = begun.unwrap() else { panic!("{release:?}: it does not wait") };
            assert!(why.contains("shop.t"), "{why}");
            world.mysql.stop(Stop::Kill);
            world.mysql.start_again();
        }
        let mut loader = Loader::open(&world.options).await.unwrap();
        let waiting = loader.begin(&LoadRequest::default(), &table("t"), None, &HashSet::new()).await;
        assert!(matches!(waiting.unwrap(), Begun::NotYet(_)), "{release:?}");
        // Nobody else is kept waiting meanwhile.
        world.run("INSERT INTO t VALUES (4, 'late'); XA COMMIT 'a'");
        begin(&mut loader, &table("t"), None).await;
        let (events, finished) = read_to_end(&mut loader).await;
        assert_eq!(finished.rows, 4, "{release:?}");
        assert!(
            events.iter().any(|event| event["after"] == json!({ "id": 2, "note": "new" })),
            "{release:?}"
        );
    }
}

#[tokio::test]
async fn a_crash_costs_the_unit_that_was_being_read() {
    let mut world = World::new(Release::Mysql);
    fill(&world, 1000);
    (world.options.load_unit_rows, world.options.load_workers) = (400, 2);
    let mut loader = Loader::open(&world.options).await.unwrap();
    begin(&mut loader, &table("t"), None).await;
    let (first, finished) = read_to_end(&mut loader).await;
    begin(&mut loader, &table("t"), finished.next).await;
    let mut batch = pool().batch();
    drop(loader.read(&mut batch).await.unwrap());
    drop(loader);
    let mut loader = Loader::open(&world.options).await.unwrap();
    let (mut from, mut ids, mut loads) = (finished.next, BTreeSet::new(), HashSet::new());
    let mut take = |events: &[serde_json::Value]| {
        for event in events.iter().filter(|event| event["op"] == "read") {
            assert!(ids.insert(event["after"]["id"].as_i64().unwrap()), "{event}");
            loads.insert(event["load"]["id"].as_str().unwrap().to_owned());
        }
    };
    take(&first);
    while let Some(next) = from {
        begin(&mut loader, &table("t"), Some(next)).await;
        let (events, finished) = read_to_end(&mut loader).await;
        take(&events);
        from = finished.next;
    }
    assert_eq!(ids, (1..=1000).collect());
    assert_eq!(loads.len(), 3, "each attempt has a name of its own");
}

#[tokio::test]
async fn rows_without_a_key_are_told_apart() {
    for engine in ["InnoDB", "MyISAM", "MEMORY"] {
        let world = World::new(Release::Mariadb("10.11"));
        world.run(&format!(
            "CREATE TABLE t (v int) ENGINE={engine}; INSERT INTO t VALUES (1), (1), (NULL), (2)"
        ));
        let mut loader = Loader::open(&world.options).await.unwrap();
        begin(&mut loader, &table("t"), None).await;
        let (events, finished) = read_to_end(&mut loader).await;
        let ids: HashSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!((ids.len(), finished.rows), (events.len(), 4), "{engine}");
        assert!(events.iter().all(|event| event["key"].is_null()), "{engine}");
        // Nothing stays locked.
        world.run("INSERT INTO t VALUES (3)");
    }
}

#[tokio::test]
async fn a_large_table_without_snapshots_is_refused() {
    let world = World::new(Release::Mysql);
    world.run(
        "SET @n = 0; CREATE TABLE t (id int PRIMARY KEY, v longtext) ENGINE=MyISAM; \
         INSERT INTO t SELECT @n := @n + 1, repeat('x', 1000000) FROM information_schema.columns LIMIT 70",
    );
    let mut loader = Loader::open(&world.options).await.unwrap();
    let refused =
        loader.begin(&LoadRequest::default(), &table("t"), None, &HashSet::new()).await.unwrap_err();
    assert_eq!(refused.code(), "CDC-MY-053", "{refused}");
    assert!(refused.to_string().contains("ALTER TABLE `shop`.`t` ENGINE = InnoDB;"), "{refused}");
}

#[tokio::test]
async fn what_a_user_may_not_do_is_named_with_the_grant() {
    for release in [Release::Mysql, Release::Mariadb("11.8")] {
        let mut world = World::new(release);
        fill(&world, 3);
        world.run("CREATE USER reader@'%' IDENTIFIED BY 'secret'");
        world.options.connection =
            Config::parse(&format!("mysql://reader:secret@127.0.0.1:{}/", world.mysql.port())).unwrap();
        let mut missing = vec![
            ("CDC-MY-026", "REPLICATION CLIENT ON *.* TO 'reader'@'%';"),
            ("CDC-MY-050", "LOCK TABLES ON `shop`.* TO 'reader'@'%';"),
        ];
        world.run("GRANT SELECT ON shop.t TO reader@'%'");
        while let Some((code, grant)) = missing.pop() {
            let mut loader = Loader::open(&world.options).await.unwrap();
            let begun = loader.begin(&LoadRequest::default(), &table("t"), None, &HashSet::new()).await;
            let refused = begun.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
            assert!(refused.to_string().contains(grant), "{refused}");
            world.run(&format!("GRANT {grant}"));
        }
        let mut loader = Loader::open(&world.options).await.unwrap();
        begin(&mut loader, &table("t"), None).await;
        assert_eq!(read_to_end(&mut loader).await.1.rows, 3);
    }
}

#[tokio::test]
async fn parts_and_rules_say_what_is_read() {
    let mut world = World::new(Release::Mysql);
    world.run(
        "CREATE TABLE t (id int PRIMARY KEY, card text, email varchar(50), born year, secret int); \
         INSERT INTO t VALUES (1, '4000', 'a@b', 1990, 7), (2, '4001', NULL, 0, 8), (3, '4002', 'c@d', 2024, 9)",
    );
    world.options.rules = Arc::new(|_| TableRules {
        excluded: vec!["card".to_owned()],
        masked: vec![("email".to_owned(), Mask::Sha256), ("secret".to_owned(), Mask::Null)],
        ..TableRules::default()
    });
    let hash = world.mysql.value("SELECT sha2('a@b', 256)");
    let start = world.position().await;
    let mut loader = Loader::open(&world.options).await.unwrap();
    begin(&mut loader, &table("t"), None).await;
    let (events, _) = read_to_end(&mut loader).await;
    let rows: Vec<_> =
        events.iter().filter(|event| event["op"] == "read").map(|event| &event["after"]).collect();
    assert_eq!(*rows[0], json!({ "id": 1, "email": hash, "born": 1990, "secret": null }));
    assert_eq!(*rows[1], json!({ "id": 2, "email": null, "born": 0, "secret": null }));
    // As the log has the same row.
    world.run("CREATE TABLE mark (id int PRIMARY KEY); INSERT INTO t VALUES (4, '4003', 'a@b', 1990, 7); INSERT INTO mark VALUES (1)");
    let mut reader = crate::world::Reader::open(&world.options, start).await.unwrap();
    let inserted = reader.until_mark(1).await;
    let inserted = inserted.iter().find(|event| event["op"] == "insert").unwrap();
    assert_eq!(inserted["after"]["email"], rows[0]["email"]);

    let part = LoadPart { filter: Some("born > 1980 -- or so".to_owned()), columns: vec!["born".to_owned()] };
    let request = LoadRequest { part: Some(part), ..LoadRequest::default() };
    let begun = loader.begin(&request, &table("t"), None, &HashSet::new()).await.unwrap();
    assert!(matches!(begun, Begun::Reading), "{begun:?}");
    let (events, _) = read_to_end(&mut loader).await;
    let rows: Vec<_> = events.iter().filter(|event| event["op"] == "read").collect();
    assert_eq!((rows.len(), &rows[0]["after"]), (3, &json!({ "id": 1, "born": 1990 })));
    assert!(events.iter().all(|event| event["op"] != "load_end"), "what a part leaves out is not gone");
    let part = LoadPart { filter: None, columns: vec!["card".to_owned()] };
    let request = LoadRequest { part: Some(part), ..LoadRequest::default() };
    let refused = loader.begin(&request, &table("t"), None, &HashSet::new()).await.unwrap_err();
    assert_eq!(refused.code(), "CDC-MY-051", "{refused}");
}

#[tokio::test]
async fn how_much_there_is_is_estimated() {
    let world = World::new(Release::Mysql);
    fill(&world, 5000);
    world.run("CREATE TABLE text_key (k varchar(10) PRIMARY KEY); ANALYZE TABLE t");
    let estimate = binlog_reader::estimate(&world.options).await.unwrap();
    let [t, text_key] = &estimate.tables[..] else { panic!("{estimate:?}") };
    assert_eq!((t.name.table.as_str(), t.is_read_whole, text_key.is_read_whole), ("t", false, true));
    assert!((4000..6000).contains(&t.rows), "{t:?}");
    assert!(estimate.sample.rows == 5000 && estimate.sample.time_of(t.bytes).is_some(), "{estimate:?}");
}

#[tokio::test]
async fn an_enum_that_the_dictionary_can_not_tell_is_no_guess() {
    let world = World::new(Release::Mysql);
    world.run("CREATE TABLE t (id int PRIMARY KEY, e enum('🦀', '?') CHARACTER SET utf8mb4); INSERT INTO t VALUES (1, '🦀'), (2, '?')");
    let mut loader = Loader::open(&world.options).await.unwrap();
    begin(&mut loader, &table("t"), None).await;
    let (events, _) = read_to_end(&mut loader).await;
    let rows: Vec<_> = events.iter().filter(|event| event["op"] == "read").collect();
    assert_eq!((&rows[0]["after"]["e"], &rows[1]["after"]["e"]), (&json!("🦀"), &json!("?")));
    let mut session: Session = world.session().await;
    let shape = binlog_reader::shape_of(&mut session, &table("t")).await.unwrap().unwrap();
    assert!(
        shape.definition().columns[1].labels.is_empty(),
        "a shape without labels reads no row of the log"
    );
}

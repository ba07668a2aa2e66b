//! What each replica identity lets an event say, and what becomes its key.

use event::envelope::ChangeEvent;

use crate::replica::{lines, row};
use crate::world::{World, changes};

async fn streamed(setup: &str, statements: &str) -> Vec<ChangeEvent> {
    let world = World::shared().await;
    world.run(setup).await;
    world.run("CREATE PUBLICATION published FOR ALL TABLES").await;
    let start = world.slot().await;
    world.run(statements).await;
    let events = changes(&world.tail(start).await.until_now(&world.sql).await);
    let loaded = world.load("t").await;
    assert_eq!(
        events.last().unwrap().schema_fp,
        loaded.events[0].schema_fp,
        "a load and the stream do not agree on {setup}: {:?}",
        loaded.events[0].table_schema
    );
    events
}

fn keys(events: &[ChangeEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| event.key.as_ref().map_or_else(|| "none".to_owned(), |key| row(Some(key))))
        .collect()
}

#[tokio::test]
async fn the_primary_key() {
    let events = streamed(
        "CREATE TABLE t (a text, b int, c int, PRIMARY KEY (c, a))",
        "INSERT INTO t VALUES ('x', 1, 2); UPDATE t SET b = 3; UPDATE t SET c = 4; DELETE FROM t",
    )
    .await;
    assert_eq!(
        lines(&events),
        [
            "insert t(x,1,2)",
            "update t(x,3,2)",
            "delete t was (x,omitted,2)",
            "insert t(x,3,4)",
            "delete t was (x,omitted,4)"
        ]
    );
    assert_eq!(keys(&events), ["(x,2)", "(x,2)", "(x,2)", "(x,4)", "(x,4)"]);
    assert_eq!(events.iter().map(|event| event.part).collect::<Vec<_>>(), [0, 0, 1, 2, 0]);
    assert_eq!(events[2].tx_seq, events[3].tx_seq);
}

#[tokio::test]
async fn another_index() {
    let events = streamed(
        "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, v int); ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key",
        "INSERT INTO t VALUES (1, 'a', 0); UPDATE t SET id = 2; UPDATE t SET code = 'b'; DELETE FROM t",
    )
    .await;
    assert_eq!(
        lines(&events),
        [
            "insert t(1,a,0)",
            "update t(2,a,0)",
            "delete t was (omitted,a,omitted)",
            "insert t(2,b,0)",
            "delete t was (omitted,b,omitted)"
        ]
    );
    assert_eq!(keys(&events), ["(a)", "(a)", "(a)", "(b)", "(b)"]);
}

#[tokio::test]
async fn columns_that_an_index_only_includes_are_no_key() {
    let events = streamed(
        "CREATE TABLE t (id int, v int, w int, PRIMARY KEY (id) INCLUDE (v))",
        "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET v = 4",
    )
    .await;
    assert_eq!(lines(&events), ["insert t(1,2,3)", "update t(1,4,3)"]);
    assert_eq!(keys(&events), ["(1)", "(1)"]);
    let events = streamed(
        "CREATE TABLE t (id int, v int, w int, PRIMARY KEY (id) INCLUDE (v)); ALTER TABLE t REPLICA IDENTITY FULL",
        "INSERT INTO t VALUES (1, 2, 3); UPDATE t SET v = 4",
    )
    .await;
    assert_eq!(lines(&events), ["insert t(1,2,3)", "update t(1,4,3) was (1,2,3)"]);
    assert_eq!(keys(&events), ["(1)", "(1)"]);
}

#[tokio::test]
async fn nothing_but_inserts() {
    let events = streamed(
        "CREATE TABLE t (id int PRIMARY KEY, v int); ALTER TABLE t REPLICA IDENTITY NOTHING",
        "INSERT INTO t VALUES (1, 2); INSERT INTO t VALUES (3, 4)",
    )
    .await;
    assert_eq!(lines(&events), ["insert t(1,2)", "insert t(3,4)"]);
    assert_eq!(keys(&events), ["(1)", "(3)"]);
}

/// Such a key identifies no row for the log, nor for us: the row it stood for may change it later in the transaction.
#[tokio::test]
async fn a_deferrable_primary_key_is_none() {
    let events =
        streamed("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v int)", "INSERT INTO t VALUES (1, 2)")
            .await;
    assert_eq!(lines(&events), ["insert t(1,2)"]);
    assert_eq!(keys(&events), ["none"]);
}

#[tokio::test]
async fn whole_rows_with_a_primary_key() {
    let events = streamed(
        "CREATE TABLE t (v int, id int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY FULL",
        "INSERT INTO t VALUES (1, 2); UPDATE t SET v = 3; UPDATE t SET id = 4; DELETE FROM t",
    )
    .await;
    assert_eq!(
        lines(&events),
        [
            "insert t(1,2)",
            "update t(3,2) was (1,2)",
            "delete t was (3,2)",
            "insert t(3,4)",
            "delete t was (3,4)"
        ]
    );
    assert_eq!(keys(&events), ["(2)", "(2)", "(2)", "(4)", "(4)"]);
}

#[tokio::test]
async fn whole_rows_without_a_key() {
    let events = streamed(
        "CREATE TABLE t (v int, w text); ALTER TABLE t REPLICA IDENTITY FULL",
        "INSERT INTO t VALUES (1, NULL), (1, NULL); UPDATE t SET w = 'x'; DELETE FROM t",
    )
    .await;
    assert_eq!(
        lines(&events),
        [
            "insert t(1,)",
            "insert t(1,)",
            "update t(1,x) was (1,)",
            "update t(1,x) was (1,)",
            "delete t was (1,x)",
            "delete t was (1,x)"
        ]
    );
    assert!(events.iter().all(|event| event.key.is_none()));
}

/// Publishing these would make the application's own UPDATE and DELETE fail: each is refused by name, and nothing is
/// published.
#[tokio::test]
async fn tables_without_one_are_not_published() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE no_key (id int); \
             CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING; \
             CREATE TABLE deferrable_key (id int PRIMARY KEY DEFERRABLE); \
             CREATE TABLE dropped_index (id int NOT NULL); CREATE UNIQUE INDEX i ON dropped_index (id); \
             ALTER TABLE dropped_index REPLICA IDENTITY USING INDEX i; DROP INDEX i",
        )
        .await;
    let refused = world.try_publish().await.unwrap_err();
    assert_eq!(refused.code(), "CDC-PG-031", "{refused}");
    for name in ["no_key", "nothing", "deferrable_key", "dropped_index"] {
        assert!(refused.to_string().contains(&format!("public.{name}")), "{name}: {refused}");
        // It is as the refusal says.
        world.run(&format!("CREATE PUBLICATION trial FOR TABLE {name}; INSERT INTO {name} VALUES (1)")).await;
        assert!(world.sql.batch_execute(&format!("DELETE FROM {name}")).await.is_err(), "{name}");
        world.run("DROP PUBLICATION trial").await;
    }
    assert!(!refused.to_string().contains("public.good"), "{refused}");
    assert_eq!(world.text("SELECT count(*) FROM pg_publication").await, "0");
}
/// Under FULL pgoutput marks every column as key, and the primary key is asked for as it is when the reader comes there.
#[tokio::test]
async fn a_key_that_was_renamed_since() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t REPLICA IDENTITY FULL").await;
    let start = world.begin().await;
    world.run("INSERT INTO t VALUES (1, 'a'); ALTER TABLE t RENAME id TO number").await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    let insert = events.iter().find(|event| event.op() == event::envelope::Op::Insert).unwrap();
    assert!(insert.key.is_some(), "{insert:?}");
}

/// The table is gone by the time its rows are read; what it was known by is not.
#[tokio::test]
async fn a_key_whose_table_was_dropped_since() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t REPLICA IDENTITY FULL").await;
    let start = world.begin().await;
    let mut tail = world.tail(start).await;
    world.run("INSERT INTO t VALUES (1, 'a')").await;
    tail.until_now(&world.sql).await;
    world.run("BEGIN; ALTER TABLE t ADD more int; UPDATE t SET v = 'b'; DROP TABLE t; COMMIT").await;
    let events = tail.until_now(&world.sql).await;
    let update = events.iter().find(|event| event.op() == event::envelope::Op::Update).unwrap();
    assert!(update.key.is_some(), "{update:?}");
}

//! One TRUNCATE statement, several tables.

use std::sync::Arc;

use crate::replica::lines;
use crate::world::{World, changes, table};

#[tokio::test]
async fn each_table_of_a_cascade_is_a_part_of_one_change() {
    let mut world = World::shared().await;
    world
        .run(
            "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); \
             CREATE TABLE unwanted (id int PRIMARY KEY REFERENCES b); CREATE TABLE c (id int PRIMARY KEY REFERENCES unwanted)",
        )
        .await;
    world.run("CREATE PUBLICATION published FOR ALL TABLES").await;
    world.options.wanted = Arc::new(|name| name.table != "unwanted");
    let start = world.slot().await;
    world.run("BEGIN; INSERT INTO a VALUES (1); TRUNCATE a CASCADE; INSERT INTO a VALUES (2); COMMIT").await;
    let mut tail = world.tail(start).await;
    let events = changes(&tail.until_now(&world.sql).await);
    assert_eq!(lines(&events), ["insert a(1)", "truncate a", "truncate b", "truncate c", "insert a(2)"]);
    let places: Vec<(u64, u32, u64)> =
        events.iter().map(|event| (event.tx_seq, event.part, event.table_seq)).collect();
    assert_eq!(
        places,
        [(1, 0, 1), (2, 1, 2), (2, 2, 1), (2, 4, 1), (3, 0, 3)],
        "the unwanted table counts among the statement's"
    );
    assert_eq!(tail.table_seqs[&table("a")], 3);
    assert_eq!(tail.table_seqs.get(&table("unwanted")), None);
}

#[tokio::test]
async fn restarting_identities_is_no_event_of_its_own() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    for statements in [
        "INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES",
        "TRUNCATE u, t RESTART IDENTITY; INSERT INTO t DEFAULT VALUES",
        "BEGIN; TRUNCATE t; ROLLBACK",
    ] {
        world.run(statements).await;
    }
    assert_eq!(
        lines(&world.tail(start).await.until_now(&world.sql).await),
        ["insert t(1)", "insert t(2)", "truncate u", "truncate t", "insert t(1)"]
    );
}

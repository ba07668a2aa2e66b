//! Tables that the log does not have, or does not have yet.

use crate::replica::lines;
use crate::world::World;

#[tokio::test]
async fn unlogged_and_temporary_tables_are_left_out() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY); \
             CREATE TEMPORARY TABLE temporary (id int PRIMARY KEY)",
        )
        .await;
    let start = world.begin().await;
    let published = world.text("SELECT string_agg(tablename, ',') FROM pg_publication_tables").await;
    assert_eq!(published, "t");
    world
        .run(
            "INSERT INTO unlogged VALUES (1); INSERT INTO temporary VALUES (1); TRUNCATE unlogged; INSERT INTO t VALUES (1); \
             CREATE TEMPORARY TABLE later AS SELECT 1 AS id; CREATE UNLOGGED TABLE later_too AS SELECT 1 AS id",
        )
        .await;
    assert_eq!(lines(&world.tail(start).await.until_now(&world.sql).await), ["insert t(1)"]);
}

/// The rows that it had are in no event: a load has them. Rows written after SET LOGGED are in the stream if it was
/// published by then, as under FOR ALL TABLES.
#[tokio::test]
async fn a_table_that_is_set_logged_later() {
    let world = World::shared().await;
    world
        .run("CREATE UNLOGGED TABLE t (id int PRIMARY KEY); CREATE PUBLICATION published FOR ALL TABLES")
        .await;
    let start = world.slot().await;
    world.run("INSERT INTO t VALUES (1); ALTER TABLE t SET LOGGED; INSERT INTO t VALUES (2)").await;
    let loaded = world.load("t").await;
    assert_eq!(lines(&loaded.events), ["load of t", "read t(1)", "read t(2)", "2 rows of t"]);
    assert_eq!(lines(&world.tail(start).await.until_now(&world.sql).await), ["insert t(2)"]);
}

/// What moves or computes rows without writing any is in no event; a table made of a query is, row by row.
#[tokio::test]
async fn silent_mutations_and_create_table_as() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1); CREATE SEQUENCE s; \
             CREATE MATERIALIZED VIEW m AS SELECT id FROM t; CREATE PUBLICATION published FOR ALL TABLES",
        )
        .await;
    let start = world.slot().await;
    for statement in [
        "ALTER TABLE t ADD w int DEFAULT 7",
        "ALTER TABLE t ALTER v TYPE bigint USING v * 100",
        "CLUSTER t USING t_pkey",
        "VACUUM FULL t",
        "SELECT nextval('s')",
        "REFRESH MATERIALIZED VIEW m",
        "CREATE TABLE made AS SELECT id, w FROM t",
    ] {
        world.run(statement).await;
    }
    assert_eq!(lines(&world.tail(start).await.until_now(&world.sql).await), ["insert made(1,7)"]);
    let loaded = world.load("t").await;
    assert_eq!(lines(&loaded.events), ["load of t", "read t(1,100,7)", "1 rows of t"]);
}

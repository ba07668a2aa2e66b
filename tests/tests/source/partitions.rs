//! Partitions, published by themselves or through their root.

use crate::published::same_as;
use crate::replica::{Replica, lines};
use crate::world::{World, load};

const PARTITIONED: &str = "CREATE TABLE t (id int, region int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region); \
     CREATE TABLE one PARTITION OF t FOR VALUES IN (1); \
     CREATE TABLE two (v text, region int NOT NULL, id int NOT NULL); ALTER TABLE t ATTACH PARTITION two FOR VALUES IN (2); \
     INSERT INTO t SELECT g, g % 2 + 1, 'v' || g FROM generate_series(1, 20) g";

#[tokio::test]
async fn partitions_by_themselves() {
    let world = World::shared().await;
    world.run(PARTITIONED).await;
    let start = world.begin().await;
    // Both are read before anything moves: the slot's stream can be followed once only.
    let mut loader = world.loader().await;
    let (one, two) =
        (load(&mut loader, &world.pool, "one").await, load(&mut loader, &world.pool, "two").await);
    let mut replica = Replica::default();
    replica.take_all(&one.events);
    replica.take_all(&two.events);
    world.run("UPDATE t SET region = 2 WHERE id IN (2, 4); UPDATE t SET v = 'w' WHERE id IN (1, 2); DELETE FROM t WHERE id = 6").await;
    let mut fences = one.fences();
    two.add_to(&mut fences);
    replica.take_all(&world.tail_over(start, fences).await.until_now(&world.sql).await);
    assert_eq!(replica.rows("one"), world.rows("one").await);
    assert_eq!(replica.rows("two"), world.rows("two").await);
    assert_eq!(replica.rows("t"), [] as [&str; 0]);
}

#[tokio::test]
async fn partitions_through_their_root() {
    let world = World::shared().await;
    world.run(PARTITIONED).await;
    world.run("CREATE PUBLICATION published FOR TABLE t WITH (publish_via_partition_root)").await;
    let start = world.slot().await;
    same_as(
        &world,
        start,
        "t",
        "UPDATE t SET region = 2 WHERE id IN (2, 4); UPDATE t SET v = 'w' WHERE id IN (1, 2); DELETE FROM t WHERE id = 6; INSERT INTO two VALUES ('x', 2, 99)",
        "SELECT * FROM t",
    )
    .await;
}

const BY_THEMSELVES: &str = "CREATE PUBLICATION published FOR TABLE t";
const THROUGH_ROOT: &str = "CREATE PUBLICATION published FOR TABLE t WITH (publish_via_partition_root)";

/// What the stream says of these statements.
async fn streamed(publication: &str, statements: &str) -> Vec<String> {
    let world = World::shared().await;
    world.run(PARTITIONED).await;
    world.run(publication).await;
    let start = world.slot().await;
    world.run(statements).await;
    lines(&world.tail(start).await.until_now(&world.sql).await)
}

/// Each in its own order of columns.
#[tokio::test]
async fn a_row_that_moves_is_deleted_and_inserted() {
    let moved = "UPDATE t SET region = 2 WHERE id = 2";
    assert_eq!(streamed(BY_THEMSELVES, moved).await, ["delete one was (2,1,omitted)", "insert two(v2,2,2)"]);
    assert_eq!(streamed(THROUGH_ROOT, moved).await, ["delete t was (2,1,omitted)", "insert t(2,2,v2)"]);
}

/// From attaching on a partition's changes come, until it is detached. Of the rows that it brings or takes along, the
/// log says nothing: the table is to be read anew.
#[tokio::test]
async fn attached_and_detached_while_streaming() {
    let statements = "CREATE TABLE three (v text, id int NOT NULL, region int NOT NULL); INSERT INTO three VALUES ('before', 30, 3); \
         ALTER TABLE t ATTACH PARTITION three FOR VALUES IN (3); INSERT INTO t VALUES (31, 3, 'after'); \
         UPDATE t SET v = 'x' WHERE id = 30; ALTER TABLE t DETACH PARTITION one; INSERT INTO one VALUES (40, 1, 'gone'); \
         DELETE FROM one WHERE id = 2; DROP TABLE one";
    assert_eq!(
        streamed(BY_THEMSELVES, statements).await,
        ["insert three(after,31,3)", "update three(x,30,3)"]
    );
    assert_eq!(streamed(THROUGH_ROOT, statements).await, ["insert t(31,3,after)", "update t(30,3,x)"]);
}

/// Through the root, only the root's own TRUNCATE is told of.
#[tokio::test]
async fn truncated() {
    let leaf = "TRUNCATE one";
    assert_eq!(streamed(BY_THEMSELVES, leaf).await, ["truncate one"]);
    assert_eq!(streamed(THROUGH_ROOT, leaf).await, [] as [&str; 0]);
    let root = "TRUNCATE t";
    assert_eq!(streamed(BY_THEMSELVES, root).await, ["truncate one", "truncate two"]);
    assert_eq!(streamed(THROUGH_ROOT, root).await, ["truncate t"]);
}

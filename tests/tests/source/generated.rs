//! Columns that the server computes are there if the publication has them, in a load as in the stream.

use crate::published::same_as;
use crate::replica::lines;
use crate::world::World;

async fn left_out(version: u32) {
    let world = World::own(version, &[]).await;
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, double int GENERATED ALWAYS AS (id * 2) STORED, v text); \
             ALTER TABLE t ADD gone int; ALTER TABLE t DROP gone; ALTER TABLE t ADD late text DEFAULT 'late'; \
             INSERT INTO t (id, v) VALUES (1, 'a'), (2, NULL)",
        )
        .await;
    let start = world.begin().await;
    same_as(
        &world,
        start,
        "t",
        "INSERT INTO t (id, v) VALUES (3, 'c'); UPDATE t SET v = 'b' WHERE id = 2",
        "SELECT id, v, late FROM t",
    )
    .await;
}

#[tokio::test]
async fn left_out_14() {
    left_out(14).await;
}

#[tokio::test]
async fn left_out_17() {
    left_out(17).await;
}

#[tokio::test]
async fn left_out_18() {
    left_out(18).await;
}

/// Virtual ones are never published.
const GENERATED: &str = "CREATE TABLE t (id int PRIMARY KEY, double int GENERATED ALWAYS AS (id * 2) STORED, \
     triple int GENERATED ALWAYS AS (id * 3) VIRTUAL, v text, length int GENERATED ALWAYS AS (length(v)) STORED); \
     INSERT INTO t (id, v) VALUES (1, 'a'), (2, NULL), (3, 'ccc')";
const CHANGES: &str = "INSERT INTO t (id, v) VALUES (4, 'dddd'); UPDATE t SET v = 'bb' WHERE id = 2; \
     UPDATE t SET id = 5 WHERE id = 1; DELETE FROM t WHERE id = 3";

#[tokio::test]
async fn published_as_stored() {
    let world = World::own(18, &[]).await;
    world.run(GENERATED).await;
    world.run("CREATE PUBLICATION published FOR TABLE t WITH (publish_generated_columns = stored)").await;
    let start = world.slot().await;
    same_as(&world, start, "t", CHANGES, "SELECT id, double, v, length FROM t").await;
}

#[tokio::test]
async fn published_by_a_column_list() {
    let world = World::own(18, &[]).await;
    world.run(GENERATED).await;
    world.run("CREATE PUBLICATION published FOR TABLE t (length, id)").await;
    let start = world.slot().await;
    same_as(&world, start, "t", CHANGES, "SELECT id, length FROM t").await;
}

#[tokio::test]
async fn in_whole_old_rows() {
    let world = World::own(18, &[]).await;
    world.run(GENERATED).await;
    // The server would refuse the UPDATE.
    world.run("ALTER TABLE t DROP triple; ALTER TABLE t REPLICA IDENTITY FULL").await;
    world.run("CREATE PUBLICATION published FOR TABLE t WITH (publish_generated_columns = stored)").await;
    let start = world.slot().await;
    world.run("UPDATE t SET v = 'bb' WHERE id = 1; DELETE FROM t WHERE id = 3").await;
    assert_eq!(
        lines(&world.tail(start).await.until_now(&world.sql).await),
        ["update t(1,2,bb,2) was (1,2,a,1)", "delete t was (3,6,ccc,3)"]
    );
}

const IN_A_KEY: &str = "CREATE TABLE t (id int, twice int GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY, v int); \
     INSERT INTO t (id, v) VALUES (1, 1), (2, 2)";

/// Before 18 the old row's image lacks the column that the row would be found by; since then the server refuses the
/// application's UPDATE and DELETE.
#[tokio::test]
async fn in_a_key() {
    for version in [17, 18] {
        let world = World::own(version, &[]).await;
        world.run(IN_A_KEY).await;
        let refused = world.try_publish().await.unwrap_err();
        assert_eq!(refused.code(), "CDC-PG-031", "{refused}");
        assert!(refused.to_string().contains("public.t"), "{refused}");

        world.run("CREATE PUBLICATION published FOR TABLE t").await;
        let start = world.slot().await;
        let changed = world.sql.batch_execute("DELETE FROM t WHERE id = 2").await;
        assert_eq!(changed.is_ok(), version < 18, "{changed:?}");
        if version < 18 {
            let failed = world.tail(start).await.failure().await;
            assert_eq!(failed.code(), "CDC-PG-035", "{failed}");
            assert!(failed.to_string().contains("public.t"), "{failed}");
            // As the refusals say.
            world.run("ALTER TABLE t REPLICA IDENTITY FULL; DROP PUBLICATION published").await;
            world.publish().await;
        } else {
            world.run("DROP PUBLICATION published; CREATE PUBLICATION published WITH (publish_generated_columns = stored)").await;
            world.publish().await;
            world.run("DELETE FROM t WHERE id = 2").await;
        }
    }
}

/// Under FULL every column counts, and virtual ones are never published.
#[tokio::test]
async fn virtual_ones_under_full() {
    let world = World::own(18, &[]).await;
    world.run(GENERATED).await;
    world.run("ALTER TABLE t REPLICA IDENTITY FULL").await;
    let refused = world.try_publish().await.unwrap_err();
    assert_eq!(refused.code(), "CDC-PG-031", "{refused}");
    world.run("CREATE PUBLICATION published FOR TABLE t WITH (publish_generated_columns = stored)").await;
    assert!(world.sql.batch_execute("DELETE FROM t WHERE id = 2").await.is_err());
}

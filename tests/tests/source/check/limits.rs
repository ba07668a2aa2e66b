use super::{findings, is_gone, is_mended, never_ran};
use crate::world::World;

const TABLE: &str = "CREATE TABLE t (tenant int, id int, \"Note\" text, total int, PRIMARY KEY (tenant, id)); \
                     INSERT INTO t VALUES (1, 1, 'a', 5)";
const UPDATE: &str = "UPDATE t SET total = total + 1";

#[tokio::test]
async fn a_column_list_without_the_key() {
    let world = World::shared().await;
    world.run(TABLE).await;
    world.run("CREATE PUBLICATION published FOR TABLE t (id, \"Note\")").await;
    assert!(world.sql.batch_execute(UPDATE).await.is_err(), "the application fails");
    is_mended(&world, &never_ran(), "CDC-PG-051", &["column list of public.t", "identity: tenant"]).await;
    world.run(UPDATE).await;
    // What was not published before is not published now.
    let listed =
        "SELECT array_to_string(attnames, ',') FROM pg_publication_tables WHERE pubname = 'published'";
    assert_eq!(world.text(listed).await, "tenant,id,Note");
}

#[tokio::test]
async fn a_column_list_beside_a_full_replica_identity() {
    let world = World::shared().await;
    world.run(TABLE).await;
    world.run("ALTER TABLE t REPLICA IDENTITY FULL; CREATE PUBLICATION published FOR TABLE t (tenant, id) WHERE (total > 3)").await;
    assert!(world.sql.batch_execute(UPDATE).await.is_err(), "the application fails");
    is_mended(&world, &never_ran(), "CDC-PG-051", &["column list of public.t", "\"Note\", total"]).await;
    world.run(UPDATE).await;
    let filter = "SELECT rowfilter FROM pg_publication_tables WHERE pubname = 'published'";
    assert_eq!(world.text(filter).await, "(total > 3)");
}

#[tokio::test]
async fn a_row_filter_on_a_column_outside_of_the_key() {
    let world = World::shared().await;
    world.run(TABLE).await;
    world
        .run("CREATE PUBLICATION published FOR TABLE t WHERE (tenant < 9 AND total > 3 AND \"Note\" <> 'x')")
        .await;
    assert!(world.sql.batch_execute(UPDATE).await.is_err(), "the application fails");
    is_mended(
        &world,
        &never_ran(),
        "CDC-PG-052",
        &["row filter of public.t", "replica identity: \"Note\", total"],
    )
    .await;
    world.run(UPDATE).await;
}

#[tokio::test]
async fn limits_that_do_no_harm() {
    let world = World::shared().await;
    world.run(TABLE).await;
    world.run("CREATE TABLE u (a int PRIMARY KEY, b int NOT NULL UNIQUE, c int); ALTER TABLE u REPLICA IDENTITY USING INDEX u_b_key").await;
    world.run("CREATE PUBLICATION published FOR TABLE t (tenant, id, total) WHERE (tenant > 3), u (b, c) WHERE (b > 1)").await;
    world.run(UPDATE).await;
    let all = findings(&world, &never_ran()).await;
    for code in ["CDC-PG-051", "CDC-PG-052"] {
        assert!(is_gone(&world, &never_ran(), code, &[]).await, "{all:#?}");
    }
}

use super::{as_role, found, is_mended, never_ran};
use crate::world::World;

#[tokio::test]
async fn tables_without_a_replica_identity() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE keyless (id int); \
             CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE); \
             CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING; \
             CREATE TABLE dropped (id int NOT NULL, CONSTRAINT u UNIQUE (id)); \
             ALTER TABLE dropped REPLICA IDENTITY USING INDEX u; ALTER TABLE dropped DROP CONSTRAINT u; \
             CREATE TABLE fine (id int PRIMARY KEY)",
        )
        .await;
    let words = [
        "public.keyless (no primary key)",
        "public.deferred (its primary key is deferrable, which counts as none)",
        "public.nothing (REPLICA IDENTITY NOTHING)",
        "public.dropped (the index of its replica identity was dropped)",
    ];
    let finding = found(&world, &never_ran(), "CDC-PG-031", &words).await;
    assert!(!finding.is_warning && !finding.explanation.what.contains("fine"), "{finding:?}");
    is_mended(&world, &never_ran(), "CDC-PG-031", &words).await;
}

#[tokio::test]
async fn tables_that_were_published_without_a_replica_identity() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, note text); INSERT INTO t VALUES (1)").await;
    world.run("CREATE PUBLICATION published FOR TABLE t").await;
    assert!(world.sql.batch_execute("UPDATE t SET note = 'x'").await.is_err(), "the application fails");
    let words = ["published without a replica identity: public.t", "deferrable"];
    assert!(found(&world, &never_ran(), "CDC-PG-031", &words).await.is_warning);
    is_mended(&world, &never_ran(), "CDC-PG-031", &words).await;
    world.run("UPDATE t SET note = 'x'").await;
}

#[tokio::test]
async fn a_publication_that_leaves_out_operations() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    world.run("CREATE PUBLICATION published FOR TABLE t WITH (publish = 'insert, update')").await;
    is_mended(&world, &never_ran(), "CDC-PG-022", &["leaves out DELETE, TRUNCATE"]).await;
}

#[tokio::test]
async fn a_publication_that_this_role_may_not_make() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)").await;
    let role = as_role(&mut world, "REPLICATION").await;
    world.run(&format!("GRANT SELECT ON a, b TO {role}")).await;
    is_mended(&world, &never_ran(), "CDC-PG-021", &["does not exist", "public\".\"a", "public\".\"b"]).await;
    world.run("CREATE TABLE c (id int PRIMARY KEY)").await;
    is_mended(&world, &never_ran(), "CDC-PG-021", &["lacks tables", "public\".\"c"]).await;
}

#[tokio::test]
async fn patterns_that_match_nothing() {
    let world = World::shared().await;
    found(&world, &never_ran(), "CDC-PG-032", &["no table matches"]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    assert!(super::is_gone(&world, &never_ran(), "CDC-PG-032", &[]).await);
}

use super::{as_role, found, is_mended, never_ran};
use crate::world::World;

#[tokio::test]
async fn a_table_that_may_not_be_read() {
    let mut world = World::shared().await;
    world.run("CREATE SCHEMA closed; CREATE TABLE closed.t (id int PRIMARY KEY); CREATE PUBLICATION published FOR TABLE closed.t").await;
    as_role(&mut world, "REPLICATION").await;
    is_mended(&world, &never_ran(), "CDC-PG-033", &["closed.t", "no right to SELECT"]).await;
}

#[tokio::test]
async fn a_policy_that_would_hide_rows() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE PUBLICATION published FOR TABLE t").await;
    let role = as_role(&mut world, "REPLICATION").await;
    world.run(&format!("GRANT SELECT ON t TO {role}")).await;
    is_mended(&world, &never_ran(), "CDC-PG-033", &["public.t", "row-level security"]).await;
}

/// All else is asked nevertheless.
#[tokio::test]
async fn a_role_that_may_not_read_the_log() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION published FOR TABLE t").await;
    let role = as_role(&mut world, "").await;
    found(&world, &never_ran(), "CDC-PG-033", &["public.t"]).await;
    is_mended(&world, &never_ran(), "CDC-PG-043", &[&role, "as a superuser"]).await;
}

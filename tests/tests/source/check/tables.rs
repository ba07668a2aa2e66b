use std::time::Duration;

use super::{found, is_gone, is_mended, never_ran};
use crate::world::World;

#[tokio::test]
async fn unlogged_tables_that_the_patterns_match() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE UNLOGGED TABLE u (id int PRIMARY KEY)").await;
    world.run("CREATE UNLOGGED TABLE not_wanted (id int PRIMARY KEY)").await;
    world.options.wanted = std::sync::Arc::new(|name| name.table != "not_wanted");
    let finding = found(&world, &never_ran(), "CDC-PG-050", &["public.u", "left out"]).await;
    assert!(finding.is_warning && !finding.explanation.what.contains("not_wanted"), "{finding:?}");
    is_mended(&world, &never_ran(), "CDC-PG-050", &["public.u"]).await;
}

#[tokio::test]
async fn large_tables_that_are_read_under_one_snapshot() {
    let mut world = World::shared().await;
    world.options.load_unit_rows = 10;
    world
        .run(
            "CREATE TABLE named (name text PRIMARY KEY); INSERT INTO named SELECT g FROM generate_series(1, 500) g; \
             CREATE TABLE numbered (id int PRIMARY KEY); INSERT INTO numbered SELECT generate_series(1, 500); \
             CREATE TABLE few (name text PRIMARY KEY); ANALYZE",
        )
        .await;
    assert!(
        is_gone(&world, &never_ran(), "CDC-PG-057", &[]).await,
        "without a bound there is nothing to exceed"
    );
    world.options.snapshot_max = Some(Duration::from_secs(3600));
    let finding =
        found(&world, &never_ran(), "CDC-PG-057", &["public.named", "60 minutes", "snapshot_max_minutes"])
            .await;
    assert!(
        !finding.explanation.what.contains("numbered") && !finding.explanation.what.contains("few"),
        "{finding:?}"
    );
    // The remedy: a key that bounds ranges.
    world.run("ALTER TABLE named DROP CONSTRAINT named_pkey, ADD COLUMN id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY").await;
    assert!(is_gone(&world, &never_ran(), "CDC-PG-057", &[]).await);
}

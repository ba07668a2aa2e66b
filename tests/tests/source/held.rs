//! Nothing is held longer than it may: the snapshot of a load, and what is known of a slot that nobody reads.

use std::time::Duration;

use wal_reader::watch::look;
use wal_reader::wire::Mode;

use crate::world::{World, begin, try_read, wait_until};

#[tokio::test]
async fn a_snapshot_that_is_held_too_long() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE t (name text PRIMARY KEY); INSERT INTO t SELECT g FROM generate_series(1, 100000) g").await;
    world.begin().await;
    world.options.snapshot_max = Some(Duration::from_millis(1));
    let mut loader = world.loader().await;
    begin(&mut loader, "t", None).await;
    let Err(error) = try_read(&mut loader, &world.pool).await else { panic!("was not given up") };
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-057", false), "{error}");
    for word in ["public.t", "snapshot_max_minutes", "primary key"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    drop(loader);
    let own = format!("datname = '{}' AND pid <> pg_backend_pid()", world.options.connection.database());
    wait_until(
        &world.sql,
        &format!("SELECT bool_and(backend_xmin IS NULL) IS NOT false FROM pg_stat_activity WHERE {own}"),
    )
    .await;
}

#[tokio::test]
async fn the_time_that_an_idle_slot_has_left() {
    let world = World::own(18, &[("idle_replication_slot_timeout", "1h")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    let mut sql = world.wire(Mode::Sql).await;
    let idle = look(&mut sql, &world.options.slot).await.unwrap().idle.expect("nobody reads it");
    assert!(idle.limit_seconds == 3600 && (3000..=3600).contains(&idle.left_seconds), "{idle:?}");
    let _tail = world.tail(start).await;
    assert_eq!(look(&mut sql, &world.options.slot).await.unwrap().idle, None, "somebody reads it");
}

//! How far the log was read, and that the server hears of it.

use end_to_end::servers::Stop;
use event::{Position, Source as _};

use crate::replica::lines;
use crate::world::{World, run, soon, wait_until};

/// Another database writes WAL that the slot must not hold on to.
#[tokio::test]
async fn an_idle_database_s_position_moves_with_its_neighbours() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    world.run("CREATE DATABASE neighbour").await;
    let start = world.begin().await;
    let mut tail = world.tail(start).await;
    let neighbour = world.postgres().connect("neighbour").await;
    run(&neighbour, "CREATE TABLE t AS SELECT generate_series(1, 10000)").await;
    let end = world.lsn("SELECT pg_current_wal_insert_lsn()").await;
    assert!(end > start);
    while tail.reached < end {
        assert_eq!(lines(&tail.fill().await.unwrap()), [] as [&str; 0]);
    }
    let reached = tail.reached;
    tail.stream.release(&Position::Postgres(reached));
    tail.stream.release(&Position::Postgres(start));
    let confirmed = format!(
        "SELECT confirmed_flush_lsn = '{reached}' FROM pg_replication_slots WHERE slot_name = '{}'",
        world.options.slot
    );
    wait_until(&world.sql, &confirmed).await;
    assert!(tail.stream.passed() >= reached.into() && tail.stream.log_end() >= reached.into());
    // Nothing of ours was skipped over.
    run(&world.sql, "INSERT INTO t VALUES (1)").await;
    assert_eq!(lines(&tail.until_now(&world.sql).await), ["insert t(1)"]);
}

#[tokio::test]
async fn closing_tells_the_last_position() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    let mut tail = world.tail(start).await;
    world.run("INSERT INTO t VALUES (1)").await;
    tail.until_now(&world.sql).await;
    let reached = tail.reached;
    tail.stream.release(&Position::Postgres(reached));
    tail.stream.close().await.unwrap();
    let left = format!(
        "SELECT NOT active AND confirmed_flush_lsn = '{reached}' FROM pg_replication_slots WHERE slot_name = '{}'",
        world.options.slot
    );
    wait_until(&world.sql, &left).await;
}

/// A server that stops waits until its readers have confirmed all that there is.
#[tokio::test]
async fn a_server_can_stop_beside_an_open_stream() {
    let mut world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    let mut tail = world.tail(start).await;
    world.run("INSERT INTO t SELECT generate_series(1, 1000)").await;
    tail.until_now(&world.sql).await;
    let reading = tokio::spawn(async move {
        loop {
            let reached = tail.reached;
            tail.stream.release(&Position::Postgres(reached));
            if let Err(error) = tail.fill().await {
                return error;
            }
        }
    });
    let world = tokio::task::spawn_blocking(move || {
        world.postgres_mut().stop(Stop::Fast);
        world
    });
    let world = soon("the server to stop", world).await.unwrap();
    let error = soon("the stream to end", reading).await.unwrap();
    assert!(error.is_retryable(), "{error}");
    assert!(matches!(error.code(), "CDC-PG-011" | "CDC-PG-010" | "CDC-PG-008"), "{error}");
    drop(world);
}

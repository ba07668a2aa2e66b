use super::{found, is_gone, is_mended, saved_at};
use crate::world::World;

/// As much WAL as this server would not keep for itself.
async fn write_much(world: &World) {
    for _ in 0..5 {
        world.run("SELECT pg_logical_emit_message(false, 'filler', ''), pg_switch_wal()").await;
    }
}

#[tokio::test]
async fn slots_that_nobody_reads() {
    let world = World::own(15, &[("min_wal_size", "32MB"), ("max_wal_size", "32MB")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    world.run("SELECT pg_create_logical_replication_slot('forgotten', 'test_decoding')").await;
    world.run("SELECT pg_create_physical_replication_slot('standby', true)").await;
    let known = saved_at(start);
    assert!(is_gone(&world, &known, "CDC-PG-054", &[]).await, "hardly anything is kept yet");
    write_much(&world).await;
    for name in ["forgotten", "standby"] {
        is_mended(&world, &known, "CDC-PG-054", &[name, "MB of WAL"]).await;
    }
    let own = found(&world, &known, "CDC-PG-054", &[&world.options.slot, "cdc run"]).await;
    assert!(own.is_warning && own.explanation.sql.is_empty(), "{own:?}");
    let _tail = world.tail(start).await;
    let running = wal_reader::Known { is_running: true, ..known };
    assert!(is_gone(&world, &running, "CDC-PG-054", &[]).await);
}

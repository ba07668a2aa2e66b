use wal_reader::wire::Mode;

use super::{found, is_gone, is_mended, saved_at};
use crate::world::World;

#[tokio::test]
async fn a_slot_that_a_failover_would_lose() {
    let world = World::own(17, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    world.publish().await;
    let create =
        format!("SELECT lsn FROM pg_create_logical_replication_slot('{}', 'pgoutput')", world.options.slot);
    let known = saved_at(world.lsn(&create).await);
    assert!(is_gone(&world, &known, "CDC-PG-056", &[]).await, "there is no standby");
    world.run("SELECT pg_create_physical_replication_slot('standby')").await;
    let words = ["not a failover slot", &world.options.slot, "slots standby"];
    let finding = found(&world, &known, "CDC-PG-056", &words).await;
    let mut replication = world.wire(Mode::Replication).await;
    for statement in &finding.explanation.sql {
        replication.execute(statement.trim_end_matches(';')).await.unwrap();
    }
    assert!(is_gone(&world, &known, "CDC-PG-056", &words).await);
    is_mended(&world, &known, "CDC-PG-056", &["synchronized_standby_slots is empty"]).await;
}

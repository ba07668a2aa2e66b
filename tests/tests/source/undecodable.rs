//! What the server itself cannot send.

use crate::world::World;

/// As text, in hexadecimal, it is longer than any allocation of the server's. Trying again would not help.
#[tokio::test]
async fn a_value_of_540_mb_stops_the_pipeline() {
    let world = World::own(15, &[]).await;
    world
        .run("CREATE TABLE t (id int PRIMARY KEY, v bytea); ALTER TABLE t ALTER v SET STORAGE EXTERNAL")
        .await;
    let start = world.begin().await;
    world.run("INSERT INTO t VALUES (1, repeat('x', 540000000)::bytea)").await;
    let mut tail = world.tail(start).await;
    let failed = tail.failure().await;
    assert_eq!(failed.code(), "CDC-PG-030", "{failed}");
    assert!(!failed.is_retryable());
    assert!(failed.to_string().contains(&tail.reached.to_string()), "{failed}");
}

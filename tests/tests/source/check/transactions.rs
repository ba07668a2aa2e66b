use super::{found, is_gone, is_mended, never_ran, saved_at};
use crate::world::{World, run};

/// Without a slot, every open transaction would make its creation wait.
#[tokio::test]
async fn an_open_transaction_before_there_is_a_slot() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let open = world.connect().await;
    run(&open, "SET application_name = 'forgetful'; BEGIN; INSERT INTO t VALUES (1)").await;
    let words = ["user postgres", "application forgetful", "idle in transaction", "open for "];
    assert!(found(&world, &never_ran(), "CDC-PG-039", &words).await.is_warning);
    is_mended(&world, &never_ran(), "CDC-PG-039", &words).await;
    assert!(open.batch_execute("COMMIT").await.is_err(), "it was ended");
    let start = world.begin().await;
    let open = world.connect().await;
    run(&open, "BEGIN; INSERT INTO t VALUES (1)").await;
    assert!(is_gone(&world, &saved_at(start), "CDC-PG-039", &[]).await, "the slot is there");
}

/// It waits for nobody to go away, so it is told of in any case.
#[tokio::test]
async fn a_forgotten_prepared_transaction() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    for known in [never_ran(), saved_at(start)] {
        world.run("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'it''s forgotten'").await;
        let words = ["prepared transaction 'it''s forgotten'", "of postgres in database postgres"];
        is_mended(&world, &known, "CDC-PG-039", &words).await;
    }
}

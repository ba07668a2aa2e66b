use wal_reader::wire::Config;

use super::{found, is_gone, is_mended, never_ran};
use crate::world::World;

#[tokio::test]
async fn a_log_without_row_changes() {
    let mut world = World::own(15, &[("wal_level", "replica")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let finding = found(&world, &never_ran(), "CDC-PG-020", &["wal_level is `replica`", "restart"]).await;
    for statement in &finding.explanation.sql {
        world.run(statement).await;
    }
    world.postgres_mut().restart();
    world.reconnect().await;
    assert!(is_gone(&world, &never_ran(), "CDC-PG-020", &[]).await);
}

#[tokio::test]
async fn no_slot_and_no_sender_is_left() {
    let world = World::own(15, &[("max_replication_slots", "1"), ("max_wal_senders", "1")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    world.begin().await;
    found(&world, &never_ran(), "CDC-PG-037", &["all of max_replication_slots are taken"]).await;
    world.run(&format!("SELECT pg_drop_replication_slot('{}')", world.options.slot)).await;
    assert!(is_gone(&world, &never_ran(), "CDC-PG-037", &[]).await);
}

#[tokio::test]
async fn wal_without_a_limit() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    is_mended(&world, &never_ran(), "CDC-PG-038", &["max_slot_wal_keep_size is unlimited"]).await;
}

#[tokio::test]
async fn a_timeout_of_idle_slots() {
    let world =
        World::own(18, &[("idle_replication_slot_timeout", "2h"), ("max_slot_wal_keep_size", "1GB")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    is_mended(&world, &never_ran(), "CDC-PG-038", &["idle_replication_slot_timeout is set"]).await;
}

#[tokio::test]
async fn encodings() {
    for encoding in ["SQL_ASCII", "LATIN1", "EUC_JP", "MULE_INTERNAL"] {
        let mut world = World::shared().await;
        let database = format!("{}_{}", world.options.connection.database(), encoding.to_lowercase());
        world
            .run(&format!(
                "CREATE DATABASE {database} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            ))
            .await;
        world.options.connection = Config::parse(&world.postgres().url(&database)).unwrap();
        match encoding {
            "SQL_ASCII" => drop(found(&world, &never_ran(), "CDC-PG-053", &[encoding, "UTF-8"]).await),
            // The one that the server has no conversion for: it lets nobody in who asks for UTF-8.
            "MULE_INTERNAL" => {
                let refused = wal_reader::check(&world.options, never_ran()).await.unwrap_err().to_string();
                assert!(refused.contains("conversion between UTF8 and MULE_INTERNAL"), "{refused}");
            }
            _ => assert!(is_gone(&world, &never_ran(), "CDC-PG-053", &[]).await, "{encoding} is converted"),
        }
    }
}

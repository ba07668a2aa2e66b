//! Slots and publications from which nothing can be read without a loss: each is refused by name.

use std::collections::HashSet;

use event::Lsn;
use wal_reader::wire::Mode;
use wal_reader::{Error, Stream, slot};

use crate::world::{Tail, World, soon, table, wait_until};

async fn opened(world: &World, position: Lsn) -> Result<Stream, Error> {
    soon("the stream", Stream::open(&world.options, position, [])).await
}

fn refused<T>(result: Result<T, Error>, code: &str, words: &[&str]) {
    let Err(error) = result else { panic!("was not refused") };
    is_refusal(&error, code, words);
}

fn is_refusal(error: &Error, code: &str, words: &[&str]) {
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.is_retryable(), "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word} is not in: {error}");
    }
}

async fn found(world: &World) -> slot::Slot {
    slot::find(&mut world.wire(Mode::Sql).await, &world.options.slot).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_slot_that_is_missing() {
    let world = World::shared().await;
    assert_eq!(slot::find(&mut world.wire(Mode::Sql).await, &world.options.slot).await.unwrap(), None);
    refused(opened(&world, Lsn::from(0x100_0000)).await, "CDC-PG-024", &[&world.options.slot, "0/1000000"]);
}

#[tokio::test]
async fn a_slot_that_somebody_else_reads() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    let _reader = world.tail(start).await;
    let Err(error) = opened(&world, start).await else { panic!("two readers of one slot") };
    assert!(error.is_retryable(), "{error}");
    assert!(found(&world).await.active_pid.is_some());
}

#[tokio::test]
async fn a_slot_that_was_moved_ahead() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    let database = world.options.connection.database();
    found(&world).await.check(database, start, [table("t")]).unwrap();
    world.run("INSERT INTO t VALUES (1)").await;
    let slot = &world.options.slot;
    world.run(&format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())")).await;
    let ahead = found(&world).await.check(database, start, [table("t")]).map_err(Error::from);
    refused(ahead, "CDC-PG-026", &[slot, &start.to_string(), "public.t"]);
}

#[tokio::test]
async fn a_slot_of_another_kind_or_database() {
    let world = World::shared().await;
    let slot = &world.options.slot;
    let database = world.options.connection.database();
    world.slot().await;
    refused(
        found(&world).await.check_kind("elsewhere").map_err(Error::from),
        "CDC-PG-025",
        &[slot, database, "elsewhere"],
    );
    let drop_slot = format!("SELECT pg_drop_replication_slot('{slot}')");
    world.run(&drop_slot).await;
    world.run(&format!("SELECT pg_create_physical_replication_slot('{slot}')")).await;
    let physical = found(&world).await.check(database, Lsn::ZERO, [table("t")]).map_err(Error::from);
    refused(physical, "CDC-PG-025", &[slot, "physical"]);
    world.run(&drop_slot).await;
    world.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')")).await;
    let other = found(&world).await.check(database, Lsn::ZERO, [table("t")]).map_err(Error::from);
    refused(other, "CDC-PG-025", &[slot, "test_decoding"]);
    world.run(&drop_slot).await;
}

#[tokio::test]
async fn a_slot_whose_log_is_gone() {
    let world = World::own(
        15,
        &[("max_slot_wal_keep_size", "16MB"), ("min_wal_size", "32MB"), ("max_wal_size", "32MB")],
    )
    .await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    for _ in 0..5 {
        world.run("SELECT pg_logical_emit_message(false, 'filler', ''), pg_switch_wal(); CHECKPOINT").await;
    }
    let lost = found(&world).await;
    assert_eq!(lost.wal_status.as_deref(), Some("lost"));
    let checked = lost.check("postgres", start, [table("t")]).map_err(Error::from);
    refused(checked, "CDC-PG-023", &[&world.options.slot, &start.to_string()]);
    refused(opened(&world, start).await, "CDC-PG-023", &[&world.options.slot]);
}

#[tokio::test]
async fn a_log_without_row_changes() {
    let world = World::own(15, &[("wal_level", "replica")]).await;
    let created = slot::create(&mut world.wire(Mode::Sql).await, "s").await;
    refused(created, "CDC-PG-020", &["replica", "ALTER SYSTEM SET wal_level = 'logical'"]);
}

/// The server looks the publication up as it was at each change: what was written while there was none is lost.
async fn a_publication_that_was_not_always_there(version: u32) {
    for setup in ["DROP PUBLICATION published", "SELECT 1"] {
        let world = World::own(version, &[("client_min_messages", "error")]).await;
        world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
        if setup != "SELECT 1" {
            world.publish().await;
        }
        let start = world.slot().await;
        world.run(setup).await;
        world.run("INSERT INTO t VALUES (1)").await;
        world.publish().await;
        world.run("INSERT INTO t VALUES (2)").await;
        let mut tail: Tail = world.tail(start).await;
        is_refusal(&tail.failure().await, "CDC-PG-030", &["published"]);
    }
}

#[tokio::test]
async fn a_publication_that_was_not_always_there_15() {
    a_publication_that_was_not_always_there(15).await;
}

#[tokio::test]
async fn a_publication_that_was_not_always_there_18() {
    a_publication_that_was_not_always_there(18).await;
}

#[tokio::test]
async fn a_slot_that_reports_what_it_holds() {
    let world = World::shared().await;
    let start = world.slot().await;
    let all = slot::all(&mut world.wire(Mode::Sql).await).await.unwrap();
    let mine = all.iter().find(|slot| slot.name == world.options.slot).unwrap();
    assert_eq!((mine.plugin.as_deref(), mine.confirmed), (Some("pgoutput"), Some(start)));
    assert!(mine.held_bytes.is_some());
    assert_eq!(all.iter().map(|slot| &slot.name).collect::<HashSet<_>>().len(), all.len());
    slot::drop(&mut world.wire(Mode::Sql).await, &world.options.slot).await.unwrap();
    let gone =
        format!("SELECT count(*) = 0 FROM pg_replication_slots WHERE slot_name = '{}'", world.options.slot);
    wait_until(&world.sql, &gone).await;
}

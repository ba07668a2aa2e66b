//! Tables that are altered while a pipeline begins. Of what happens while a slot is created, the server forgets some, and
//! would decode rows by what the table was before.

use std::pin::pin;
use std::time::Duration;

use end_to_end::servers::Postgres;
use wal_reader::slot;
use wal_reader::wire::Mode;

use crate::replica::lines;
use crate::settle::{begin_with_xid, wait_for_waiter};
use crate::world::{World, run, soon, table, wait_until};

/// The server waits for two generations of transactions, and takes no note of what commits before the first has ended.
/// `further`: alterations go on until there is a slot.
async fn while_it_waits(version: u32, further: bool) {
    let world = World::own(version, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, old text); CREATE TABLE other (id int PRIMARY KEY)").await;
    world.publish().await;
    let (first, second, third) = (world.connect().await, world.connect().await, world.connect().await);
    let first_xid = begin_with_xid(&first).await;
    let mut creating = world.wire(Mode::Sql).await;
    let name = world.options.slot.clone();
    let creating = tokio::spawn(async move { slot::create(&mut creating, &name).await.unwrap() });
    wait_for_waiter(&world, &first_xid).await;
    let second_xid = begin_with_xid(&second).await;
    world.run("ALTER TABLE t ADD COLUMN new int; TRUNCATE other").await;
    run(&first, "COMMIT").await;
    wait_for_waiter(&world, &second_xid).await;
    let third_xid = begin_with_xid(&third).await;
    run(&third, "INSERT INTO t VALUES (1, 'one', 11)").await;
    run(&second, "COMMIT").await;
    // Either it is created, or it waits once more.
    let created_or_waiting = format!(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE transactionid::text = '{third_xid}' AND NOT granted) \
         OR EXISTS (SELECT FROM pg_replication_slots WHERE confirmed_flush_lsn IS NOT NULL)"
    );
    wait_until(&world.sql, &created_or_waiting).await;
    for number in 0.. {
        if number == 20 {
            run(&third, "COMMIT").await;
        }
        if number >= 20 && (creating.is_finished() || !further) {
            break;
        }
        if further {
            world.run(&format!("ALTER TABLE other ADD COLUMN new_{number} int; TRUNCATE other")).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let start = soon("the slot", creating).await.unwrap();
    world.run("INSERT INTO t VALUES (2, 'two', 22); INSERT INTO other VALUES (3)").await;
    let streamed = world.tail(start).await.until_now(&world.sql).await;
    let inserted: Vec<String> = lines(&streamed).into_iter().filter(|line| line.contains(" t(")).collect();
    assert_eq!(inserted, ["insert t(2,two,22)"]);
    assert!(lines(&streamed).last().unwrap().starts_with("insert other(3"), "{:?}", lines(&streamed));
}

#[tokio::test]
async fn the_oldest_server_knows_the_columns() {
    while_it_waits(Postgres::VERSIONS[0], false).await;
}

#[tokio::test]
async fn the_newest_server_knows_the_columns() {
    while_it_waits(*Postgres::VERSIONS.last().unwrap(), false).await;
}

#[tokio::test]
async fn there_is_a_slot_though_it_never_ends() {
    while_it_waits(17, true).await;
}

#[tokio::test]
async fn a_table_that_gets_another_name_is_published_under_that() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let renaming = world.connect().await;
    run(&renaming, "BEGIN; ALTER TABLE t RENAME TO u").await;
    let mut publishing = pin!(world.try_publish());
    let waits = "SELECT count(*) = 1 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted";
    tokio::select! {
        published = &mut publishing => panic!("{published:?}"),
        () = wait_until(&world.sql, waits) => {}
    }
    run(&renaming, "COMMIT").await;
    let survey = soon("the publication", publishing).await.unwrap();
    assert_eq!(survey.tables.keys().collect::<Vec<_>>(), [&table("u")]);
}

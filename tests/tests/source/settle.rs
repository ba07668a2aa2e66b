//! A load begins only when every transaction is over that was open as the slot was created or the table published:
//! neither the load nor the stream would have what such a one did.

use std::collections::HashSet;

use event::{Begun, Load as _, LoadRequest};
use wal_reader::wire::Mode;
use wal_reader::{Loader, slot};

use crate::replica::{Replica, lines};
use crate::stalled::Stall;
use crate::world::{World, load, run, soon, table, text, wait_until};

/// The slot's creation waits for two generations of open transactions. One that begins and commits in between, but
/// waits for its standby, lies before the slot's start and is not visible after it.
#[tokio::test]
async fn a_commit_before_the_slot_that_is_not_visible_yet() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    world.publish().await;
    let stall = Stall::begin(&world).await;
    let (first, second) = (world.connect().await, world.connect().await);
    let first_xid = begin_with_xid(&first).await;
    let mut creating = world.wire(Mode::Sql).await;
    let name = world.options.slot.clone();
    let creating = tokio::spawn(async move { slot::create(&mut creating, &name).await.unwrap() });
    wait_for_waiter(&world, &first_xid).await;
    let second_xid = begin_with_xid(&second).await;
    run(&first, "ROLLBACK").await;
    wait_for_waiter(&world, &second_xid).await;
    let stalled = stall.commit("INSERT INTO t VALUES (1)").await;
    run(&second, "ROLLBACK").await;
    let start = soon("the slot", creating).await.unwrap();

    let mut loader = world.loader().await;
    not_yet(&mut loader, "t").await;
    let blockers = loader.blockers().await.unwrap().expect("the stalled session blocks").to_string();
    assert!(blockers.contains(&format!("process {} (postgres", stalled.pid)), "{blockers}");
    stall.end([stalled]).await;
    assert_eq!(loader.blockers().await.unwrap(), None);
    let loaded = load(&mut loader, &world.pool, "t").await;
    assert_eq!(lines(&loaded.events), ["load of t", "read t(1)", "1 rows of t"]);
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), [] as [&str; 0], "the slot was to start after the commit");
}

#[tokio::test]
async fn a_change_of_before_the_publication_that_commits_after_it() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE late (id int PRIMARY KEY)").await;
    world.run("CREATE PUBLICATION published FOR TABLE t").await;
    let start = world.slot().await;
    let writer = world.connect().await;
    run(&writer, "BEGIN; INSERT INTO late VALUES (1)").await;
    world.publish().await;

    let mut loader = world.loader().await;
    not_yet(&mut loader, "late").await;
    let pid = text(&writer, "SELECT pg_backend_pid()").await;
    let blockers = wal_reader::blockers(&mut world.wire(Mode::Sql).await).await.unwrap().unwrap().to_string();
    assert!(
        blockers.contains(&format!("process {pid} (postgres")) && blockers.contains("open since"),
        "{blockers}"
    );
    run(&writer, "COMMIT; INSERT INTO late VALUES (2)").await;
    let loaded = load(&mut loader, &world.pool, "late").await;
    run(&writer, "INSERT INTO late VALUES (3)").await;

    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), ["insert late(3)"]);
    replica.take_all(&streamed);
    assert_eq!(replica.rows("late"), world.rows("late").await);
}

#[tokio::test]
async fn a_prepared_transaction_counts_as_open() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE late (id int PRIMARY KEY)").await;
    world.run("CREATE PUBLICATION published FOR TABLE t").await;
    let start = world.slot().await;
    world.run("BEGIN; INSERT INTO late VALUES (1); PREPARE TRANSACTION 'it''s mine'").await;
    world.publish().await;

    let mut loader = world.loader().await;
    not_yet(&mut loader, "late").await;
    let blockers = loader.blockers().await.unwrap().unwrap().to_string();
    assert!(blockers.contains("prepared transaction 'it''s mine' of postgres since "), "{blockers}");
    world.run("COMMIT PREPARED 'it''s mine'").await;
    let loaded = load(&mut loader, &world.pool, "late").await;
    assert_eq!(lines(&loaded.events), ["load of late", "read late(1)", "1 rows of late"]);
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), [] as [&str; 0], "what was written before the publication is not streamed");
}

pub(crate) async fn not_yet(loader: &mut Loader, name: &str) {
    let begun =
        soon("the answer", loader.begin(&LoadRequest::default(), &table(name), None, &HashSet::new()))
            .await
            .unwrap();
    assert!(matches!(begun, Begun::NotYet(_)), "{begun:?}");
}

pub(crate) async fn begin_with_xid(sql: &tokio_postgres::Client) -> String {
    run(sql, "BEGIN").await;
    text(sql, "SELECT pg_current_xact_id()").await
}

pub(crate) async fn wait_for_waiter(world: &World, xid: &str) {
    let query =
        format!("SELECT count(*) = 1 FROM pg_locks WHERE transactionid::text = '{xid}' AND NOT granted");
    wait_until(&world.sql, &query).await;
}

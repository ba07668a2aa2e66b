//! A crash with asynchronous commits: what a load has shown must have happened, and a transaction id that is handed
//! out twice names two transactions.

use std::collections::HashSet;

use event::{Fence, Fences, Lsn, XidSnapshot};

use crate::replica::lines;
use crate::stalled::Stall;
use crate::world::{World, begin, read, text};

/// Nothing but a waiting commit makes this server write its log to disk.
const LAZY: &[(&str, &str)] = &[
    ("synchronous_commit", "off"),
    ("wal_writer_delay", "10s"),
    ("autovacuum", "off"),
    ("bgwriter_lru_maxpages", "0"),
];

#[tokio::test]
async fn rows_leave_only_when_the_server_can_no_longer_forget_them() {
    let mut world = World::own(15, LAZY).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    world.begin().await;
    let mut loader = world.loader().await;
    world.run("INSERT INTO t VALUES (1)").await;
    assert_eq!(world.text(IS_FLUSHED).await, "f", "the commit was to be in memory only");
    begin(&mut loader, "t", None).await;
    let (events, _) = read(&mut loader, &world.pool).await;
    assert_eq!(lines(&events), ["load of t", "read t(1)", "1 rows of t"]);
    world.postgres_mut().kill();
    world.postgres_mut().start_again();
    world.reconnect().await;
    assert_eq!(world.rows("t").await, ["(1)"], "the server lost what was read");
}

const IS_FLUSHED: &str = "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()";

/// They are in the log before the snapshot, and yet not in it: one older than what it sees, one younger.
#[tokio::test]
async fn commits_that_the_snapshot_does_not_see() {
    let world = World::own(15, &[("autovacuum", "off")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old')").await;
    let start = world.begin().await;
    let mut loader = world.loader().await;
    let stall = Stall::begin(&world).await;
    let older = stall.commit("UPDATE t SET v = 'new' WHERE id = 1").await;
    world.run("INSERT INTO t VALUES (2, 'seen')").await;
    let younger = stall.commit("INSERT INTO t VALUES (3, 'unseen')").await;
    begin(&mut loader, "t", None).await;
    let (events, unit) = read(&mut loader, &world.pool).await;
    assert_eq!(lines(&events), ["load of t", "read t(1,old)", "read t(2,seen)", "2 rows of t"]);
    let xip = unit.fence.snapshot.clone().unwrap().xip;
    assert_eq!(xip.len(), 1, "one between its ends, one beyond: {:?}", unit.fence.snapshot);
    stall.end([older, younger]).await;
    let mut fences = Fences::default();
    fences.add(unit.table, unit.fence);
    let streamed = world.tail_over(start, fences).await.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), ["update t(1,new)", "insert t(3,unseen)"]);
}

#[tokio::test]
async fn a_transaction_id_handed_out_twice() {
    let mut world = World::own(15, LAZY).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    world.run("SET synchronous_commit = on; CREATE TABLE flushed (); DROP TABLE flushed; SET synchronous_commit = off").await;
    let xid = text(&world.sql, "INSERT INTO t VALUES (1) RETURNING pg_current_xact_id()").await;
    // What a read without any care for the disk would contain.
    let snapshot = world.text("SELECT pg_current_snapshot()").await;
    let limit = world.lsn("SELECT pg_current_wal_insert_lsn()").await;
    assert_eq!(world.text(IS_FLUSHED).await, "f", "the commit was to be in memory only");
    world.postgres_mut().kill();
    world.postgres_mut().start_again();
    world.reconnect().await;
    assert_eq!(world.rows("t").await, [] as [&str; 0], "the commit was to be lost");
    while world.lsn("SELECT pg_current_wal_insert_lsn()").await <= limit {
        world.run("SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000))").await;
    }
    let again = text(&world.sql, "INSERT INTO t VALUES (2) RETURNING pg_current_xact_id()").await;
    assert_eq!(again, xid, "the same id was to be handed out again");

    let numbers: Vec<u64> = snapshot.split(':').take(2).map(|number| number.parse().unwrap()).collect();
    let snapshot = XidSnapshot { xmin: numbers[0], xmax: numbers[1], xip: Vec::new() };
    assert!(snapshot.sees(xid.parse().unwrap()));
    let mut fences = Fences::default();
    fences.add(
        crate::world::table("t"),
        Fence { snapshot: Some(snapshot), limit: limit.into(), range: None, voided: None },
    );
    let mut tail = world.tail_over(start, fences).await;
    let streamed = tail.until_now(&world.sql).await;
    let inserts: HashSet<String> =
        lines(&streamed).into_iter().filter(|line| line.starts_with("insert")).collect();
    assert_eq!(inserts, HashSet::from(["insert t(2)".to_owned()]));
    assert!(tail.reached > Lsn::ZERO);
}

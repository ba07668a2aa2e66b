//! A load while changes are being sent contains every transaction that was sent before it.

use std::collections::HashSet;

use event::{Begun, Load as _, LoadRequest, Source as _, TransactionPlace};
use wal_reader::Loader;

use crate::replica::{Replica, lines};
use crate::stalled::Stall;
use crate::world::{World, load, read, table, try_begin};

/// The log shows a commit before SQL does: a load at that moment would put the old row after the new one.
#[tokio::test]
async fn a_transaction_that_was_sent_but_is_not_visible_yet() {
    let world = World::own(15, &[]).await;
    world
        .run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old'), (2, 'old')")
        .await;
    let start = world.begin().await;
    let loaded = world.load("t").await;
    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    let mut tail = world.tail_over(start, loaded.fences()).await;
    tail.until_now(&world.sql).await;
    tail.stream.note_delivered();
    let mut loader = world.loader().await;

    let stall = Stall::begin(&world).await;
    let stalled = stall.commit("UPDATE t SET v = 'new' WHERE id = 1; DELETE FROM t WHERE id = 2").await;
    let streamed = tail.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), ["update t(1,new)", "delete t was (2,omitted)"]);
    replica.take_all(&streamed);
    assert_eq!(world.rows("t").await, ["(1,old)", "(2,old)"], "SQL does not see it yet");

    let delivered = tail.stream.delivered().unwrap().clone();
    let begun = loader.begin(&LoadRequest::default(), &table("t"), None, &delivered).await.unwrap();
    assert!(matches!(begun, Begun::NotYet(_)), "{begun:?}");
    stall.end([stalled]).await;
    let begun = try_begin(&mut loader, &table("t"), None, &delivered).await.unwrap();
    assert!(matches!(begun, Begun::Reading), "{begun:?}");
    let (events, unit) = read(&mut loader, &world.pool).await;
    replica.take_all(&events);
    assert_eq!(replica.rows("t"), ["(1,new)"]);
    tail.fences.add(unit.table, unit.fence);
    world.run("UPDATE t SET v = 'newer'").await;
    replica.take_all(&tail.until_now(&world.sql).await);
    assert_eq!(replica.rows("t"), world.rows("t").await);
}

/// What a reload contains and the stream had not come to yet is not sent again, and does not count.
#[tokio::test]
async fn what_is_contained_is_neither_sent_nor_counted() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    let start = world.begin().await;
    let mut tail = world.tail(start).await;
    let mut replica = Replica::default();
    world.run("UPDATE t SET v = 'sent' WHERE id = 1").await;
    tail.stream.note_delivered();
    let mut loader = Loader::open(&world.options).await.unwrap();
    replica.take_all(&tail.until_now(&world.sql).await);
    assert!(!tail.stream.delivered().unwrap().is_empty());
    world.run("UPDATE t SET v = 'only read' WHERE id = 2; INSERT INTO t VALUES (3, 'c'); DELETE FROM t WHERE id = 1").await;

    let loaded = load(&mut loader, &world.pool, "t").await;
    replica.take_all(&loaded.events);
    assert_eq!(replica.rows("t"), world.rows("t").await, "also the deleted row is gone at LOAD_END");
    loaded.add_to(&mut tail.fences);
    world.run("UPDATE t SET v = 'sent again' WHERE id = 3").await;
    let streamed = tail.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), ["update t(3,sent again)"]);
    replica.take_all(&streamed);
    assert_eq!(tail.table_seqs[&table("t")], 2);
    tail.stream.forget_delivered();
    assert_eq!(tail.stream.delivered(), None::<&HashSet<TransactionPlace>>);
}

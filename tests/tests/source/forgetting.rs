//! What a crash takes along, and what a checkpoint must keep: the unit being read is read again under another name, and
//! a fence lives until the saved position has passed it.

use std::collections::HashSet;

use event::envelope::Op;
use event::{BatchLimits, BatchPool, Encoder, Fences, Format, Load as _};

use crate::replica::{Replica, line, lines};
use crate::world::{World, begin, decode, load_from, read, table};

#[tokio::test]
async fn a_fence_lives_until_the_saved_position_has_passed_it() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    world.run("INSERT INTO t VALUES (1)").await;
    let in_between = world.lsn("SELECT pg_current_wal_insert_lsn()").await;
    world.run("INSERT INTO t VALUES (2)").await;
    let loaded = world.load("t").await;
    world.run("INSERT INTO t VALUES (3)").await;

    // A checkpoint between two contained transactions, a crash, and the rest of the log over what was saved.
    let mut saved: Fences = loaded.fences();
    saved.forget_before(start.into());
    saved.forget_before(in_between.into());
    assert_eq!(saved.len(), 1);
    let mut tail = world.tail_over(in_between, saved).await;
    assert_eq!(lines(&tail.until_now(&world.sql).await), ["insert t(3)"]);

    // A checkpoint after the fence: nothing that it contains comes again, nothing that comes needs it.
    let mut saved = tail.fences.clone();
    assert!(loaded.units[0].fence.limit < tail.reached.into());
    saved.forget_before(tail.reached.into());
    assert!(saved.is_empty());
    world.run("INSERT INTO t VALUES (4)").await;
    let (reached, table_seqs) = (tail.reached, tail.table_seqs.clone());
    assert_eq!(table_seqs[&table("t")], 1, "what was dropped does not count");
    drop(tail);
    let mut tail = world.resume(reached, table_seqs, saved).await;
    let events = tail.until_now(&world.sql).await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.table == "t")
        .map(|event| (line(event), event.table_seq))
        .collect();
    assert_eq!(told, [("schema t".to_owned(), 0), ("insert t(4)".to_owned(), 2)]);
}

#[tokio::test]
async fn a_crash_loses_the_unit_being_read_and_no_other() {
    let mut world = World::shared().await;
    world.options.load_unit_rows = 100;
    world.pool = BatchPool::new(
        Encoder::new("world", 1, Format::Protobuf),
        BatchLimits { bytes: 1 << 20, messages: 30 },
    );
    world.run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 250) g; ANALYZE t").await;
    let start = world.begin().await;
    let mut replica = Replica::with_versions(1);
    let mut fences = Fences::default();
    let mut ids = HashSet::new();

    let mut loader = world.loader().await;
    begin(&mut loader, "t", None).await;
    let (events, first) = read(&mut loader, &world.pool).await;
    replica.take_all(&events);
    ids.insert(events[0].load.clone().unwrap().id);
    fences.add(first.table.clone(), first.fence.clone());
    begin(&mut loader, "t", first.next).await;
    let mut batch = world.pool.batch();
    loader.read(&mut batch).await.unwrap();
    let events = decode(&batch);
    assert_eq!(events.iter().filter(|event| event.op() == Op::Read).count(), 27, "a part of the unit");
    assert!(!events.iter().any(|event| event.op() == Op::LoadEnd));
    assert!(ids.insert(events[0].load.clone().unwrap().id), "a load id twice");
    replica.take_all(&events);
    drop(loader);

    world.run("UPDATE t SET v = 1; DELETE FROM t WHERE id % 10 = 0").await;
    let mut loader = world.loader().await;
    let rest = load_from(&mut loader, &world.pool, "t", first.next).await;
    assert_eq!(rest.units[0].fence.range.as_ref().unwrap().from, first.next);
    for event in &rest.events {
        assert!(event.op() != Op::LoadBegin || ids.insert(event.load.clone().unwrap().id), "a load id twice");
    }
    replica.take_all(&rest.events);
    rest.add_to(&mut fences);
    let streamed = world.tail_over(start, fences).await.until_now(&world.sql).await;
    let sent = streamed.iter().filter(|event| event.op() != Op::Schema).count();
    assert_eq!(sent, 110, "100 updates and 10 deletes of the unit that was read before them");
    replica.take_all(&streamed);
    assert_eq!(replica.rows("t"), world.rows("t").await);
    assert_eq!(rest.units[0].table, table("t"));
}

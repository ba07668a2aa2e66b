//! The table is locked before the snapshot is taken, and workers never wait for their lock: whatever rewrites or
//! empties a table comes wholly before a load or wholly after it, and never deadlocks with it.

use std::collections::HashSet;

use event::envelope::Op;
use event::{Begun, Load as _, LoadRequest};

use crate::replica::{Replica, lines};
use crate::world::{World, begin, changes, load, read, run, soon, table, text, wait_until};

#[tokio::test]
async fn an_alter_type_right_before_the_lock() {
    a_rewrite_right_before_the_lock("ALTER TABLE t ALTER v TYPE bigint").await;
}

/// The rows stay, but an older snapshot does not know the column.
#[tokio::test]
async fn a_new_column_right_before_the_lock() {
    a_rewrite_right_before_the_lock("ALTER TABLE t ADD w int DEFAULT 9").await;
}

#[tokio::test]
async fn a_truncate_right_before_the_lock() {
    a_rewrite_right_before_the_lock("TRUNCATE t; INSERT INTO t VALUES (7, 7), (8, 8)").await;
}

/// The load's lock waits behind the statement's, which waits behind a reader's. A snapshot from before the statement
/// would find no rows in what it leaves.
async fn a_rewrite_right_before_the_lock(statement: &str) {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g FROM generate_series(1, 5) g").await;
    let start = world.begin().await;
    let mut loader = world.loader().await;
    let (reader, writer) = (world.connect().await, world.connect().await);
    run(&reader, "BEGIN; LOCK TABLE t IN ACCESS SHARE MODE").await;
    let rewrite = run(&writer, statement);
    let name = table("t");
    let begun = async {
        wait_until(&world.sql, &waiting(1)).await;
        let letting_go = async {
            wait_until(&world.sql, &waiting(2)).await;
            run(&reader, "COMMIT").await;
        };
        let (whole, none) = (LoadRequest::default(), HashSet::new());
        let (begun, ()) = tokio::join!(loader.begin(&whole, &name, None, &none), letting_go);
        begun.unwrap()
    };
    let ((), begun) = tokio::join!(rewrite, begun);
    if let Begun::NotYet(_) = begun {
        begin(&mut loader, "t", None).await;
    }
    let (events, unit) = read(&mut loader, &world.pool).await;
    let mut replica = Replica::default();
    replica.take_all(&events);
    assert_eq!(replica.rows("t"), world.rows("t").await, "after {statement}");
    let mut fences = event::Fences::default();
    fences.add(unit.table, unit.fence);
    let streamed = world.tail_over(start, fences).await.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), [] as [&str; 0], "the load contains all of it");
}

fn waiting(count: u32) -> String {
    format!("SELECT count(*) = {count} FROM pg_locks WHERE relation = 't'::regclass AND NOT granted")
}

/// Nor between the snapshot and the first row.
#[tokio::test]
async fn nothing_rewrites_the_table_while_it_is_read() {
    let world = World::own(15, QUIET).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g FROM generate_series(1, 5) g").await;
    let start = world.begin().await;
    let mut loader = world.loader().await;
    let (catalog, writer) = (world.connect().await, world.connect().await);
    run(&catalog, HOLD_UP).await;
    let name = table("t");
    let (whole, none) = (LoadRequest::default(), HashSet::new());
    let in_between = async {
        wait_until(&world.sql, IS_HELD_UP).await;
        let refused = writer.batch_execute("SET lock_timeout = '100ms'; TRUNCATE t").await;
        run(&catalog, "COMMIT").await;
        refused
    };
    let (begun, refused) =
        tokio::join!(soon("an answer", loader.begin(&whole, &name, None, &none)), in_between);
    assert!(matches!(begun.unwrap(), Begun::Reading));
    let refused = refused.expect_err("the load's lock was to keep it out");
    assert_eq!(refused.code().map(|code| code.code()), Some("55P03"), "{refused}");
    let truncating = run(&writer, "SET lock_timeout = 0; TRUNCATE t");
    let ((), (events, unit)) = tokio::join!(truncating, read(&mut loader, &world.pool));
    assert_eq!(changes(&events).len(), 7, "five rows between LOAD_BEGIN and LOAD_END");
    let mut fences = event::Fences::default();
    fences.add(unit.table, unit.fence);
    let streamed = world.tail_over(start, fences).await.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), ["truncate t"]);
}

/// Asked for the tables of a publication, the server opens them all. A load asks for its own table alone.
#[tokio::test]
async fn an_exclusive_lock_on_another_published_table() {
    let world = World::own(18, QUIET).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)").await;
    world.begin().await;
    let mut loader = world.loader().await;
    let other = world.connect().await;
    run(&other, "BEGIN; LOCK TABLE u IN ACCESS EXCLUSIVE MODE").await;
    let begun = loader.begin(&LoadRequest::default(), &table("t"), None, &HashSet::new()).await.unwrap();
    assert!(matches!(begun, Begun::Reading), "{begun:?}");
}

/// Looking up how the table is published comes between the snapshot and the rows: that is where to hold a load up.
const HOLD_UP: &str = "BEGIN; LOCK TABLE pg_publication_rel IN ACCESS EXCLUSIVE MODE";
const IS_HELD_UP: &str =
    "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'pg_publication_rel'::regclass AND NOT granted";
/// Without transactions of the server's own, which loads would wait for.
const QUIET: &[(&str, &str)] = &[("autovacuum", "off")];

/// Between the load's first lock and its workers' somebody asks for an exclusive one: waiting for the workers' locks
/// behind it would be waiting for oneself.
#[tokio::test]
async fn an_exclusive_lock_asked_for_between_the_holder_and_its_workers() {
    let mut world = World::own(15, QUIET).await;
    world.options.load_unit_rows = 20;
    world
        .run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100); ANALYZE t")
        .await;
    let start = world.begin().await;
    let mut loader = world.loader().await;
    let (catalog, exclusive) = (world.connect().await, world.connect().await);
    run(&catalog, HOLD_UP).await;
    let name = table("t");
    let in_between = async {
        wait_until(&world.sql, IS_HELD_UP).await;
        let asking = run(&exclusive, "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
        let going_on = async {
            wait_until(&world.sql, &waiting(1)).await;
            run(&catalog, "COMMIT").await;
        };
        tokio::join!(asking, going_on);
    };
    let (whole, none) = (LoadRequest::default(), HashSet::new());
    let (begun, ()) = tokio::join!(soon("an answer", loader.begin(&whole, &name, None, &none)), in_between);
    let begun = begun.unwrap();
    assert!(matches!(begun, Begun::NotYet(_)), "{begun:?}");
    run(&exclusive, "DELETE FROM t WHERE id > 90; COMMIT").await;
    let loaded = load(&mut loader, &world.pool, "t").await;
    assert!(loaded.units.len() > 1);
    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    replica.take_all(&streamed);
    assert_eq!(replica.rows("t"), world.rows("t").await);
}

/// Workers see what the holder of the snapshot sees, though they come later.
#[tokio::test]
async fn workers_share_one_snapshot() {
    let mut world = World::own(15, QUIET).await;
    world.options.load_unit_rows = 100;
    world.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 200) * 2; ANALYZE t").await;
    let start = world.begin().await;
    let mut loader = world.loader().await;
    let catalog = world.connect().await;
    run(&catalog, HOLD_UP).await;
    let name = table("t");
    let in_between = async {
        wait_until(&world.sql, IS_HELD_UP).await;
        world.run("INSERT INTO t VALUES (1), (51), (101), (151)").await;
        run(&catalog, "COMMIT").await;
    };
    let (whole, none) = (LoadRequest::default(), HashSet::new());
    let (begun, ()) = tokio::join!(soon("an answer", loader.begin(&whole, &name, None, &none)), in_between);
    assert!(matches!(begun.unwrap(), Begun::Reading));
    let (events, unit) = read(&mut loader, &world.pool).await;
    assert_eq!(unit.rows, 100, "none of those that came after the snapshot");
    assert!(events.iter().all(|event| event.op() != Op::Read
        || crate::replica::row(event.after.as_ref()).trim_matches(['(', ')']).parse::<u32>().unwrap() % 2
            == 0));
    let mut fences = event::Fences::default();
    fences.add(unit.table, unit.fence);
    let streamed = world.tail_over(start, fences).await.until_now(&world.sql).await;
    assert_eq!(lines(&streamed), ["insert t(1)", "insert t(51)", "insert t(101)", "insert t(151)"]);
}

/// A table that is not cut by its key is shared out by blocks, and grows meanwhile.
#[tokio::test]
async fn a_large_table_grows_while_its_blocks_are_read() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (name text PRIMARY KEY, filler text)").await;
    world.run("INSERT INTO t SELECT g::text, repeat('x', 900) FROM generate_series(1, 60000) g").await;
    let start = world.begin().await;
    let blocks: u32 = world.text("SELECT pg_relation_size('t') / 8192").await.parse().unwrap();
    assert!(blocks > 5000, "{blocks} blocks are one worker's");
    let writer = world.connect().await;
    let growing = async {
        for batch in 0..20 {
            run(
                &writer,
                &format!("INSERT INTO t SELECT 'late {batch} ' || g, 'y' FROM generate_series(1, 50) g"),
            )
            .await;
            run(&writer, &format!("UPDATE t SET filler = 'z{batch}' WHERE name = '{}'", batch * 3000 + 1))
                .await;
            run(&writer, &format!("DELETE FROM t WHERE name = '{}'", batch * 3000 + 2)).await;
        }
    };
    let (loaded, ()) = tokio::join!(world.load("t"), growing);
    assert_eq!(loaded.units.len(), 1);
    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    let mut tail = world.tail_over(start, loaded.fences()).await;
    replica.take_all(&tail.until_now(&world.sql).await);
    let expected = world.rows("t").await;
    assert_eq!(text(&world.sql, "SELECT count(*) FROM t").await, expected.len().to_string());
    assert!(replica.rows("t") == expected, "{} rows instead of {}", replica.rows("t").len(), expected.len());
}

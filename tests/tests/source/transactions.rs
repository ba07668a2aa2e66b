//! Transactions that are large, prepared, or come from elsewhere.

use std::time::Duration;

use event::envelope::Op;
use event::{BatchLimits, BatchPool, Encoder, Format};

use crate::replica::{Replica, lines};
use crate::seed::{Random, seeds};
use crate::world::{World, changes, decode, fill, run, table};

#[tokio::test]
async fn origins_are_carried_and_can_be_dropped() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    let origin = |name: &str| format!("{name}_{}", world.options.connection.database());
    let (kept, dropped) = (origin("kept"), origin("dropped"));
    for (id, name) in [(1, &kept), (2, &dropped), (3, &kept)] {
        let session = world.connect().await;
        if id != 3 {
            run(&session, &format!("SELECT pg_replication_origin_create('{name}')")).await;
        }
        run(
            &session,
            &format!("SELECT pg_replication_origin_session_setup('{name}'); INSERT INTO t VALUES ({id})"),
        )
        .await;
        run(&session, "SELECT pg_replication_origin_session_reset()").await;
        run(&session, &format!("INSERT INTO t VALUES ({id} + 10)")).await;
    }
    let events = changes(&world.tail(start).await.until_now(&world.sql).await);
    let told: Vec<(String, Option<&str>)> =
        events.iter().map(|event| (crate::replica::line(event), event.origin.as_deref())).collect();
    let expected =
        [(1, Some(&kept)), (11, None), (2, Some(&dropped)), (12, None), (3, Some(&kept)), (13, None)]
            .map(|(id, origin)| (format!("insert t({id})"), origin.map(String::as_str)));
    assert_eq!(told, expected);

    world.options.drop_origins = vec![dropped.clone()];
    let mut tail = world.tail(start).await;
    let inserts: Vec<_> = lines(&tail.until_now(&world.sql).await)
        .into_iter()
        .filter(|line| line.starts_with("insert"))
        .collect();
    assert_eq!(inserts, ["insert t(1)", "insert t(11)", "insert t(12)", "insert t(3)", "insert t(13)"]);
    assert_eq!(tail.table_seqs[&table("t")], 5, "what is not sent does not count");
    // Nothing but dropped ones: the position moves all the same.
    let session = world.connect().await;
    run(&session, &format!("SELECT pg_replication_origin_session_setup('{dropped}')")).await;
    run(&session, "INSERT INTO t VALUES (4); BEGIN; INSERT INTO t VALUES (5); SELECT pg_logical_emit_message(true, 'm', ''); TRUNCATE t; COMMIT").await;
    let end = world.lsn("SELECT pg_current_wal_insert_lsn()").await;
    while tail.reached < end {
        assert_eq!(lines(&tail.fill().await.unwrap()), [] as [&str; 0]);
    }
    run(&session, "SELECT pg_replication_origin_session_reset()").await;
    for name in [kept, dropped] {
        run(&session, &format!("SELECT pg_replication_origin_drop('{name}')")).await;
    }
}

#[tokio::test]
async fn a_prepared_transaction_comes_when_it_is_committed() {
    let world = World::own(15, &[]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    for statements in [
        "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'first'",
        "BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'undone'",
        "INSERT INTO t VALUES (3)",
        "ROLLBACK PREPARED 'undone'",
    ] {
        world.run(statements).await;
    }
    let mut tail = world.tail(start).await;
    assert_eq!(lines(&tail.until_now(&world.sql).await), ["insert t(3)"]);
    let before = tail.reached;
    world.run("COMMIT PREPARED 'first'").await;
    let events = changes(&tail.until_now(&world.sql).await);
    assert_eq!(lines(&events), ["insert t(1)"]);
    let Some(event::envelope::change_event::Position::Postgres(position)) = &events[0].position else {
        panic!()
    };
    assert!(
        position.commit_lsn >= before.into() && position.lsn < before.into(),
        "{position:?} around {before}"
    );
}

/// Rows of one COPY share a position in the log, and transactions interleave there: what tells events apart is the
/// commit's position and the place in the transaction.
#[tokio::test]
async fn the_log_s_positions_neither_ascend_nor_differ() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    let (early, late) = (world.connect().await, world.connect().await);
    run(&early, "BEGIN; INSERT INTO t VALUES (1)").await;
    run(&late, "BEGIN; INSERT INTO t VALUES (2); COMMIT").await;
    run(&early, "INSERT INTO t VALUES (3); COMMIT").await;
    run(&late, "COPY t FROM PROGRAM 'seq 4 6'").await;
    let events = changes(&world.tail(start).await.until_now(&world.sql).await);
    assert_eq!(
        lines(&events),
        ["insert t(2)", "insert t(1)", "insert t(3)", "insert t(4)", "insert t(5)", "insert t(6)"]
    );
    let positions: Vec<(u64, u64, u64)> = events
        .iter()
        .map(|event| match &event.position {
            Some(event::envelope::change_event::Position::Postgres(at)) => {
                (at.commit_lsn, event.tx_seq, at.lsn)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(positions.is_sorted_by(|left, right| (left.0, left.1) < (right.0, right.1)), "{positions:?}");
    assert!(positions[1].2 < positions[0].2, "a later commit's change was written earlier: {positions:?}");
    assert!(
        positions[3..].iter().all(|at| at.2 == positions[3].2),
        "one record for the copied rows: {positions:?}"
    );
    let xids: Vec<u32> = events.iter().map(|event| event.txid.parse().unwrap()).collect();
    assert!(xids[0] > xids[1], "transactions' numbers run backward: {xids:?}");
}

/// No event tells of what was undone, whether by name, by an exception, or by the transaction's own end.
#[tokio::test]
async fn what_was_rolled_back_is_in_no_event() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    for statements in [
        "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT a; INSERT INTO t VALUES (2); INSERT INTO u VALUES (2); SAVEPOINT b; \
         DELETE FROM t; RELEASE b; ROLLBACK TO a; INSERT INTO t VALUES (3); SAVEPOINT c; INSERT INTO t VALUES (4); RELEASE c; COMMIT",
        "DO $$ BEGIN INSERT INTO t VALUES (5); BEGIN INSERT INTO t VALUES (6), (1); EXCEPTION WHEN unique_violation THEN \
         INSERT INTO t VALUES (7); END; END $$",
        "BEGIN; INSERT INTO t VALUES (8); TRUNCATE t; ROLLBACK",
    ] {
        world.run(statements).await;
    }
    let events = changes(&world.tail(start).await.until_now(&world.sql).await);
    assert_eq!(lines(&events), ["insert t(1)", "insert t(3)", "insert t(4)", "insert t(5)", "insert t(7)"]);
    assert_eq!(events.iter().map(|event| event.tx_seq).collect::<Vec<_>>(), [1, 2, 3, 1, 2]);
}

/// One transaction in hundreds of batches, and a reader that is called off again and again.
#[tokio::test]
async fn a_large_transaction_is_cut_and_its_reading_called_off() {
    const ROWS: u64 = 200_000;
    let mut world = World::shared().await;
    world.pool = BatchPool::new(
        Encoder::new("world", 1, Format::Protobuf),
        BatchLimits { bytes: 1 << 20, messages: 700 },
    );
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    let start = world.begin().await;
    world.run(&format!("INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, {ROWS}) g; INSERT INTO t VALUES (0, 'last')")).await;
    let mut tail = world.tail(start).await;
    let seed = seeds(1)[0];
    println!("CDC_SEED={seed}");
    let mut random = Random::new(seed);
    let (mut next, mut batches, mut called_off) = (1, 0, 0);
    let mut batch = world.pool.batch();
    while next <= ROWS + 1 {
        let limit = Duration::from_micros(random.below(400));
        match tokio::time::timeout(limit, fill(&mut tail.stream, &mut batch, &mut tail.fences)).await {
            Ok(filled) => filled.unwrap(),
            // What it had put into the batch stays there.
            Err(_) => {
                called_off += 1;
                continue;
            }
        }
        for event in decode(&batch) {
            if event.op() == Op::Schema {
                continue;
            }
            assert_eq!((event.op(), event.table_seq), (Op::Insert, next));
            assert_eq!(
                crate::replica::row(event.after.as_ref()),
                if next <= ROWS { format!("({next},v{next})") } else { "(0,last)".to_owned() }
            );
            next += 1;
        }
        if let Some(reached) = batch.reached() {
            assert!(next > ROWS, "a position within the transaction: {reached:?}");
        }
        batches += 1;
        batch = world.pool.batch();
    }
    assert!(batches > 200, "{batches} batches");
    assert!(called_off > 0);
}

/// The same where the reader waits for the database in the middle of a message.
#[tokio::test]
async fn a_fetch_is_called_off() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; \
             INSERT INTO t SELECT g, repeat(g::text, 3000) FROM generate_series(1, 60) g",
        )
        .await;
    let start = world.begin().await;
    let mut replica = Replica::default();
    let loaded = world.load("t").await;
    replica.take_all(&loaded.events);
    world.run("UPDATE t SET id = id + 1000").await;
    let mut tail = world.tail_over(start, loaded.fences()).await;
    let seed = seeds(1)[0];
    println!("CDC_SEED={seed}");
    let mut random = Random::new(seed);
    let mut events = 0;
    let mut batch = world.pool.batch();
    while events < 120 {
        let limit = Duration::from_micros(random.below(30_000));
        match tokio::time::timeout(limit, fill(&mut tail.stream, &mut batch, &mut tail.fences)).await {
            Ok(filled) => filled.unwrap(),
            Err(_) => continue,
        }
        let taken = changes(&decode(&batch));
        for (number, event) in (events..).zip(&taken) {
            assert_eq!((event.tx_seq, event.part), (number as u64 / 2 + 1, number as u32 % 2 + 1));
        }
        events += taken.len();
        replica.take_all(&taken);
        batch = world.pool.batch();
    }
    assert_eq!(events, 120);
    assert_eq!(replica.rows("t"), world.rows("t").await);
}

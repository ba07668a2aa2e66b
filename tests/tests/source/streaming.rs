//! Transactions that are sent while they run come out as they would in one piece: the same log is read by two slots,
//! one of each kind, and the events must be the same to the byte.

use event::Lsn;
use event::envelope::ChangeEvent;

use crate::seed::{Random, seeds};
use crate::world::{Tail, World, run};

/// Writes through both slots' eyes, and compares.
struct Twins {
    world: World,
    plain: Tail,
    streaming: Tail,
    spool: tempfile::TempDir,
}

impl Twins {
    async fn begin(version: u32, setup: &str) -> Self {
        let mut world =
            World::own(version, &[("logical_decoding_work_mem", "64kB"), ("max_prepared_transactions", "9")])
                .await;
        world.run(setup).await;
        let start = world.begin().await;
        let plain = world.tail(start).await;
        let spool = tempfile::tempdir().unwrap();
        world.options.slot = "streamed".to_owned();
        world.options.spool = Some(spool.path().join("spool"));
        world.run("SELECT pg_copy_logical_replication_slot('slot_postgres', 'streamed')").await;
        let streaming = world.tail(start).await;
        Self { world, plain, streaming, spool }
    }

    /// What both say of all that was written so far.
    async fn assert_same(&mut self) -> Vec<ChangeEvent> {
        let (plain, streamed) =
            (self.plain.until_now(&self.world.sql).await, self.streaming.until_now(&self.world.sql).await);
        let strip = |events: &[ChangeEvent]| -> Vec<ChangeEvent> {
            let is_mark = |event: &&ChangeEvent| {
                event.message.as_ref().is_none_or(|message| !message.prefix.starts_with("mark"))
            };
            events
                .iter()
                .filter(is_mark)
                .map(|event| ChangeEvent { captured_time_us: 0, ..event.clone() })
                .collect()
        };
        let (plain, streamed) = (strip(&plain), strip(&streamed));
        for (plain, streamed) in plain.iter().zip(&streamed) {
            assert_eq!(plain, streamed);
        }
        assert_eq!(plain.len(), streamed.len());
        plain
    }

    async fn was_streamed(&self) -> bool {
        let counted = "SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = 'streamed'";
        crate::world::wait_until(&self.world.sql, counted).await;
        true
    }
}

const ROWS: &str = "SELECT g, repeat('x', 200) FROM generate_series";

async fn what_commits_and_what_does_not(version: u32) {
    let mut twins = Twins::begin(
        version,
        "CREATE TABLE t (id int PRIMARY KEY, note text); CREATE TABLE u (id int PRIMARY KEY, note text)",
    )
    .await;
    let other = twins.world.connect().await;
    let sql = &twins.world.sql;
    run(sql, &format!("BEGIN; INSERT INTO t {ROWS}(1, 2000) g")).await;
    // Commits in between, and so comes first.
    run(&other, "INSERT INTO u VALUES (1, 'small')").await;
    run(sql, &format!("SAVEPOINT a; INSERT INTO t {ROWS}(3001, 5000) g; SAVEPOINT b; UPDATE t SET note = 'b' WHERE id < 900; \
         ROLLBACK TO b; INSERT INTO t {ROWS}(5001, 6000) g; RELEASE a")).await;
    // Known of this table is only what a part says that is taken back.
    run(
        sql,
        &format!(
            "SAVEPOINT c; INSERT INTO u {ROWS}(10, 2000) g; ROLLBACK TO c; INSERT INTO u {ROWS}(10, 1500) g"
        ),
    )
    .await;
    run(sql, &format!("SAVEPOINT d; ALTER TABLE u ADD COLUMN more int DEFAULT 7; INSERT INTO u SELECT g, 'd', 8 FROM generate_series(3000, 4000) g; \
         ROLLBACK TO d; INSERT INTO u {ROWS}(3000, 3500) g; ALTER TABLE t ADD COLUMN late text; UPDATE t SET late = 'l' WHERE id > 4000; COMMIT")).await;
    run(&other, "INSERT INTO u VALUES (2, 'after')").await;
    run(sql, &format!("BEGIN; INSERT INTO t {ROWS}(10001, 14000) g; ROLLBACK")).await;
    run(sql, &format!("BEGIN; INSERT INTO t {ROWS}(20001, 24000) g; PREPARE TRANSACTION 'kept'")).await;
    run(sql, &format!("BEGIN; INSERT INTO u {ROWS}(20001, 24000) g; PREPARE TRANSACTION 'undone'")).await;
    run(&other, "INSERT INTO u VALUES (3, 'between')").await;
    run(&other, "COMMIT PREPARED 'kept'").await;
    run(&other, "ROLLBACK PREPARED 'undone'").await;
    run(
        sql,
        "BEGIN; TRUNCATE t, u; SELECT pg_logical_emit_message(true, 'm', repeat('y', 100000)); \
         SELECT pg_logical_emit_message(false, 'n', 'now'); DELETE FROM u; COMMIT",
    )
    .await;
    let events = twins.assert_same().await;
    assert!(twins.was_streamed().await);
    assert!(events.len() > 9000, "{}", events.len());
    let left = std::fs::read_dir(twins.spool.path().join("spool")).unwrap().count();
    assert_eq!(left, 0, "files of transactions that are over");
}

#[tokio::test]
async fn what_commits_and_what_does_not_14() {
    what_commits_and_what_does_not(14).await;
}

#[tokio::test]
async fn what_commits_and_what_does_not_18() {
    what_commits_and_what_does_not(18).await;
}

/// Several large transactions at once, each with parts that are taken back, nested in parts that are or are not.
#[tokio::test]
async fn random_transactions_beside_each_other() {
    for seed in seeds(3) {
        println!("CDC_SEED={seed}");
        let mut random = Random::new(seed);
        let version = if random.percent(50) { 14 } else { 18 };
        let mut twins =
            Twins::begin(version, "CREATE TABLE t (id bigserial PRIMARY KEY, at int, note text)").await;
        let mut sessions = Vec::new();
        for _ in 0..3 {
            sessions.push((twins.world.connect().await, Vec::<u64>::new()));
        }
        for step in 0..120_u64 {
            let number = random.below(3) as usize;
            let (sql, savepoints) = &mut sessions[number];
            if savepoints.is_empty() {
                run(sql, "BEGIN").await;
                savepoints.push(step);
                continue;
            }
            let write = format!(
                "INSERT INTO t (at, note) SELECT {step}, repeat('x', 150) FROM generate_series(1, {})",
                1 + random.below(700)
            );
            match random.below(10) {
                0..=4 => run(sql, &write).await,
                5 | 6 => {
                    run(sql, &format!("SAVEPOINT s{step}")).await;
                    savepoints.push(step);
                }
                7 if savepoints.len() > 1 => {
                    let to = 1 + random.below(savepoints.len() as u64 - 1) as usize;
                    let release = if random.percent(50) { "ROLLBACK TO" } else { "RELEASE" };
                    run(sql, &format!("{release} s{}", savepoints[to])).await;
                    savepoints.truncate(if release == "RELEASE" { to } else { to + 1 });
                }
                8 => {
                    run(sql, if random.percent(70) { "COMMIT" } else { "ROLLBACK" }).await;
                    savepoints.clear();
                }
                _ => run(sql, &format!("UPDATE t SET note = 'u' WHERE at % 40 = {}", 120 + number)).await,
            }
        }
        for (sql, savepoints) in &sessions {
            if !savepoints.is_empty() {
                run(sql, "COMMIT").await;
            }
        }
        twins.assert_same().await;
    }
}

/// A program that ends while a transaction runs has lost nothing of it.
#[tokio::test]
async fn a_running_transaction_comes_again_after_a_restart() {
    let mut world = World::own(17, &[("logical_decoding_work_mem", "64kB")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, note text)").await;
    let start: Lsn = world.begin().await;
    let spool = tempfile::tempdir().unwrap();
    let folder = spool.path().join("spool");
    world.options.spool = Some(folder.clone());
    let mut tail = world.tail(start).await;
    let other = world.connect().await;
    run(&other, &format!("BEGIN; INSERT INTO t {ROWS}(1, 5000) g")).await;
    world.run("SELECT pg_logical_emit_message(true, 'between', '')").await;
    tail.until_now(&world.sql).await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "it was streamed");
    let reached = tail.reached;
    drop(tail);
    let mut tail = world.tail(reached).await;
    run(&other, "COMMIT").await;
    let events = tail.until_now(&world.sql).await;
    assert_eq!(crate::world::changes(&events).len(), 5000);
}

/// Which messages went with a savepoint is not told, and one right before a savepoint's first row may be told after it:
/// what a slot that streams says is not what one says that does not. Such a transaction is to be read in one piece.
#[tokio::test]
async fn messages_beside_savepoints_are_in_doubt() {
    let message = "SELECT pg_logical_emit_message(true, 'm', 'x')";
    let undone = format!("SAVEPOINT a; {message}; INSERT INTO t {ROWS}(4001, 6000) g; ROLLBACK TO a");
    let tied = format!(
        "SAVEPOINT a; INSERT INTO t VALUES (1, 'one'); RELEASE a; {message}; SAVEPOINT b; INSERT INTO t VALUES (2, 'two')"
    );
    let apart = format!(
        "{message}; INSERT INTO t VALUES (1, 'one'); UPDATE t SET note = 'two' WHERE id = 1; {message}"
    );
    for (what, is_in_doubt) in [(undone, true), (tied, true), (apart, false)] {
        let mut twins = Twins::begin(18, "CREATE TABLE t (id int PRIMARY KEY, note text)").await;
        twins.world.run(&format!("BEGIN; INSERT INTO t {ROWS}(1001, 3000) g; {what}; COMMIT")).await;
        if is_in_doubt {
            let error = twins.streaming.failure().await;
            assert!(matches!(error, wal_reader::Error::MessagesInDoubt { .. }), "{what}: {error}");
        } else {
            assert_eq!(twins.assert_same().await.len(), 2005, "a schema, rows, two messages");
        }
        assert!(twins.was_streamed().await);
    }
}

//! Values that are stored out of line, and that the log leaves out while nobody changes them.

use event::envelope::ChangeEvent;
use wal_reader::wire::Config;

use crate::replica::lines;
use crate::world::{World, changes, run};

/// Far beyond the 2 KiB from which on values are stored out of line.
const BIG: usize = 5000;

async fn with_table(identity: &str) -> (World, event::Lsn) {
    let world = World::shared().await;
    world
        .run(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; \
             CREATE UNIQUE INDEX by_v ON t (v); ALTER TABLE t REPLICA IDENTITY {identity}; \
             INSERT INTO t VALUES (1, 1, repeat('x', {BIG}))"
        ))
        .await;
    let start = world.begin().await;
    (world, start)
}

/// With the big values named after their letter.
fn short(events: &[ChangeEvent]) -> Vec<String> {
    let names = [("x", "BIG"), ("y", "OTHER"), ("k", "KEY"), ("l", "NEWKEY")];
    let shorten = |line: String| {
        names.iter().fold(line, |line, (letter, name)| {
            line.replace(&letter.repeat(BIG), name).replace(&letter.repeat(2500), name)
        })
    };
    lines(events).into_iter().map(shorten).collect()
}

#[tokio::test]
async fn unchanged_without_an_old_row() {
    let (world, start) = with_table("DEFAULT").await;
    world.run(&format!("UPDATE t SET v = 2; UPDATE t SET big = repeat('y', {BIG}); UPDATE t SET big = NULL; UPDATE t SET v = 3")).await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    assert_eq!(
        short(&events),
        ["update t(1,2,unchanged)", "update t(1,2,OTHER)", "update t(1,2,)", "update t(1,3,)"]
    );
}

#[tokio::test]
async fn unchanged_under_an_index() {
    let (world, start) = with_table("USING INDEX by_v").await;
    world.run("UPDATE t SET id = 2").await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    assert_eq!(short(&events), ["update t(2,1,unchanged)"]);
}

#[tokio::test]
async fn unchanged_is_filled_from_a_whole_old_row() {
    let (world, start) = with_table("FULL").await;
    world.run("UPDATE t SET v = 2; UPDATE t SET id = 2; DELETE FROM t").await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    assert_eq!(
        short(&events),
        [
            "update t(1,2,BIG) was (1,1,BIG)",
            "delete t was (1,2,BIG)",
            "insert t(2,2,BIG)",
            "delete t was (2,2,BIG)"
        ]
    );
    assert!(events.iter().all(|event| event.fetched.is_empty()));
}

#[tokio::test]
async fn a_key_out_of_line_did_not_change_because_it_is_sent() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (id text PRIMARY KEY, v int); ALTER TABLE t ALTER id SET STORAGE EXTERNAL; \
             INSERT INTO t VALUES (repeat('k', 2500), 1)",
        )
        .await;
    let start = world.begin().await;
    world.run("UPDATE t SET v = 2; UPDATE t SET id = repeat('l', 2500); DELETE FROM t").await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    assert_eq!(
        short(&events),
        [
            "update t(KEY,2) was (KEY,omitted)",
            "delete t was (KEY,omitted)",
            "insert t(NEWKEY,2)",
            "delete t was (NEWKEY,omitted)"
        ]
    );
}

#[tokio::test]
async fn a_new_key_s_row_is_completed_from_the_table() {
    let (world, start) = with_table("DEFAULT").await;
    world.run("UPDATE t SET id = 2; UPDATE t SET v = 7").await;
    let events = changes(&world.tail(start).await.until_now(&world.sql).await);
    assert_eq!(
        short(&events),
        ["delete t was (1,omitted,omitted)", "insert t(2,1,BIG)", "update t(2,7,unchanged)"]
    );
    assert_eq!(events[1].fetched, [2]);
    assert!(events[2].fetched.is_empty());
}

#[tokio::test]
async fn unchanged_is_fetched_where_that_is_wanted() {
    let (mut world, start) = with_table("DEFAULT").await;
    world.options.fetch_unchanged = true;
    world.run("UPDATE t SET v = 2").await;
    let mut tail = world.tail(start).await;
    let events = changes(&tail.until_now(&world.sql).await);
    assert_eq!(short(&events), ["update t(1,2,BIG)"]);
    assert_eq!(events[0].fetched, [2]);
    world.run("BEGIN; UPDATE t SET v = 3; DELETE FROM t; COMMIT").await;
    let events = changes(&tail.until_now(&world.sql).await);
    assert_eq!(short(&events), ["update t(1,3,unchanged)", "delete t was (1,omitted,omitted)"]);
    assert!(events[0].fetched.is_empty());
}

#[tokio::test]
async fn a_key_change_is_one_update_where_that_is_wanted() {
    let (mut world, start) = with_table("DEFAULT").await;
    world.options.join_key_changes = true;
    world.run("UPDATE t SET id = 2; UPDATE t SET v = 5").await;
    let events = changes(&world.tail(start).await.until_now(&world.sql).await);
    assert_eq!(short(&events), ["update t(2,1,BIG) was (1,omitted,omitted)", "update t(2,5,unchanged)"]);
    assert_eq!(events[0].fetched, [2]);
    assert_eq!((events[0].table_seq, events[1].table_seq), (1, 2));
}

#[tokio::test]
async fn a_new_key_s_row_that_is_gone_stays_incomplete() {
    for gone in [
        "DELETE FROM t",
        "UPDATE t SET id = 3",
        "DROP TABLE t",
        "ALTER TABLE t RENAME TO elsewhere",
        "ALTER TABLE t DROP big",
    ] {
        let (world, start) = with_table("DEFAULT").await;
        world.run("UPDATE t SET id = 2").await;
        world.run(gone).await;
        let events = changes(&world.tail(start).await.until_now(&world.sql).await);
        assert_eq!(
            short(&events)[..2],
            ["delete t was (1,omitted,omitted)", "insert t(2,1,unchanged)"],
            "{gone}"
        );
        assert!(events[1].fetched.is_empty(), "{gone}");
    }
}

/// What lies in another table is none of this row's, though it has the same name and key.
#[tokio::test]
async fn a_new_key_s_row_is_not_completed_from_another_table() {
    for other in [
        "ALTER TABLE t RENAME TO elsewhere; CREATE TABLE t (id int PRIMARY KEY, v int, big text); INSERT INTO t VALUES (2, 0, 'not mine')",
        "DELETE FROM t; CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (2, 0, 'not mine')",
    ] {
        let (world, start) = with_table("DEFAULT").await;
        world.run("UPDATE t SET id = 2").await;
        world.run(other).await;
        let events = changes(&world.tail(start).await.until_now(&world.sql).await);
        assert_eq!(
            short(&events)[..2],
            ["delete t was (1,omitted,omitted)", "insert t(2,1,unchanged)"],
            "{other}"
        );
    }
}

/// A row that this role may not see is not gone.
#[tokio::test]
async fn a_new_key_s_row_that_may_not_be_read_is_refused() {
    for (hidden, remedy) in [
        ("REVOKE SELECT ON t FROM ROLE", "GRANT SELECT"),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "BYPASSRLS"),
    ] {
        let (mut world, start) = with_table("DEFAULT").await;
        let role = format!("fetcher_{}", world.options.connection.database());
        world.run(&format!("CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON t TO {role}")).await;
        world.run("UPDATE t SET id = 2").await;
        let owner = world.connect().await;
        run(&owner, &hidden.replace("ROLE", &role)).await;
        let url = world
            .postgres()
            .url(world.options.connection.database())
            .replace("postgres@", &format!("{role}@"));
        world.options.connection = Config::parse(&url).unwrap();
        let failed = world.tail(start).await.failure().await;
        assert_eq!(failed.code(), "CDC-PG-033", "{failed}");
        assert!(failed.to_string().contains(remedy), "{failed}");
    }
}

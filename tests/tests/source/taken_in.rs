//! Tables that are published while transactions that wrote to them are still open.

use std::sync::Arc;

use event::envelope::{ChangeEvent, Op};
use event::{LogPlace, Lsn, TableName};
use wal_reader::system::log_end;
use wal_reader::wire::Mode;

use crate::replica::lines;
use crate::world::{World, run, table};

/// This table is taken in from there on, others from the beginning.
pub(crate) fn since(name: &str, place: LogPlace) -> Arc<dyn Fn(&TableName) -> LogPlace + Send + Sync> {
    let later = table(name);
    Arc::new(move |name| if *name == later { place } else { LogPlace::START })
}

/// What an open transaction wrote before its table was published, pgoutput tells if it has met the table since, and does
/// not tell otherwise. So it must have no number: the next run begins elsewhere, and all others would have another one.
#[tokio::test]
async fn numbers_do_not_depend_on_where_the_stream_begins() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)").await;
    world.run("CREATE PUBLICATION published FOR TABLE a").await;
    let start = world.slot().await;
    let open = world.connect().await;
    run(&open, "BEGIN; INSERT INTO b VALUES (1); INSERT INTO a VALUES (1)").await;
    world.run("ALTER PUBLICATION published ADD TABLE b").await;
    world.options.since = since("b", end(&world).await.into());
    world.run("INSERT INTO b VALUES (10)").await;
    let later = end(&world).await;
    run(&open, "INSERT INTO b VALUES (2); INSERT INTO a VALUES (2); COMMIT").await;
    let mut tail = world.tail(start).await;
    let first = tail.until_now(&world.sql).await;
    drop(tail);
    let again = world.tail(later).await.until_now(&world.sql).await;
    assert_eq!(changes(&first), ["insert b(10)", "insert a(1)", "insert b(2)", "insert a(2)"]);
    assert_eq!(changes(&again), ["insert a(1)", "insert b(2)", "insert a(2)"]);
    let numbers = |events: &[ChangeEvent]| -> Vec<u64> {
        let is_change = |event: &&ChangeEvent| event.after.is_some() && event.txid == again[0].txid;
        events.iter().filter(is_change).map(|event| event.tx_seq).collect()
    };
    assert_eq!(numbers(&first), [1, 2, 3]);
    assert_eq!(numbers(&again), [1, 2, 3]);
}

/// Before a table is taken in, nothing of it is sent, and what is sent of others has the numbers that it will have after.
#[tokio::test]
async fn of_a_table_that_is_not_taken_in_yet_nothing_is_sent() {
    let mut world = World::shared().await;
    world.run("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)").await;
    world.run("CREATE PUBLICATION published FOR TABLE a, b").await;
    let start = world.slot().await;
    world.options.since = since("b", LogPlace::NEVER);
    world
        .run("BEGIN; INSERT INTO b VALUES (1); INSERT INTO a VALUES (1); TRUNCATE b; TRUNCATE b, a; COMMIT")
        .await;
    let mut tail = world.tail(start).await;
    let before = tail.until_now(&world.sql).await;
    drop(tail);
    world.options.since = since("b", end(&world).await.into());
    let after = world.tail(start).await.until_now(&world.sql).await;
    for events in [before, after] {
        assert_eq!(changes(&events), ["insert a(1)", "truncate a"]);
        let truncated = events.iter().find(|event| event.op() == Op::Truncate).unwrap();
        assert_eq!((truncated.tx_seq, truncated.part), (2, 1));
    }
}

/// Without the marks of earlier reads.
fn changes(events: &[ChangeEvent]) -> Vec<String> {
    let mut lines = lines(events);
    lines.retain(|line| !line.starts_with("message"));
    lines
}

async fn end(world: &World) -> Lsn {
    log_end(&mut world.wire(Mode::Sql).await).await.unwrap()
}

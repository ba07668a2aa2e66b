//! A large table is read range by range: what happens between two ranges belongs to those that were read before it.

use event::{KeyBound, Lsn};

use crate::replica::{Replica, lines};
use crate::world::{Loaded, World, begin, load, load_from, read, table};

/// A thousand rows in units of a hundred.
async fn world() -> (World, Lsn) {
    let mut world = World::shared().await;
    world.options.load_unit_rows = 100;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    world.run("INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 1000) g; ANALYZE t").await;
    let start = world.begin().await;
    (world, start)
}

/// Reads the first unit, lets the statements happen, reads the others.
async fn load_around(world: &World, statements: &str) -> Loaded {
    let mut loader = world.loader().await;
    begin(&mut loader, "t", None).await;
    let (mut events, first) = read(&mut loader, &world.pool).await;
    assert_eq!(first.fence.range.as_ref().unwrap().from, None);
    world.run(statements).await;
    let rest = load_from(&mut loader, &world.pool, "t", first.next).await;
    events.extend(rest.events);
    let units: Vec<_> = [first].into_iter().chain(rest.units).collect();
    assert!(units.len() > 2, "the table was to be cut");
    assert_eq!(units.last().unwrap().fence.range.as_ref().unwrap().to, None);
    Loaded { events, units }
}

#[tokio::test]
async fn each_half_of_a_key_change_is_judged_by_its_own_range() {
    let (world, start) = world().await;
    let loaded = load_around(
        &world,
        "UPDATE t SET id = 2000 WHERE id = 50; UPDATE t SET id = 0 WHERE id = 560; UPDATE t SET id = 3000 WHERE id = 900; \
         UPDATE t SET id = -1 WHERE id = 51",
    )
    .await;
    assert_eq!(loaded.units[0].next, Some(KeyBound::Int(101)));
    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    assert_eq!(
        lines(&streamed),
        ["delete t was (50,omitted)", "insert t(0,v560)", "delete t was (51,omitted)", "insert t(-1,v51)",]
    );
    replica.take_all(&streamed);
    assert_eq!(replica.rows("t"), world.rows("t").await);
}

/// Joined, an update would put the new key's row back to what it was before the load.
#[tokio::test]
async fn a_key_change_is_joined_only_where_no_range_contains_a_half() {
    let (mut world, start) = world().await;
    world.options.join_key_changes = true;
    let loaded = load_around(
        &world,
        "UPDATE t SET id = 2000 WHERE id = 50; UPDATE t SET id = 0 WHERE id = 560; UPDATE t SET id = 3000 WHERE id = 900",
    )
    .await;
    world.run("UPDATE t SET id = 4000 WHERE id = 901").await;
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    assert_eq!(
        lines(&streamed),
        ["delete t was (50,omitted)", "insert t(0,v560)", "update t(4000,v901) was (901,omitted)"]
    );
}

#[tokio::test]
async fn a_truncate_between_two_ranges_goes_out_and_voids_both() {
    let (world, start) = world().await;
    let loaded = load_around(
        &world,
        "DELETE FROM t WHERE id IN (3, 903); BEGIN; TRUNCATE t; INSERT INTO t SELECT g, 'new' FROM generate_series(5, 1000, 2) g; COMMIT",
    )
    .await;
    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    let mut tail = world.tail_over(start, loaded.fences()).await;
    let streamed = tail.until_now(&world.sql).await;
    let lines = lines(&streamed);
    assert_eq!(lines[..2], ["delete t was (3,omitted)", "truncate t"], "903 was deleted before it was read");
    assert_eq!(lines.len(), 2 + 498, "what came after the TRUNCATE comes, wherever it was read");
    replica.take_all(&streamed);
    assert_eq!(replica.rows("t"), world.rows("t").await);

    // A crash now: the log is read again from the start, over the fences as they were saved.
    let saved = tail.fences.clone();
    drop(tail);
    let again = world.tail_over(start, saved).await.until_now(&world.sql).await;
    let again: Vec<_> =
        crate::replica::lines(&again).into_iter().filter(|line| !line.starts_with("message")).collect();
    assert_eq!(again, lines);
}

/// The log has passed the first range's fence, so nothing remembers that this range was read before the TRUNCATE.
#[tokio::test]
async fn a_truncate_after_a_forgotten_range_goes_out() {
    let (world, start) = world().await;
    let mut loader = world.loader().await;
    begin(&mut loader, "t", None).await;
    let (events, first) = read(&mut loader, &world.pool).await;
    let mut replica = Replica::default();
    replica.take_all(&events);
    let mut tail = world.tail(start).await;
    let limit = first.fence.limit;
    tail.fences.add(first.table, first.fence);
    while limit > tail.reached.into() {
        replica.take_all(&tail.until_now(&world.sql).await);
    }
    let reached = tail.reached;
    tail.fences.forget_before(reached.into());
    assert!(tail.fences.is_empty());

    world.run("TRUNCATE t; INSERT INTO t SELECT g, 'new' FROM generate_series(1, 1000, 2) g").await;
    let rest = load_from(&mut loader, &world.pool, "t", first.next).await;
    replica.take_all(&rest.events);
    rest.add_to(&mut tail.fences);
    replica.take_all(&tail.until_now(&world.sql).await);
    assert_eq!(replica.rows("t"), world.rows("t").await);
}

#[tokio::test]
async fn a_truncate_that_every_range_contains_is_dropped() {
    let (world, start) = world().await;
    world.run("TRUNCATE t; INSERT INTO t SELECT g, 'new' FROM generate_series(1, 900) g; ANALYZE t").await;
    let loaded = world.load("t").await;
    assert!(loaded.units.len() > 2);
    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    let mut tail = world.tail_over(start, loaded.fences()).await;
    assert_eq!(lines(&tail.until_now(&world.sql).await), [] as [&str; 0]);
    assert_eq!(replica.rows("t"), world.rows("t").await);
    // And one that none contains.
    world.run("TRUNCATE t; INSERT INTO t VALUES (1, 'x')").await;
    assert_eq!(lines(&tail.until_now(&world.sql).await), ["truncate t", "insert t(1,x)"]);
}

#[tokio::test]
async fn ranges_of_dates_end_at_the_infinities() {
    let days = "SELECT g::date FROM generate_series('2020-01-01', '2021-12-31', interval '1 day') g UNION ALL VALUES \
                (date '-infinity'), ('infinity'), ('4713-01-01 BC'), ('0001-01-01'), ('5874897-12-31'), ('1969-12-31')";
    any_key("date", days, "CASE WHEN isfinite(id) THEN (id - date '1970-01-01')::text ELSE id::text END")
        .await;
}

#[tokio::test]
async fn ranges_of_uuids_are_ordered_by_their_bytes() {
    let ids = "SELECT md5(g::text)::uuid FROM generate_series(1, 500) g UNION ALL VALUES \
               (uuid '00000000-0000-0000-0000-000000000000'), ('ffffffff-ffff-ffff-ffff-ffffffffffff')";
    any_key("uuid", ids, "replace(id::text, '-', '')").await;
}

#[tokio::test]
async fn ranges_of_integers_reach_to_both_ends() {
    let ids = "SELECT g FROM generate_series(-300, 300) g UNION ALL VALUES (-9223372036854775808), (9223372036854775807)";
    any_key("bigint", ids, "id::text").await;
}

/// Every row is read once, and what happens to all rows after the first range was read is sent for that range alone.
async fn any_key(key_type: &str, keys: &str, as_shown: &str) {
    let mut world = World::shared().await;
    world.options.load_unit_rows = 60;
    world.run(&format!("CREATE TABLE t (id {key_type} PRIMARY KEY, v int)")).await;
    world.run(&format!("INSERT INTO t SELECT *, 0 FROM ({keys}) keys; ANALYZE t")).await;
    let start = world.begin().await;
    let loaded = load_around(&world, "UPDATE t SET v = 1").await;
    let count: u64 = world.text("SELECT count(*) FROM t").await.parse().unwrap();
    assert_eq!(loaded.units.iter().map(|unit| unit.rows).sum::<u64>(), count);
    let mut replica = Replica::with_versions(1);
    replica.take_all(&loaded.events);
    let mut tail = world.tail_over(start, loaded.fences()).await;
    let streamed = tail.until_now(&world.sql).await;
    assert_eq!(streamed.iter().filter(|event| event.after.is_some()).count() as u64, loaded.units[0].rows);
    replica.take_all(&streamed);
    let shown = format!("(SELECT {as_shown}, v FROM t) shown");
    assert_eq!(replica.rows("t"), world.rows(&shown).await);

    // What a reload does not find is gone at its LOAD_ENDs, whichever range it was in.
    world.run("DELETE FROM t WHERE id IN ((SELECT id FROM t ORDER BY id LIMIT 1), (SELECT id FROM t ORDER BY id DESC LIMIT 1))").await;
    replica.take_all(&world.load("t").await.events);
    assert_eq!(replica.rows("t"), world.rows(&shown).await);
}

/// A key whose order the database and we might not agree on is not cut.
#[tokio::test]
async fn a_text_key_is_read_at_once() {
    let mut world = World::shared().await;
    world.options.load_unit_rows = 10;
    world
        .run("CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100); ANALYZE t")
        .await;
    world.run("CREATE DOMAIN number AS int; CREATE TABLE d (id number PRIMARY KEY); INSERT INTO d SELECT generate_series(1, 100); ANALYZE d").await;
    world.run("CREATE TABLE two (a int, b int, PRIMARY KEY (a, b)); INSERT INTO two SELECT 1, generate_series(1, 100); ANALYZE two").await;
    world.begin().await;
    let mut loader = world.loader().await;
    for name in ["t", "d", "two"] {
        let loaded = load(&mut loader, &world.pool, name).await;
        assert_eq!((loaded.units.len(), loaded.units[0].rows), (1, 100), "{name}");
        assert_eq!(loaded.units[0].table, table(name));
        assert_eq!(loaded.units[0].fence.range, None);
    }
}

//! What is read is what is published: the same rows, the same columns, or a refusal that says what to grant.

use event::Lsn;
use wal_reader::wire::Config;
use wal_reader::{Error, Loader, Refusal};

use crate::replica::{Replica, lines};
use crate::world::{World, begin, load, table, try_begin, try_read};

/// A world whose reader logs in with a role of its own that may do nothing.
async fn with_plain_role() -> (World, String) {
    let mut world = World::shared().await;
    let role = format!("reader_{}", world.options.connection.database());
    world.run(&format!("CREATE ROLE {role} LOGIN REPLICATION")).await;
    let url =
        world.postgres().url(world.options.connection.database()).replace("postgres@", &format!("{role}@"));
    world.options.connection = Config::parse(&url).unwrap();
    (world, role)
}

async fn refusal(world: &World, name: &str) -> Error {
    let mut loader = Loader::open(&world.options).await.unwrap();
    let failed = match try_begin(&mut loader, &table(name), None, &Default::default()).await {
        Err(error) => error,
        Ok(begun) => {
            assert!(matches!(begun, wal_reader::Begun::Reading), "{begun:?}");
            try_read(&mut loader, &world.pool).await.map(|(events, _)| lines(&events)).unwrap_err()
        }
    };
    assert_eq!(failed.code(), "CDC-PG-033", "{failed}");
    assert!(!failed.is_retryable());
    failed
}

/// The SQL at the end of a refusal.
fn remedy(error: &Error) -> String {
    let text = error.to_string();
    let (_, sql) = text.rsplit_once(": ").unwrap();
    assert!(sql.ends_with(';'), "{text}");
    sql.to_owned()
}

#[tokio::test]
async fn a_policy_that_hides_rows_is_refused() {
    let (world, role) = with_plain_role().await;
    world
        .run(&format!(
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY p ON t USING (id = 1); GRANT SELECT ON t TO {role}; CREATE PUBLICATION published FOR TABLE t"
        ))
        .await;
    let refused = refusal(&world, "t").await;
    assert!(
        refused.to_string().contains("public.t") && refused.to_string().contains("BYPASSRLS"),
        "{refused}"
    );
    world.run(&remedy(&refused)).await;
    let loaded = world.load("t").await;
    assert_eq!(lines(&loaded.events), ["load of t", "read t(1)", "read t(2)", "2 rows of t"]);
}

#[tokio::test]
async fn a_table_that_may_not_be_read_is_refused() {
    let (world, _) = with_plain_role().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION published FOR TABLE t").await;
    let refused = refusal(&world, "t").await;
    assert!(matches!(&refused, Error::Refused(refused) if matches!(**refused, Refusal::Unreadable { .. })));
    assert!(remedy(&refused).contains("GRANT SELECT ON \"public\".\"t\" TO \"reader_"), "{refused}");
    world.run(&remedy(&refused)).await;
    assert_eq!(world.load("t").await.units[0].rows, 1);
}

#[tokio::test]
async fn a_schema_that_may_not_be_used_is_refused() {
    let (world, role) = with_plain_role().await;
    world
        .run(&format!(
            "CREATE SCHEMA hidden; CREATE TABLE hidden.t (id int PRIMARY KEY); CREATE PUBLICATION published FOR TABLE hidden.t; \
             GRANT SELECT ON hidden.t TO {role}"
        ))
        .await;
    let mut loader = Loader::open(&world.options).await.unwrap();
    let name = event::TableName::new("hidden", "t");
    let refused = try_begin(&mut loader, &name, None, &Default::default()).await.unwrap_err();
    assert_eq!(refused.code(), "CDC-PG-033", "{refused}");
    world.run(&remedy(&refused)).await;
    let begun = try_begin(&mut loader, &name, None, &Default::default()).await.unwrap();
    assert!(matches!(begun, wal_reader::Begun::Reading), "after {}: {begun:?}", remedy(&refused));
}

/// Loads the table, changes it, follows the stream: what both told is what the query finds.
async fn same_as(world: &World, start: Lsn, name: &str, changes: &str, query: &str) {
    let loaded = world.load(name).await;
    let mut replica = Replica::default();
    replica.take_all(&loaded.events);
    assert_eq!(replica.rows(name), world.rows(&format!("({query}) q")).await, "read");
    world.run(changes).await;
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    replica.take_all(&streamed);
    assert_eq!(replica.rows(name), world.rows(&format!("({query}) q")).await, "streamed");
    let fingerprints = |events: &[event::envelope::ChangeEvent]| {
        events
            .iter()
            .filter(|event| event.table == name)
            .map(|event| event.schema_fp)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(fingerprints(&loaded.events), fingerprints(&streamed), "the same shape");
}

#[tokio::test]
async fn a_column_list_and_a_row_filter() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (secret text, id int PRIMARY KEY, v int, region text); \
             INSERT INTO t SELECT 'secret', g, g, 'r' || g % 3 FROM generate_series(1, 30) g; \
             CREATE PUBLICATION published FOR TABLE t (v, id) WHERE (id > 10 AND id < 20 OR id IN (1, 2))",
        )
        .await;
    let start = world.slot().await;
    same_as(
        &world,
        start,
        "t",
        "INSERT INTO t VALUES ('s', 100, 1, 'r1'); UPDATE t SET id = 101 WHERE id = 11; UPDATE t SET id = 12 WHERE id = 22 AND false; \
         UPDATE t SET v = -v; DELETE FROM t WHERE id IN (13, 23); UPDATE t SET id = 13 WHERE id = 3",
        "SELECT id, v FROM t WHERE id > 10 AND id < 20 OR id IN (1, 2)",
    )
    .await;
}

#[tokio::test]
async fn generated_columns_are_left_out() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, double int GENERATED ALWAYS AS (id * 2) STORED, v text); \
             ALTER TABLE t ADD gone int; ALTER TABLE t DROP gone; ALTER TABLE t ADD late text DEFAULT 'late'; \
             INSERT INTO t (id, v) VALUES (1, 'a'), (2, NULL)",
        )
        .await;
    let start = world.begin().await;
    same_as(
        &world,
        start,
        "t",
        "INSERT INTO t (id, v) VALUES (3, 'c'); UPDATE t SET v = 'b' WHERE id = 2",
        "SELECT id, v, late FROM t",
    )
    .await;
}

#[tokio::test]
async fn children_of_a_parent_are_read_once() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child (v int, PRIMARY KEY (id)) INHERITS (t); \
             INSERT INTO t VALUES (1), (2); INSERT INTO child VALUES (1, 10), (3, 30)",
        )
        .await;
    let start = world.begin().await;
    same_as(
        &world,
        start,
        "t",
        "INSERT INTO t VALUES (4); INSERT INTO child VALUES (5, 50); DELETE FROM ONLY t WHERE id = 1",
        "SELECT * FROM ONLY t",
    )
    .await;
    let loaded = world.load("child").await;
    assert_eq!(loaded.units[0].rows, 3);
}

const PARTITIONED: &str = "CREATE TABLE t (id int, region int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region); \
     CREATE TABLE one PARTITION OF t FOR VALUES IN (1); \
     CREATE TABLE two (v text, region int NOT NULL, id int NOT NULL); ALTER TABLE t ATTACH PARTITION two FOR VALUES IN (2); \
     INSERT INTO t SELECT g, g % 2 + 1, 'v' || g FROM generate_series(1, 20) g";

#[tokio::test]
async fn partitions_by_themselves() {
    let world = World::shared().await;
    world.run(PARTITIONED).await;
    let start = world.begin().await;
    // Both are read before anything moves: the slot's stream can be followed once only.
    let mut loader = world.loader().await;
    let (one, two) =
        (load(&mut loader, &world.pool, "one").await, load(&mut loader, &world.pool, "two").await);
    let mut replica = Replica::default();
    replica.take_all(&one.events);
    replica.take_all(&two.events);
    world.run("UPDATE t SET region = 2 WHERE id IN (2, 4); UPDATE t SET v = 'w' WHERE id IN (1, 2); DELETE FROM t WHERE id = 6").await;
    let mut fences = one.fences();
    two.add_to(&mut fences);
    replica.take_all(&world.tail_over(start, fences).await.until_now(&world.sql).await);
    assert_eq!(replica.rows("one"), world.rows("one").await);
    assert_eq!(replica.rows("two"), world.rows("two").await);
    assert_eq!(replica.rows("t"), [] as [&str; 0]);
}

#[tokio::test]
async fn partitions_through_their_root() {
    let world = World::shared().await;
    world.run(PARTITIONED).await;
    world.run("CREATE PUBLICATION published FOR TABLE t WITH (publish_via_partition_root)").await;
    let start = world.slot().await;
    same_as(
        &world,
        start,
        "t",
        "UPDATE t SET region = 2 WHERE id IN (2, 4); UPDATE t SET v = 'w' WHERE id IN (1, 2); DELETE FROM t WHERE id = 6; INSERT INTO two VALUES ('x', 2, 99)",
        "SELECT * FROM t",
    )
    .await;
}

#[tokio::test]
async fn a_table_that_is_gone_is_said_to_be() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE unpublished (id int PRIMARY KEY); CREATE PUBLICATION published FOR TABLE t").await;
    let mut loader = world.loader().await;
    for name in ["unpublished", "never", "t"] {
        if name == "t" {
            world.run("DROP TABLE t").await;
        }
        let begun = try_begin(&mut loader, &table(name), None, &Default::default()).await.unwrap();
        assert!(matches!(begun, wal_reader::Begun::Gone), "{name}: {begun:?}");
    }
    world.run("CREATE TABLE u (id int PRIMARY KEY); ALTER PUBLICATION published ADD TABLE u").await;
    begin(&mut loader, "u", None).await;
}

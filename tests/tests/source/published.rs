//! What is read is what is published: the same rows, the same columns, or a refusal that says what to grant.

use event::Lsn;
use wal_reader::wire::Config;
use wal_reader::{Error, Loader, Refusal};

use crate::replica::{Replica, lines};
use crate::world::{World, begin, table, try_begin, try_read};

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
            assert!(matches!(begun, event::Begun::Reading), "{begun:?}");
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
    assert!(matches!(begun, event::Begun::Reading), "after {}: {begun:?}", remedy(&refused));
}

/// Loads the table, changes it, follows the stream: what both told is what the query finds.
pub(crate) async fn same_as(world: &World, start: Lsn, name: &str, changes: &str, query: &str) {
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

/// What a publication leaves out never comes, without a word from the server.
#[tokio::test]
async fn a_publication_that_leaves_operations_out_is_refused() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION published FOR TABLE t").await;
    let operations = ["insert", "update", "delete", "truncate"];
    for left_out in operations {
        let others: Vec<&str> = operations.into_iter().filter(|operation| *operation != left_out).collect();
        world.run(&format!("ALTER PUBLICATION published SET (publish = '{}')", others.join(", "))).await;
        let refused = world.try_publish().await.unwrap_err();
        assert_eq!(refused.code(), "CDC-PG-022", "{refused}");
        assert!(refused.to_string().contains(&left_out.to_uppercase()), "{refused}");
    }
}

/// With a list that lacks the replica identity the server refuses the application's own changes; so there is never an
/// old row without its key.
#[tokio::test]
async fn a_column_list_without_the_key() {
    let world = World::shared().await;
    world
        .run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1); CREATE PUBLICATION published FOR TABLE t (v)")
        .await;
    let start = world.slot().await;
    assert!(world.sql.batch_execute("UPDATE t SET v = 2").await.is_err());
    assert!(world.sql.batch_execute("DELETE FROM t").await.is_err());
    world.run("INSERT INTO t VALUES (2, 2)").await;
    assert_eq!(lines(&world.tail(start).await.until_now(&world.sql).await), ["insert t(2)"]);
}

/// The filter decides by the old row and by the new one, so an update can bring a row in or take it out.
#[tokio::test]
async fn a_row_filter_crossed_by_an_update() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, v int); ALTER TABLE t REPLICA IDENTITY FULL; \
             INSERT INTO t VALUES (1, 0), (2, 10); CREATE PUBLICATION published FOR TABLE t WHERE (v >= 10)",
        )
        .await;
    let start = world.slot().await;
    world
        .run(
            "INSERT INTO t VALUES (3, 9); UPDATE t SET v = 11 WHERE id = 1; UPDATE t SET v = 12 WHERE id = 1; \
             UPDATE t SET v = 1 WHERE id = 2; UPDATE t SET v = 2 WHERE id = 2; DELETE FROM t",
        )
        .await;
    assert_eq!(
        lines(&world.tail(start).await.until_now(&world.sql).await),
        ["insert t(1,11)", "update t(1,12) was (1,11)", "delete t was (2,10)", "delete t was (1,12)"]
    );
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
        assert!(matches!(begun, event::Begun::Gone), "{name}: {begun:?}");
    }
    world.run("CREATE TABLE u (id int PRIMARY KEY); ALTER PUBLICATION published ADD TABLE u").await;
    begin(&mut loader, "u", None).await;
}

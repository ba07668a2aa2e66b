//! Tables whose names and shapes are not what one expects, or do not stay so.

use std::sync::Arc;

use event::envelope::{ChangeEvent, Op};

use crate::published::same_as;
use crate::replica::{line, lines};
use crate::world::{World, changes, table};

/// Rows, each of whose shapes a SCHEMA event has told right before.
fn with_shapes(events: &[ChangeEvent]) -> Vec<String> {
    let mut told = std::collections::HashMap::new();
    let mut lines = Vec::new();
    for event in events {
        if event.op() == Op::Schema {
            let schema = event.table_schema.as_ref().unwrap();
            let columns: Vec<String> =
                schema.columns.iter().map(|column| format!("{} {}", column.name, column.r#type)).collect();
            lines.push(format!("schema {} {}", event.table, columns.join(", ")));
            told.insert(event.table.clone(), event.schema_fp);
        } else {
            assert_eq!(told.get(&event.table), Some(&event.schema_fp), "no SCHEMA before {event:?}");
            lines.push(line(event));
        }
    }
    lines
}

#[tokio::test]
async fn a_table_changes_its_shape_inside_a_transaction() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v int)").await;
    let start = world.begin().await;
    world
        .run(
            "BEGIN; INSERT INTO t VALUES (1, 1); ALTER TABLE t ADD w text DEFAULT 'd'; INSERT INTO t VALUES (2, 2); \
             ALTER TABLE t DROP v; UPDATE t SET w = 'e' WHERE id = 1; ALTER TABLE t ALTER w TYPE varchar(7); \
             INSERT INTO t VALUES (3, 'f'); COMMIT; INSERT INTO t VALUES (4, 'g')",
        )
        .await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    assert_eq!(
        with_shapes(&events),
        [
            "schema t id int4, v int4",
            "insert t(1,1)",
            "schema t id int4, v int4, w text",
            "insert t(2,2,d)",
            "schema t id int4, w text",
            "update t(1,e)",
            "schema t id int4, w varchar",
            "insert t(3,f)",
            "insert t(4,g)",
        ]
    );
    assert_eq!(events.last().unwrap().schema_fp, world.load("t").await.events[0].schema_fp);
}

#[tokio::test]
async fn a_renamed_table_is_another_and_a_new_one_goes_on() {
    let mut world = World::shared().await;
    world.options.wanted = Arc::new(|name| name.table != "unwanted");
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    world
        .run(
            "INSERT INTO t VALUES (1), (2); ALTER TABLE t RENAME TO u; INSERT INTO u VALUES (3); \
             ALTER TABLE u RENAME TO unwanted; INSERT INTO unwanted VALUES (4); ALTER TABLE unwanted RENAME TO t; \
             INSERT INTO t VALUES (5); DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text)",
        )
        .await;
    world.publish().await;
    world.run("INSERT INTO t VALUES (6, 'new')").await;
    let mut tail = world.tail(start).await;
    let events = changes(&tail.until_now(&world.sql).await);
    assert_eq!(
        lines(&events),
        ["insert t(1)", "insert t(2)", "insert u(3)", "insert t(5)", "insert t(6,new)"]
    );
    assert_eq!(events.iter().map(|event| event.table_seq).collect::<Vec<_>>(), [1, 2, 1, 3, 4]);
    assert_eq!((tail.table_seqs[&table("t")], tail.table_seqs[&table("u")]), (4, 1));
}

#[tokio::test]
async fn names_may_be_anything() {
    let world = World::shared().await;
    let longest = "ü".repeat(31);
    world
        .run(&format!(
            "CREATE SCHEMA \"Größe \"\"s\"\"\"; CREATE TABLE \"Größe \"\"s\"\"\".\"t'\\ .;--\" (\"i\"\"d'\" int PRIMARY KEY, \"größe\\\" int); \
             CREATE TABLE \"{longest}\" (\"{longest}\" int PRIMARY KEY); CREATE TABLE \"SELECT\" (\"FROM\" int PRIMARY KEY)"
        ))
        .await;
    let start = world.begin().await;
    world
        .run(&format!(
            "INSERT INTO \"Größe \"\"s\"\"\".\"t'\\ .;--\" VALUES (1, 2); INSERT INTO \"{longest}\" VALUES (1); INSERT INTO \"SELECT\" VALUES (1)"
        ))
        .await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    let mut loader = world.loader().await;
    let odd = event::TableName::new("Größe \"s\"", "t'\\ .;--");
    for (name, streamed) in [odd, table(&longest), table("SELECT")].iter().zip(changes(&events)) {
        assert_eq!((&streamed.schema, &streamed.table), (&name.schema, &name.table));
        assert!(matches!(
            crate::world::try_begin(&mut loader, name, None, &Default::default()).await.unwrap(),
            event::Begun::Reading
        ));
        let (events, unit) = crate::world::read(&mut loader, &world.pool).await;
        assert_eq!((unit.rows, &unit.table), (1, name));
        let read = changes(&events).remove(1);
        assert_eq!(
            (read.schema_fp, read.after, read.key),
            (streamed.schema_fp, streamed.after, streamed.key)
        );
    }
}

#[tokio::test]
async fn a_table_without_columns() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (); ALTER TABLE t REPLICA IDENTITY FULL").await;
    let start = world.begin().await;
    world.run("INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES").await;
    let events = world.tail(start).await.until_now(&world.sql).await;
    assert_eq!(lines(&events), ["insert t()", "insert t()"]);
    assert_eq!(lines(&world.load("t").await.events), ["load of t", "read t()", "read t()", "2 rows of t"]);
}

#[tokio::test]
async fn a_table_of_1600_columns() {
    let world = World::shared().await;
    let columns: Vec<String> = (1..1600).map(|number| format!("c{number} int DEFAULT {number}")).collect();
    world.run(&format!("CREATE TABLE t (id int PRIMARY KEY, {})", columns.join(", "))).await;
    world.run("INSERT INTO t (id, c7) VALUES (1, NULL), (2, 0)").await;
    let start = world.begin().await;
    let changes = "INSERT INTO t (id) VALUES (3); UPDATE t SET c1599 = NULL WHERE id = 1; UPDATE t SET id = 4 WHERE id = 2";
    same_as(&world, start, "t", changes, "SELECT * FROM t").await;
}

/// No Relation message tells of these: the rows' texts are what changes.
#[tokio::test]
async fn a_renamed_label_and_an_added_attribute() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int); \
             CREATE TABLE t (id int PRIMARY KEY, m mood, p pair)",
        )
        .await;
    let start = world.begin().await;
    for statement in [
        "INSERT INTO t VALUES (1, 'sad', '(1)')",
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
        "ALTER TYPE pair ADD ATTRIBUTE b text",
        "INSERT INTO t VALUES (2, 'blue', '(2,x)'); UPDATE t SET id = 3 WHERE id = 1",
    ] {
        world.run(statement).await;
    }
    let events = world.tail(start).await.until_now(&world.sql).await;
    assert_eq!(
        lines(&events),
        [
            "insert t(1,sad,(1))",
            "insert t(2,blue,(2,x))",
            "delete t was (1,omitted,omitted)",
            "insert t(3,blue,(1,))"
        ]
    );
}

//! What columns are, where the log says it and where it does not; and tables that come and go.

use end_to_end::servers::Release;
use event::{Failure as _, TableName, TableNews};

use crate::world::{World, lines};

const RELEASES: [Release; 3] = [Release::Mysql, Release::Mariadb("10.11"), Release::Mariadb("11.8")];

fn less(release: Release) -> &'static str {
    match release {
        Release::Mysql => "SET GLOBAL binlog_row_metadata = MINIMAL;",
        Release::Mariadb(_) => "SET GLOBAL binlog_row_metadata = NO_LOG;",
    }
}

/// What the log said once is known when it says it no longer, through DDL as well.
#[tokio::test]
async fn metadata_is_switched_off_and_on() {
    for release in RELEASES {
        let world = World::new(release);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, n tinyint unsigned)",
        );
        let mut reader = world.reader().await;
        world.run(&format!(
            "INSERT INTO mark VALUES (0); INSERT INTO t VALUES (1, 255); {} INSERT INTO t VALUES (2, 254); \
             ALTER TABLE t ADD COLUMN first int FIRST, DROP COLUMN n, ADD COLUMN e enum('a', 'b') CHARACTER SET utf8mb4; \
             INSERT INTO t VALUES (7, 3, 'b'); \
             ALTER TABLE t ADD COLUMN u int unsigned; INSERT INTO t VALUES (7, 33, 'b', 9); ALTER TABLE t DROP COLUMN u; \
             INSERT INTO mark VALUES (1)",
            less(release)
        ));
        let events = reader.until_mark(1).await;
        assert_eq!(
            lines(&events),
            [
                r#"insert t {"id":1,"n":255}"#,
                r#"insert t {"id":2,"n":254}"#,
                r#"insert t {"e":"b","first":7,"id":3}"#,
                r#"insert t {"e":"b","first":7,"id":33,"u":9}"#,
            ],
            "{release:?}"
        );
        // A crash later all of it is still known.
        let mut reader = reader.reopen(&world.options).await.unwrap();
        world.run("INSERT INTO t VALUES (8, 4, 'a'); SET GLOBAL binlog_row_metadata = FULL;");
        world.run("INSERT INTO t VALUES (9, 5, NULL); INSERT INTO mark VALUES (2)");
        let events = reader.until_mark(2).await;
        assert_eq!(
            lines(&events),
            [r#"insert t {"e":"a","first":8,"id":4}"#, r#"insert t {"e":null,"first":9,"id":5}"#],
            "{release:?}"
        );
    }
}

/// MariaDB's log says nothing of characters by default: what its databases give to new tables is known from the start on.
#[tokio::test]
async fn new_text_is_in_its_database_s_characters() {
    let world = World::new(Release::Mariadb("11.4"));
    world.run(&format!(
        "{} ALTER DATABASE shop CHARACTER SET utf8mb4; CREATE TABLE mark (id int PRIMARY KEY)",
        less(Release::Mariadb("11.4"))
    ));
    let mut reader = world.reader().await;
    let tables = [TableName::new("shop", "mark")];
    let mut shapes = binlog_reader::databases(&mut world.session().await).await.unwrap();
    for table in tables {
        let shape = binlog_reader::shape_of(&mut world.session().await, &table).await.unwrap();
        shapes.extend(shape.map(|shape| (table, shape)));
    }
    for (name, shape) in shapes {
        reader.shapes.put(&name, event::LogPlace::START, serde_json::to_string(&shape).unwrap());
    }
    world.run(
        "CREATE TABLE a (id int PRIMARY KEY, n text); INSERT INTO a VALUES (1, '\u{fc}'); \
         ALTER DATABASE shop CHARACTER SET latin1; \
         CREATE TABLE b (id int PRIMARY KEY, n varchar(9)); INSERT INTO b VALUES (1, '\u{fc}'); \
         SET GLOBAL binlog_row_metadata = FULL;",
    );
    world.run("INSERT INTO b VALUES (2, '\u{df}'); SET GLOBAL binlog_row_metadata = NO_LOG;");
    world.run(
        "ALTER TABLE b ADD m text; INSERT INTO b VALUES (3, 'x', '\u{e4}'); INSERT INTO mark VALUES (1)",
    );
    let events = reader.until_mark(1).await;
    assert_eq!(
        lines(&events),
        [
            "insert a {\"id\":1,\"n\":\"\u{fc}\"}",
            "insert b {\"id\":1,\"n\":\"\u{fc}\"}",
            "insert b {\"id\":2,\"n\":\"\u{df}\"}",
            "insert b {\"id\":3,\"m\":\"\u{e4}\",\"n\":\"x\"}",
        ]
    );
}

/// A checkpoint knows what became of tables after its place: what comes again is told of them as it was the first time.
#[tokio::test]
async fn statements_that_come_again_change_nothing_twice() {
    for release in RELEASES {
        let world = World::new(release);
        world.run("CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, n int)");
        let mut reader = world.reader().await;
        world.run("INSERT INTO t VALUES (1, 1); INSERT INTO mark VALUES (0)");
        reader.until_mark(0).await;
        let (position, table_seqs) = (reader.position.clone(), reader.table_seqs.clone());
        world.run(&format!(
            "{} INSERT INTO t VALUES (2, 2); ALTER TABLE t ADD a int, DROP n; INSERT INTO t VALUES (3, 3); \
             CREATE TABLE IF NOT EXISTS new (id int PRIMARY KEY); INSERT INTO new VALUES (1); \
             ALTER TABLE new ADD n int, RENAME TO newer; INSERT INTO newer VALUES (2, 2); \
             INSERT INTO mark VALUES (1)",
            less(release)
        ));
        let first = lines(&reader.until_mark(1).await);
        let news = reader.news();
        (reader.position, reader.table_seqs) = (position, table_seqs);
        let mut again = reader.reopen(&world.options).await.unwrap();
        assert_eq!(lines(&again.until_mark(1).await), first, "{release:?}");
        assert_eq!(again.news(), news, "{release:?}");
    }
}

#[tokio::test]
async fn what_nobody_said_is_not_guessed() {
    let world = World::new(Release::Mysql);
    world.run("CREATE TABLE t (id int PRIMARY KEY)");
    let mut reader = world.reader().await;
    world.run(&format!("{} INSERT INTO t VALUES (1)", less(Release::Mysql)));
    let error = reader.failure().await;
    assert_eq!(error.code(), "CDC-MY-029", "{error}");
    assert!(
        error.to_string().contains("shop.t") && error.to_string().contains("binlog_row_metadata = FULL"),
        "{error}"
    );
}

#[tokio::test]
async fn tables_that_go_are_emptied_and_told() {
    for release in RELEASES {
        let world = World::new(release);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)",
        );
        let mut reader = world.reader().await;
        world.run(
            "INSERT INTO a VALUES (1); TRUNCATE TABLE a; INSERT INTO a VALUES (2); INSERT INTO b VALUES (1); \
             DROP TABLE a, b; CREATE TABLE a AS SELECT 7 AS seven; CREATE TABLE _new LIKE a; \
             RENAME TABLE a TO _old, _new TO a; INSERT INTO mark VALUES (1)",
        );
        let events = reader.until_mark(1).await;
        let told: Vec<_> = events
            .iter()
            .filter(|event| event["op"] != "schema")
            .map(|event| {
                format!(
                    "{} {} {}",
                    event["op"].as_str().unwrap(),
                    event["table"].as_str().unwrap(),
                    event["table_seq"]
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "insert a 1",
                "truncate a 2",
                "insert a 3",
                "insert b 1",
                "truncate a 4",
                "truncate b 2",
                "insert a 5",
                // What takes another's name is gone under its own.
                "truncate _new 1",
            ],
            "{release:?}"
        );
        let name = |table: &str| TableName::new("shop", table);
        let news = reader.news();
        assert!(news.contains(&TableNews::Dropped(name("b"))), "{news:?}");
        assert!(news.contains(&TableNews::Created(name("a"))), "{news:?}");
        assert!(news.contains(&TableNews::Rewritten(name("a"))), "{news:?}");
    }
}

/// Of a document that an update changes in part, the log has the difference alone.
#[tokio::test]
async fn differences_of_documents_are_applied() {
    let world = World::with_settings(Release::Mysql, &[("binlog_row_value_options", "PARTIAL_JSON")]);
    world.run("CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, doc json)");
    let mut reader = world.reader().await;
    world.run(
        "INSERT INTO t VALUES (1, JSON_OBJECT('a', 1, 'long', REPEAT('x', 100))); \
         UPDATE t SET doc = JSON_SET(doc, '$.a', 2); INSERT INTO mark VALUES (1)",
    );
    let events = reader.until_mark(1).await;
    let update = events.iter().find(|event| event["op"] == "update").unwrap();
    let text = update["after"]["doc"].to_string();
    assert!(text.contains("xxx") && text.contains('2'), "{update}");
}

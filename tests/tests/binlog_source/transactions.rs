//! What a transaction's statements become.

use end_to_end::servers::Release;
use event::Failure as _;

use crate::world::{World, lines};

const TABLES: &str = "CREATE TABLE mark (id int PRIMARY KEY); \
                      CREATE TABLE orders (id int PRIMARY KEY, note varchar(20)); ";

#[tokio::test]
async fn mysql() {
    changes_come_in_order(Release::Mysql, "").await;
}

#[tokio::test]
async fn mysql_compressed() {
    changes_come_in_order(Release::Mysql, "SET binlog_transaction_compression = ON;").await;
}

#[tokio::test]
async fn mariadb_10_11() {
    changes_come_in_order(Release::Mariadb("10.11"), "").await;
}

#[tokio::test]
async fn mariadb_11_4() {
    changes_come_in_order(
        Release::Mariadb("11.4"),
        "SET GLOBAL log_bin_compress = ON; SET GLOBAL log_bin_compress_min_len = 10;",
    )
    .await;
}

#[tokio::test]
async fn mariadb_11_8() {
    changes_come_in_order(Release::Mariadb("11.8"), "").await;
}

async fn changes_come_in_order(release: Release, session: &str) {
    let world = World::new(release);
    world.run(TABLES);
    let mut reader = world.reader().await;
    world.run(&format!(
        "{session} BEGIN; INSERT INTO orders VALUES (1, 'one'), (2, 'two'); UPDATE orders SET note = 'uno' WHERE id = 1; \
         UPDATE orders SET id = 3 WHERE id = 2; DELETE FROM orders WHERE id = 1; COMMIT; \
         FLUSH BINARY LOGS; INSERT INTO orders VALUES (4, NULL); INSERT INTO mark VALUES (1);"
    ));
    let events = reader.until_mark(1).await;
    assert_eq!(
        lines(&events),
        [
            r#"insert orders {"id":1,"note":"one"}"#,
            r#"insert orders {"id":2,"note":"two"}"#,
            r#"update orders {"id":1,"note":"uno"}"#,
            r#"delete orders {"id":2,"note":"two"}"#,
            r#"insert orders {"id":3,"note":"two"}"#,
            r#"delete orders {"id":1,"note":"uno"}"#,
            r#"insert orders {"id":4,"note":null}"#,
        ]
    );
    let rows: Vec<_> = events.iter().filter(|event| event["op"] != "schema").collect();
    let seqs: Vec<_> = rows.iter().map(|event| event["tx"]["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 4, 5, 1]);
    let table_seqs: Vec<_> = rows.iter().map(|event| event["table_seq"].as_u64().unwrap()).collect();
    assert_eq!(table_seqs, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(rows[2]["before"]["note"], "one");
    assert!(rows[0]["origin"].is_null(), "{}", rows[0]);
    let ids: std::collections::BTreeSet<_> = rows.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), rows.len());
}

/// What a savepoint takes back is in the log where a table without transactions took part.
#[tokio::test]
async fn what_a_savepoint_takes_back_does_not_come() {
    for release in [Release::Mysql, Release::Mariadb("10.11"), Release::Mariadb("11.8")] {
        let settings: &[_] = match release {
            // With GTIDs MySQL refuses to mix engines in a transaction.
            Release::Mysql => &[("gtid_mode", "OFF"), ("enforce_gtid_consistency", "OFF")],
            Release::Mariadb(_) => &[],
        };
        let world = World::with_settings(release, settings);
        world.run(TABLES);
        world.run("CREATE TABLE log (id int PRIMARY KEY) ENGINE = MyISAM");
        let mut reader = world.reader().await;
        world.run(
            "BEGIN; INSERT INTO orders VALUES (1, ''); SAVEPOINT a; INSERT INTO orders VALUES (2, ''); \
             INSERT INTO log VALUES (2); SAVEPOINT b; INSERT INTO orders VALUES (3, ''); ROLLBACK TO a; \
             INSERT INTO orders VALUES (4, ''); RELEASE SAVEPOINT a; COMMIT; \
             BEGIN; INSERT INTO log VALUES (5); SAVEPOINT a; INSERT INTO orders VALUES (5, ''); ROLLBACK TO a; COMMIT; \
             BEGIN; INSERT INTO orders VALUES (6, ''); INSERT INTO log VALUES (6); ROLLBACK; \
             BEGIN; INSERT INTO orders VALUES (7, ''); CREATE TEMPORARY TABLE t (a int); SAVEPOINT a; \
             INSERT INTO orders VALUES (8, ''); ROLLBACK TO a; COMMIT; \
             INSERT INTO mark VALUES (1)",
        );
        let mut lines = lines(&reader.until_mark(1).await);
        let sent_log: Vec<_> = lines.extract_if(.., |line| line.contains(" log ")).collect();
        assert_eq!(sent_log, [2, 5, 6].map(|id| format!(r#"insert log {{"id":{id}}}"#)), "{release:?}");
        assert_eq!(
            lines,
            [1, 4, 7].map(|id| format!(r#"insert orders {{"id":{id},"note":""}}"#)),
            "{release:?}"
        );
    }
}

#[tokio::test]
async fn prepared_transactions_come_where_they_are_committed() {
    for release in [Release::Mysql, Release::Mariadb("10.11"), Release::Mariadb("11.8")] {
        let mut world = World::new(release);
        world.run(TABLES);
        let mut reader = world.reader().await;
        world.run(
            "XA START 'a'; INSERT INTO orders VALUES (1, 'a'); XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'; \
             XA START 'b'; INSERT INTO orders VALUES (2, 'b'); XA END 'b'; XA PREPARE 'b'; XA ROLLBACK 'b'; \
             XA START 'c'; INSERT INTO orders VALUES (3, 'c'); XA END 'c'; XA COMMIT 'c' ONE PHASE; \
             XA START 'd', 'branch', 7; INSERT INTO orders VALUES (4, 'd'), (5, 'd'); XA END 'd', 'branch', 7; \
             XA PREPARE 'd', 'branch', 7",
        );
        world.run("INSERT INTO orders VALUES (6, 'other'); INSERT INTO mark VALUES (1);");
        let events = reader.until_mark(1).await;
        let row = |id: i32, note: &str| format!(r#"insert orders {{"id":{id},"note":"{note}"}}"#);
        assert_eq!(lines(&events), [row(1, "a"), row(3, "c"), row(6, "other")], "{release:?}");
        // The reader and the server are restarted before it is decided.
        world.mysql.stop(end_to_end::servers::Stop::Fast);
        world.mysql.start_again();
        let mut reader = reader.reopen(&world.options).await.unwrap();
        world.run("XA COMMIT 'd', 'branch', 7");
        world.run("INSERT INTO mark VALUES (2);");
        let events = reader.until_mark(2).await;
        assert_eq!(lines(&events), [row(4, "d"), row(5, "d")], "{release:?}");
        let rows: Vec<_> = events.iter().filter(|event| event["op"] != "schema").collect();
        assert_eq!((rows[0]["tx"]["seq"].as_u64(), rows[1]["tx"]["seq"].as_u64()), (Some(1), Some(2)));
        assert_eq!(rows[1]["table_seq"], 5);
    }
}

/// Their rows stand where they were prepared, and the server does not keep its log for them.
#[tokio::test]
async fn the_rows_of_a_prepared_transaction_may_be_purged() {
    for (release, settings) in [
        (Release::Mysql, &[][..]),
        // Else it keeps what no replica has read.
        (Release::Mariadb("11.8"), &[("slave_connections_needed_for_purge", "0")]),
    ] {
        let world = World::with_settings(release, settings);
        world.run(TABLES);
        let mut reader = world.reader().await;
        world.run("XA START 'late'; INSERT INTO orders VALUES (1, 'x'); XA END 'late'; XA PREPARE 'late'");
        world.run("FLUSH BINARY LOGS; INSERT INTO mark VALUES (1)");
        assert_eq!(lines(&reader.until_mark(1).await), [""; 0]);
        let files = || world.mysql.query("SHOW BINARY LOGS");
        let last = files().pop().unwrap().remove(0);
        // MariaDB keeps a file until all that is in it has reached the engine, whatever is asked of it.
        while files().len() > 1 {
            world.run(&format!("PURGE BINARY LOGS TO '{last}'"));
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        world.run("XA COMMIT 'late'");
        let error = reader.failure().await;
        assert_eq!((error.code(), error.is_retryable()), ("CDC-MY-030", false), "{error}");
        assert!(error.to_string().contains("X'6c617465'"), "{error}");
    }
}

/// What a table without transactions has is there, but the log has no room for it: the server says so in the log.
#[tokio::test]
async fn a_log_that_lacks_something_stops_the_reader() {
    for release in Release::ALL {
        let settings = [("max_binlog_stmt_cache_size", "4096"), ("binlog_stmt_cache_size", "4096")];
        let world = World::with_settings(release, &settings);
        world.run(TABLES);
        world.run("CREATE TABLE log (id int PRIMARY KEY, note varchar(2000)) ENGINE = MyISAM");
        let mut reader = world.reader().await;
        let rows: Vec<_> = (0..90).map(|id| format!("({id}, REPEAT('x', 1000))")).collect();
        let mut session = world.session().await;
        let refused = session.execute(&format!("INSERT INTO shop.log VALUES {}", rows.join(", "))).await;
        refused.unwrap_err();
        let error = reader.failure().await;
        assert_eq!((error.code(), error.is_retryable()), ("CDC-MY-027", false), "{release:?}: {error}");
        assert!(error.to_string().contains("binlog.0000"), "{error}");
    }
}

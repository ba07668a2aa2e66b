//! Where a reader goes on, and where it must not.

use binlog_reader::system::{self, Continuity};
use end_to_end::servers::{Release, Stop};
use event::{BinlogOffset, BinlogPosition, Failure as _, Position};

use crate::world::{Reader, World, lines};

const TABLES: &str = "CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY); ";

fn row(id: i32) -> String {
    format!(r#"insert t {{"id":{id}}}"#)
}

fn binlog(position: &Position) -> &BinlogPosition {
    match position {
        Position::Binlog(position) => position,
        Position::Postgres(_) => panic!("{position:?}"),
    }
}

/// The same events come again, with the same names and numbers, as often as a reader goes on from one place.
#[tokio::test]
async fn what_is_read_again_is_the_same() {
    let settings: &[(&str, &str)] = &[("gtid_mode", "OFF"), ("enforce_gtid_consistency", "OFF")];
    for (release, settings) in
        [(Release::Mysql, &[][..]), (Release::Mysql, settings), (Release::Mariadb("11.4"), &[])]
    {
        let mut world = World::with_settings(release, settings);
        world.run(TABLES);
        world.run("INSERT INTO t VALUES (1)");
        let start = world.position().await;
        world.run("BEGIN; INSERT INTO t VALUES (2); INSERT INTO t VALUES (3); COMMIT; FLUSH BINARY LOGS; INSERT INTO t VALUES (4)");
        world.mysql.stop(Stop::Kill);
        world.mysql.start_again();
        world.run("INSERT INTO t VALUES (5); INSERT INTO mark VALUES (1)");
        let read = async || {
            let mut reader = Reader::open(&world.options, start.clone()).await.unwrap();
            let mut events = reader.until_mark(1).await;
            for event in &mut events {
                event["captured_time"].take();
            }
            (events, reader)
        };
        let (first, reader) = read().await;
        assert_eq!(lines(&first), [row(2), row(3), row(4), row(5)], "{release:?}");
        let (second, _) = read().await;
        assert_eq!(first, second);
        // From the end of what was read nothing comes twice.
        world.run("INSERT INTO t VALUES (6); INSERT INTO mark VALUES (2)");
        let mut reader = reader.reopen(&world.options).await.unwrap();
        let more = reader.until_mark(2).await;
        assert_eq!(lines(&more), [row(6)]);
        let last = more.last().unwrap();
        assert_eq!(last["table_seq"], 5, "{last}");
    }
}

#[tokio::test]
async fn a_purged_log_is_refused_by_name() {
    for release in [Release::Mysql, Release::Mariadb("11.4")] {
        let world = World::new(release);
        world.run(TABLES);
        let start = world.position().await;
        world
            .run("INSERT INTO t VALUES (1); FLUSH BINARY LOGS; INSERT INTO t VALUES (2); FLUSH BINARY LOGS;");
        let last = world.mysql.query("SHOW BINARY LOGS").last().unwrap()[0].clone();
        // MariaDB keeps a file until all that is in it has reached the engine, whatever is asked of it.
        while world.mysql.query("SHOW BINARY LOGS").len() > 1 {
            world.run(&format!("PURGE BINARY LOGS TO '{last}'"));
        }
        let system = world.system().await;
        let mut session = world.session().await;
        let refused =
            system::check(&mut session, &system, &system.identity, &system.base, binlog(&start), ["shop.t"])
                .await;
        let error = refused.unwrap_err();
        assert_eq!(error.code(), "CDC-MY-022");
        let named = match release {
            Release::Mysql => format!("{}:", system.identity),
            Release::Mariadb(_) => format!("0-{}-", system.server_id),
        };
        assert!(error.to_string().contains(&named) && error.to_string().contains("shop.t"), "{error}");
        // The server says so as well, to whoever asks all the same.
        let error = Reader::open(&world.options, start).await.map(drop).unwrap_err();
        assert_eq!(error.code(), "CDC-MY-022", "{error}");
        assert!(!error.is_retryable());
    }
}

/// A source's tagged transactions are numbered apart from its others, and neither stand for the others.
#[tokio::test]
async fn tagged_gtids_are_told_apart() {
    let world = World::new(Release::Mysql);
    world.run(TABLES);
    let tagged: String = (1..=40).map(|id| format!("INSERT INTO t VALUES ({id}); ")).collect();
    world.run(&format!("SET gtid_next = 'AUTOMATIC:branch_7'; {tagged}"));
    let mut position = binlog(&world.position().await).clone();
    // By GTIDs alone, as on another server.
    position.offset = BinlogOffset::default();
    let plain: String = (41..=99).map(|id| format!("INSERT INTO t VALUES ({id}); ")).collect();
    world.run(&format!("{plain} INSERT INTO mark VALUES (1)"));
    let mut reader = Reader::open(&world.options, Position::Binlog(position)).await.unwrap();
    let events = reader.until_mark(1).await;
    assert_eq!(lines(&events), (41..=99).map(row).collect::<Vec<_>>());
}

/// A replica that has the transactions goes on for its source, by GTIDs alone.
#[tokio::test]
async fn another_server_goes_on_by_gtids() {
    for release in [Release::Mysql, Release::Mariadb("11.4")] {
        let world = World::with_settings(release, &[("server_id", "11")]);
        let mut settings = vec![("server_id", "12")];
        if release != Release::Mysql {
            settings.push(("log_slave_updates", "ON"));
        }
        let other = World::with_settings(release, &settings);
        // Both begin alike: the replica has what its source had up to here.
        match release {
            Release::Mysql => {
                let executed = world.mysql.value("SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')");
                other
                    .mysql
                    .query(&format!("RESET BINARY LOGS AND GTIDS; SET GLOBAL gtid_purged = '{executed}'"));
            }
            Release::Mariadb(_) => {
                let executed = world.mysql.value("SELECT @@GLOBAL.gtid_binlog_pos");
                other.mysql.query(&format!("RESET MASTER; SET GLOBAL gtid_slave_pos = '{executed}'"));
            }
        }
        let replicate = match release {
            Release::Mysql => format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {}, SOURCE_USER = 'root', \
                 SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA",
                world.mysql.port()
            ),
            Release::Mariadb(_) => format!(
                "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'root', \
                 MASTER_SSL = 0, MASTER_USE_GTID = slave_pos; START REPLICA",
                world.mysql.port()
            ),
        };
        other.mysql.query(&replicate);
        world.run(TABLES);
        let mut reader = world.reader().await;
        world.run("INSERT INTO t VALUES (1); INSERT INTO mark VALUES (1)");
        assert_eq!(lines(&reader.until_mark(1).await), [row(1)]);
        let before = world.system().await;
        world.run("INSERT INTO t VALUES (2); INSERT INTO mark VALUES (2)");
        // All of it is on the other server, where one more is written.
        for _ in 0..600 {
            let tables =
                other.mysql.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'mark'");
            if tables == "1" && other.mysql.value("SELECT COUNT(*) FROM shop.mark") == "2" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        other.mysql.query("STOP REPLICA");
        other.run("INSERT INTO t VALUES (3); INSERT INTO mark VALUES (3)");
        let now = other.system().await;
        let mut session = other.session().await;
        let position = binlog(&reader.position).clone();
        let goes_on =
            system::check(&mut session, &now, &before.identity, &before.base, &position, ["shop.t"])
                .await
                .unwrap();
        let Continuity::FailedOver(position) = goes_on else { panic!("{goes_on:?}") };
        let mut reader = Reader::open(&other.options, Position::Binlog(position)).await.unwrap();
        let events = reader.until_mark(3).await;
        assert_eq!(lines(&events), [row(2), row(3)], "{release:?}");
        let origins: Vec<_> =
            events.iter().filter(|event| event["op"] != "schema").map(|event| &event["origin"]).collect();
        let source = match release {
            Release::Mysql => before.identity.clone(),
            Release::Mariadb(_) => "server_id=11".to_owned(),
        };
        assert_eq!((origins[0].as_str(), origins[1].as_str()), (Some(source.as_str()), None));
        // And from there on by its own places.
        other.run("INSERT INTO t VALUES (4); INSERT INTO mark VALUES (4)");
        let mut reader = reader.reopen(&other.options).await.unwrap();
        assert_eq!(lines(&reader.until_mark(4).await), [row(4)]);
        // The first server lacks what was written to the other.
        let mut session = world.session().await;
        let back = system::check(
            &mut session,
            &before,
            &now.identity,
            &now.base,
            binlog(&reader.position),
            ["shop.t"],
        );
        assert_eq!(back.await.unwrap_err().code(), "CDC-MY-024");
    }
}

#[tokio::test]
async fn without_gtids_another_server_is_refused() {
    let settings = [("gtid_mode", "OFF"), ("enforce_gtid_consistency", "OFF")];
    let world = World::with_settings(Release::Mysql, &settings);
    let system = world.system().await;
    assert!(!system.has_gtids);
    let position = world.position().await;
    let mut session = world.session().await;
    let refused =
        system::check(&mut session, &system, "another", "binlog", binlog(&position), ["shop.t"]).await;
    assert_eq!(refused.unwrap_err().code(), "CDC-MY-023");
    let same =
        system::check(&mut session, &system, &system.identity, &system.base, binlog(&position), ["shop.t"])
            .await;
    assert_eq!(same.unwrap(), Continuity::Same);
}

/// Two readers with one number: the server ends the first one's stream, and that is said.
#[tokio::test]
async fn a_clash_of_server_ids_is_named() {
    for release in [Release::Mysql, Release::Mariadb("11.4")] {
        let mut world = World::new(release);
        world.run(TABLES);
        world.options.server_id = Some(4711);
        let mut first = world.reader().await;
        let mut second = world.reader().await;
        world.run("INSERT INTO t VALUES (1); INSERT INTO mark VALUES (1)");
        assert_eq!(lines(&second.until_mark(1).await), [row(1)]);
        let error = first.failure().await;
        assert_eq!(error.code(), "CDC-MY-025", "{error}");
        assert!(!error.is_retryable() && error.to_string().contains("4711"), "{error}");
    }
}

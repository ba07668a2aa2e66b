//! What `cdc check` finds, each on a real server; and that the statements it gives mend it: once they are run, the
//! finding is gone.

use std::time::{Duration, Instant};

use binlog_reader::{Config, Known, Options, check};
use end_to_end::servers::Release;
use event::{BinlogPosition, Finding, Position};

use crate::world::{World, soon};

const SHORT: [(&str, &str); 1] = [("binlog_expire_logs_seconds", "3600")];
const MARIADB: Release = Release::Mariadb("11.8");

async fn findings(options: &Options, known: Option<&Known>) -> Vec<Finding> {
    soon("the check", check(options, known)).await.unwrap()
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code).collect()
}

/// The one finding with this code and these words.
async fn found(options: &Options, known: Option<&Known>, code: &str, words: &[&str]) -> Finding {
    let all = findings(options, known).await;
    let mut fitting = all.iter().filter(|finding| {
        let said = finding.explanation.to_string();
        finding.code == code && words.iter().all(|word| said.contains(word))
    });
    let (Some(finding), None) = (fitting.next(), fitting.next()) else {
        panic!("not one {code} with {words:?} in {all:#?}")
    };
    finding.clone()
}

/// Finds it, runs what it says, and finds it no more.
async fn is_mended(world: &World, options: &Options, code: &str, words: &[&str]) {
    let finding = found(options, None, code, words).await;
    assert!(!finding.explanation.sql.is_empty(), "no statement: {finding:?}");
    world.mysql.query(&finding.explanation.sql.join("\n"));
    let after = findings(options, None).await;
    assert!(after.iter().all(|again| again.explanation != finding.explanation), "{after:#?}");
}

/// As this user, who has a password and whatever rights the test gives.
fn login(world: &World, user: &str) -> Options {
    let url = format!("mysql://{user}:secret@127.0.0.1:{}/", world.mysql.port());
    Options { connection: Config::parse(&url).unwrap(), ..world.options.clone() }
}

#[tokio::test]
async fn a_well_set_server_has_nothing_to_mend() {
    let of_mariadb = [("gtid_strict_mode", "ON"), ("binlog_format", "ROW"), ("log_slave_updates", "ON")];
    for (release, settings) in [(Release::Mysql, &[][..]), (MARIADB, &of_mariadb[..])] {
        let world = World::with_settings(release, settings);
        world.run("CREATE TABLE t (id int PRIMARY KEY)");
        let known = known(&world).await;
        assert_eq!(findings(&world.options, Some(&known)).await, [], "{release:?}");
    }
}

#[tokio::test]
async fn what_the_server_does_not_log_is_named_with_what_mends_it() {
    let badly =
        [("binlog_format", "STATEMENT"), ("binlog_row_image", "MINIMAL"), ("binlog_row_metadata", "MINIMAL")];
    for release in [Release::Mysql, MARIADB] {
        let world = World::with_settings(release, &[&badly[..], &SHORT[..]].concat());
        world.run("CREATE TABLE t (id int PRIMARY KEY)");
        let all = findings(&world.options, None).await;
        assert!(all.iter().any(|finding| finding.code == "CDC-MY-021" && !finding.is_warning), "{all:#?}");
        for code in ["CDC-MY-021", "CDC-MY-060", "CDC-MY-061", "CDC-MY-064"] {
            is_mended(&world, &world.options, code, &[]).await;
        }
    }
}

#[tokio::test]
async fn gtids_that_are_off_are_named() {
    let world = World::with_settings(MARIADB, &[("gtid_strict_mode", "OFF")]);
    is_mended(&world, &world.options, "CDC-MY-062", &["gtid_strict_mode"]).await;
    let off = [("gtid_mode", "OFF"), ("enforce_gtid_consistency", "OFF")];
    let world = World::with_settings(Release::Mysql, &off);
    is_mended(&world, &world.options, "CDC-MY-062", &["gtid_mode is OFF"]).await;
}

#[tokio::test]
async fn a_server_without_a_log_or_a_number_can_t_be_read() {
    let world = World::with_settings(
        Release::Mysql,
        &[("skip_log_bin", "ON"), ("gtid_mode", "OFF"), ("enforce_gtid_consistency", "OFF")],
    );
    assert_eq!(codes(&findings(&world.options, None).await), ["CDC-MY-020"]);
    let world = World::with_settings(Release::Mysql, &[("server_id", "0")]);
    found(&world.options, None, "CDC-MY-065", &["server_id"]).await;
}

#[tokio::test]
async fn databases_that_are_left_out_of_the_log_are_named() {
    for release in [Release::Mysql, MARIADB] {
        let world = World::with_settings(release, &[("binlog_ignore_db", "shop")]);
        world.run("CREATE TABLE t (id int PRIMARY KEY)");
        found(&world.options, None, "CDC-MY-069", &["shop"]).await;
        let world = World::with_settings(release, &[("binlog_do_db", "other")]);
        world.run("CREATE TABLE t (id int PRIMARY KEY)");
        found(&world.options, None, "CDC-MY-069", &["shop"]).await;
    }
}

#[tokio::test]
async fn a_replica_that_logs_nothing_of_its_source_is_named() {
    let world = World::with_settings(Release::Mysql, &[("log_replica_updates", "OFF")]);
    assert!(!codes(&findings(&world.options, None).await).contains(&"CDC-MY-068"), "it is nobody's replica");
    world.run("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1");
    found(&world.options, None, "CDC-MY-068", &["log_replica_updates"]).await;
    let world = World::with_settings(MARIADB, &[("log_slave_updates", "OFF")]);
    world.run("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1");
    found(&world.options, None, "CDC-MY-068", &["log_slave_updates"]).await;
}

#[tokio::test]
async fn sessions_that_log_otherwise_are_named() {
    let world = World::new(Release::Mysql);
    let mut session = world.session().await;
    session.execute("SET SESSION sql_log_bin = OFF, binlog_row_image = MINIMAL").await.unwrap();
    session.execute("SET SESSION binlog_format = STATEMENT").await.unwrap();
    let id = session.id().to_string();
    for code in ["CDC-MY-063", "CDC-MY-021", "CDC-MY-060"] {
        assert!(found(&world.options, None, code, &[&id, "root"]).await.is_warning);
    }
    session.close().await;
}

#[tokio::test]
async fn what_a_user_may_not_do_is_named_with_the_grant_of_that_very_user() {
    for release in [Release::Mysql, MARIADB] {
        let world = World::new(release);
        world.run(
            "CREATE TABLE seen (id int PRIMARY KEY, note text); CREATE TABLE hidden (id int PRIMARY KEY); \
             CREATE USER cdc@'127.0.0.1' IDENTIFIED BY 'secret'",
        );
        let options = login(&world, "cdc");
        is_mended(&world, &options, "CDC-MY-026", &["'cdc'@'127.0.0.1'", "REPLICATION SLAVE"]).await;
        let nothing = found(&options, None, "CDC-MY-054", &["may see", "GRANT SELECT"]).await;
        assert!(!nothing.is_warning);
        world.run("GRANT INSERT ON shop.* TO cdc@'127.0.0.1'; GRANT SELECT ON shop.seen TO cdc@'127.0.0.1'");
        is_mended(&world, &options, "CDC-MY-050", &["may not read shop.hidden", "'cdc'@'127.0.0.1'"]).await;
        is_mended(&world, &options, "CDC-MY-050", &["may not lock tables in shop"]).await;
        let after = findings(&options, None).await;
        assert!(after.iter().all(|finding| finding.is_warning), "{after:#?}");
    }
}

#[tokio::test]
async fn tables_that_keep_something_from_the_log_are_named() {
    for (release, logs_cascades) in [(Release::Mysql, true), (MARIADB, false)] {
        let world = World::new(release);
        world.run(
            "CREATE TABLE keyless (a int); CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM; \
             CREATE TABLE parent (id int PRIMARY KEY); \
             CREATE TABLE child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
        );
        assert!(found(&world.options, None, "CDC-MY-066", &["shop.keyless"]).await.is_warning);
        is_mended(&world, &world.options, "CDC-MY-053", &["shop.old"]).await;
        let all = findings(&world.options, None).await;
        let cascades = all.iter().find(|finding| finding.code == "CDC-MY-067");
        assert_eq!(cascades.is_none(), logs_cascades, "{all:#?}");
        assert!(cascades.is_none_or(|finding| finding.explanation.what.contains("shop.child")), "{all:#?}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_the_log_does_not_reach_back_to_is_named() {
    for release in [Release::Mysql, MARIADB] {
        let world = World::new(release);
        world.run("CREATE TABLE t (id int PRIMARY KEY)");
        let known = known(&world).await;
        let elsewhere = Known {
            server: "another".to_owned(),
            base: known.base.clone(),
            position: ahead(&known.position),
        };
        let other = findings(&world.options, Some(&elsewhere)).await;
        assert!(other.iter().any(|finding| !finding.is_warning), "{other:#?}");
        world.run("INSERT INTO t VALUES (1); FLUSH BINARY LOGS; INSERT INTO t VALUES (2); FLUSH BINARY LOGS");
        // Not what a reader is still at that has gone, as long as the server does not know.
        loop {
            let files = world.mysql.query("SHOW BINARY LOGS");
            let [.., last] = &files[..] else { panic!("no files") };
            if files.len() == 1 {
                break;
            }
            world.mysql.query(&format!("PURGE BINARY LOGS TO '{}'", last[0]));
        }
        let purged = found(&world.options, Some(&known), "CDC-MY-022", &[]).await;
        assert!(!purged.is_warning);
    }
}

#[tokio::test]
async fn a_log_that_is_soon_purged_is_told_of_before_it_is() {
    for release in [Release::Mysql, MARIADB] {
        let world = World::new(release);
        world.run("CREATE TABLE t (id int PRIMARY KEY)");
        let known = known(&world).await;
        let is_told = |findings: &[Finding]| codes(findings).contains(&"CDC-MY-070");
        world.mysql.query("SET GLOBAL binlog_expire_logs_seconds = 4");
        assert!(!is_told(&findings(&world.options, Some(&known)).await), "the file is being written");
        world.run("FLUSH BINARY LOGS");
        // Purged it is only with the next change of files.
        let start = Instant::now();
        while !is_told(&findings(&world.options, Some(&known)).await) {
            assert!(start.elapsed() < Duration::from_secs(60), "never told");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let said = found(&world.options, Some(&known), "CDC-MY-070", &["may purge", "loaded anew"]).await;
        assert!(said.is_warning);
        world.mysql.query(&said.explanation.sql.join(""));
        world.mysql.query("SET GLOBAL binlog_expire_logs_seconds = 86400");
        assert!(!is_told(&findings(&world.options, Some(&known)).await));
    }
}

/// A checkpoint made here and now.
async fn known(world: &World) -> Known {
    let system = world.system().await;
    let Position::Binlog(position) = world.position().await else { panic!("another kind of log") };
    Known { server: system.identity, base: system.base, position }
}

/// With a transaction that nobody has.
fn ahead(position: &BinlogPosition) -> BinlogPosition {
    let executed = match &position.executed {
        event::Executed::Mariadb(_) => event::Executed::Mariadb("77-7-7".parse().unwrap()),
        _ => event::Executed::Mysql("77777777-7777-7777-7777-777777777777:1-7".parse().unwrap()),
    };
    BinlogPosition { offset: position.offset, executed }
}

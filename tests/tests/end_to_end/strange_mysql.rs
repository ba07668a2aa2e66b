//! Wrong input and what befalls servers, on MySQL and MariaDB: refused with a code and the remedy, and once it is mended nothing
//! is missing.

use std::fs;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::servers::{Authority, Mysql, Proxy, Release, Stop};
use end_to_end::session::Session;

use crate::setup::assert_says;
use crate::setup::mysql::{MysqlSetup, PASSWORD, shared, statements};

const BOTH: [Release; 2] = [Release::Mysql, Release::Mariadb("11.8")];

#[test]
fn a_wrong_password() {
    for release in BOTH {
        let mut setup = MysqlSetup::on(shared(release), "password");
        let file = setup.cdc.folder().join("password");
        let (url, name) = (setup.url.clone(), setup.name.clone());
        setup.url = url.replace(&format!(":{PASSWORD}"), "");
        setup.configure(&format!("password_file = \"{}\"", file.display()), &setup.file_sink());
        setup.assert_refused(1, &["CDC-MY-002", "password"]);
        fs::write(&file, "sailfish\n").unwrap();
        setup.assert_refused(1, &["CDC-MY-005", "Access denied", &name]);
        fs::write(&file, format!("{PASSWORD}\n")).unwrap();
        setup.assert_works();
        assert!(!setup.cdc.log_text().contains("fish"), "{}", setup.cdc.log_text());
    }
}

#[test]
fn an_unreachable_server() {
    let mut setup = MysqlSetup::on(shared(Release::Mysql), "unreachable");
    let port = format!(":{}/", setup.port);
    setup.url = setup.url.replace(&port, ":1/");
    setup.configure("", &setup.file_sink());
    // Whoever runs unattended goes on trying.
    setup.cdc.start();
    setup.cdc.wait_for_log("CDC-MY-003");
    assert_says(&setup.cdc.log_text(), &["127.0.0.1:1"]);
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.url = setup.url.replace(":1/", &port);
    setup.configure("", &setup.file_sink());
    setup.assert_works();
}

#[test]
fn an_unknown_host() {
    let mut setup = MysqlSetup::on(shared(Release::Mysql), "host");
    let url = setup.url.clone();
    setup.url = url.replace("127.0.0.1", "nowhere.invalid");
    setup.configure("", &setup.file_sink());
    setup.cdc.start();
    setup.cdc.wait_for_log("CDC-MY-003");
    assert_says(&setup.cdc.log_text(), &["nowhere.invalid"]);
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.url = url;
    setup.configure("", &setup.file_sink());
    setup.assert_works();
}

#[test]
fn a_server_without_a_binary_log() {
    for (release, settings) in [
        (
            Release::Mysql,
            &[("skip_log_bin", "ON"), ("gtid_mode", "OFF"), ("enforce_gtid_consistency", "OFF")][..],
        ),
        (Release::Mariadb("10.11"), &[("skip_log_bin", "1")]),
    ] {
        let mysql = Mysql::with_settings(release, settings);
        let mut setup = MysqlSetup::on(&mysql, "no-log");
        setup.assert_refused(1, &["CDC-MY-020", "log_bin", "restart"]);
    }
}

#[test]
fn a_statement_in_the_log() {
    for release in BOTH {
        // Whichever database it is in, its pipelines all stop: a statement may change any.
        let mysql = Mysql::with_settings(release, &[("binlog_row_metadata", "FULL")]);
        let mut setup = MysqlSetup::on(&mysql, "statement");
        setup.start_streaming();
        setup.write_some();
        setup.catch_up();
        setup.session.execute(
            "SET SESSION binlog_format = STATEMENT; UPDATE orders SET note = 'by a statement' WHERE id > 5; \
             SET SESSION binlog_format = ROW",
        );
        assert_eq!(setup.cdc.wait(), Some(1), "{}", setup.cdc.log_text());
        // MariaDB has no PERSIST.
        let remedy = match release {
            Release::Mysql => "SET PERSIST binlog_format = ROW",
            Release::Mariadb(_) => {
                "SET GLOBAL binlog_format = ROW; -- and in the server's configuration file"
            }
        };
        let words = ["CDC-MY-021", "binlog.0000", remedy, "cdc snapshot --new-epoch"];
        assert_says(&setup.cdc.log_text(), &words);
        // It is still there.
        setup.assert_refused(1, &words);
        setup.begin_anew();
    }
}

#[test]
fn privileges_that_are_missing() {
    for release in BOTH {
        let mysql = shared(release);
        let mut setup = MysqlSetup::on(mysql, "privileges");
        let (name, admin) = (setup.name.clone(), Session::open_mysql(mysql, "mysql"));
        admin.execute(&format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{name}'@'%'"));
        let grant = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO";
        setup.assert_refused(1, &["CDC-MY-026", grant, &name]);
        admin.execute(&format!(
            "{grant} '{name}'@'%'; GRANT SELECT, LOCK TABLES ON `{name}`.* TO '{name}'@'%'"
        ));
        setup.assert_works();
    }
}

/// To such a user there are no tables: nothing would be loaded, and nothing said.
#[test]
fn a_user_that_sees_no_table() {
    let mysql = shared(Release::Mysql);
    let mut setup = MysqlSetup::on(mysql, "blind");
    let (name, admin) = (setup.name.clone(), Session::open_mysql(mysql, "mysql"));
    admin.execute(&format!("REVOKE SELECT, LOCK TABLES ON `{name}`.* FROM '{name}'@'%'"));
    setup.assert_refused(1, &["CDC-MY-", "GRANT SELECT, LOCK TABLES ON", &name]);
    admin.execute(&format!("GRANT SELECT, LOCK TABLES ON `{name}`.* TO '{name}'@'%'"));
    setup.assert_works();
}

#[test]
fn a_log_that_was_purged() {
    for (release, settings) in [
        (Release::Mysql, &[("binlog_row_metadata", "FULL")][..]),
        // Else it keeps what no replica has read.
        (
            Release::Mariadb("11.8"),
            &[("binlog_row_metadata", "FULL"), ("slave_connections_needed_for_purge", "0")],
        ),
    ] {
        let mysql = Mysql::with_settings(release, settings);
        let mut setup = MysqlSetup::on(&mysql, "purged");
        setup.assert_works();
        setup.write_some();
        mysql.query("FLUSH BINARY LOGS");
        setup.write_some();
        let last = mysql.binlog_files().pop().unwrap();
        // Not while the server has not noticed yet that its reader is gone.
        while mysql.binlog_files().len() > 1 {
            mysql.query(&format!("PURGE BINARY LOGS TO '{}'", last.file_name().unwrap().to_str().unwrap()));
            std::thread::sleep(Duration::from_millis(50));
        }
        setup.assert_refused(1, &["CDC-MY-022", "orders", "cdc snapshot --new-epoch"]);
        setup.begin_anew();
    }
}

#[test]
fn a_log_that_was_reset() {
    for (release, reset) in
        [(Release::Mysql, "RESET BINARY LOGS AND GTIDS"), (Release::Mariadb("10.11"), "RESET MASTER")]
    {
        let mysql = Mysql::with_settings(release, &[("binlog_row_metadata", "FULL")]);
        let mut setup = MysqlSetup::on(&mysql, "reset");
        setup.assert_works();
        setup.write_some();
        mysql.query(reset);
        setup.write_some();
        setup.assert_refused(1, &["CDC-MY-0", "orders", "cdc snapshot --new-epoch"]);
        setup.begin_anew();
    }
}

#[test]
fn another_server_behind_the_same_address() {
    for release in BOTH {
        let [mysql, other] =
            [(); 2].map(|()| Mysql::with_settings(release, &[("binlog_row_metadata", "FULL")]));
        let proxy = Proxy::to(mysql.port());
        let mut setup = MysqlSetup::on(&mysql, "moved");
        setup.url = setup.url.replace(&format!(":{}/", setup.port), &format!(":{}/", proxy.port()));
        setup.configure("", &setup.file_sink());
        setup.assert_works();
        let name = setup.name.clone();
        other.query(&format!(
            "CREATE DATABASE `{name}`; CREATE TABLE `{name}`.orders (id int PRIMARY KEY, note text); \
             INSERT INTO `{name}`.orders VALUES (1, 'elsewhere'), (2, 'elsewhere'); \
             CREATE TABLE `{name}`.marks (id int AUTO_INCREMENT PRIMARY KEY); {}",
            statements(&name, &name)
        ));
        proxy.aim(other.port());
        setup.assert_refused(1, &["CDC-MY-0", "orders", "cdc snapshot --new-epoch"]);
        // Nothing was harmed: it goes on where it is pointed back to.
        proxy.aim(mysql.port());
        setup.assert_works();
        proxy.aim(other.port());
        setup.session = Session::open_mysql(&other, &name);
        setup.begin_anew();
    }
}

/// The transaction is decided on the server that took over, whose log has its rows at another place: everything is loaded
/// again, but not before it is decided.
#[test]
fn a_standby_takes_over_with_a_transaction_that_is_prepared() {
    for release in BOTH {
        let mut mysql = Mysql::with_settings(release, &[("binlog_row_metadata", "FULL")]);
        let standby = mysql.replica(&[("binlog_row_metadata", "FULL")]);
        let proxy = Proxy::to(mysql.port());
        let mut setup = MysqlSetup::on(&mysql, "undecided");
        setup.url = setup.url.replace(&format!(":{}/", setup.port), &format!(":{}/", proxy.port()));
        setup.configure("", &setup.file_sink());
        setup.session.execute("CREATE TABLE more (id int PRIMARY KEY)");
        setup.start_streaming();
        let name = setup.name.clone();
        mysql.query(&format!(
            "USE `{name}`; XA START 'a'; INSERT INTO more VALUES (1), (2); XA END 'a'; XA PREPARE 'a'"
        ));
        setup.write_some();
        setup.catch_up();
        standby.wait_for(&mysql).unwrap();
        mysql.stop(Stop::Kill);
        standby.query(if release == Release::Mysql { "STOP REPLICA" } else { "STOP SLAVE" });
        proxy.aim(standby.port());
        setup.session = Session::open_mysql(&standby, &name);
        setup.cdc.wait_for_log("all tables are loaded again");
        let lines = setup.cdc.log().len();
        // Time for a load that does not wait.
        std::thread::sleep(Duration::from_secs(2));
        standby.query("XA COMMIT 'a'");
        setup.cdc.wait_for_log_after(lines, "streaming");
        setup.write_some();
        setup.catch_up();
        assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
        setup.assert_nothing_lost();
    }
}

#[test]
fn two_readers_with_one_server_id() {
    let mysql = shared(Release::Mysql);
    let mut setup = MysqlSetup::on(mysql, "clash");
    setup.configure("server_id = 4000000777", "[sink.null]");
    setup.start_streaming();
    let other = MysqlSetup::on(mysql, "clash-other");
    let config = fs::read_to_string(setup.cdc.config_file()).unwrap();
    let (_, config) = config.split_once("\n\n").unwrap();
    let mut second = Connector::new(&other.name, config);
    second.start();
    // Whichever of them is ended says why, and does not come back at once.
    let words = ["CDC-MY-025", "4000000777", "server_id"];
    let ended = loop {
        if !setup.cdc.is_running() {
            break &mut setup.cdc;
        }
        if !second.is_running() {
            break &mut second;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(ended.wait(), Some(1), "{}", ended.log_text());
    assert_says(&ended.log_text(), &words);
}

#[test]
fn certificates_that_are_no_good() {
    let authority = Authority::new();
    authority.expired_server("presented", "localhost");
    let other = Authority::new();
    let file = |name: &str| authority.file(name);
    for (release, reload) in
        [(Release::Mysql, "ALTER INSTANCE RELOAD TLS"), (Release::Mariadb("11.4"), "FLUSH SSL")]
    {
        authority.expired_server("presented", "localhost");
        let (ca, certificate, key) = (file("ca.pem"), file("presented.pem"), file("presented.key"));
        let mysql = Mysql::with_settings(
            release,
            &[
                ("binlog_row_metadata", "FULL"),
                ("ssl_ca", &ca),
                ("ssl_cert", &certificate),
                ("ssl_key", &key),
            ],
        );
        let mut setup = MysqlSetup::on(&mysql, "certificates");
        setup.url = setup.url.replace("127.0.0.1", "localhost") + "?ssl-mode=VERIFY_IDENTITY&ssl-ca=" + &ca;
        setup.configure("", &setup.file_sink());
        setup.assert_refused(1, &["CDC-MY-004", "expired"]);
        authority.server("presented", "db.example");
        mysql.query(reload);
        setup.assert_refused(1, &["CDC-MY-004", "db.example"]);
        authority.server("presented", "localhost");
        mysql.query(reload);
        // Signed by somebody else than who is trusted.
        let url = setup.url.clone();
        setup.url = url.replace(&ca, &other.file("ca.pem"));
        setup.configure("", &setup.file_sink());
        setup.assert_refused(1, &["CDC-MY-004", "certificate"]);
        setup.url = url;
        setup.configure("", &setup.file_sink());
        setup.assert_works();
    }
}

#[test]
fn a_full_disk_below_the_file() {
    let mut setup = MysqlSetup::on(shared(Release::Mysql), "full-file");
    let disk = crate::stranger::SmallDisk::mount(setup.cdc.folder().join("disk"), "400k");
    let path = disk.path.join("events");
    setup.configure("", &format!("[sink.file]\npath = \"{}\"", path.display()));
    setup.start_streaming();
    setup.session.execute(
        "INSERT INTO orders WITH RECURSIVE counted (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM counted WHERE n < 1990) \
           SELECT n, REPEAT('x', 2000) FROM counted",
    );
    setup.cdc.wait_for_log("CDC-SINK-011");
    disk.resize("40m");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_file_complete(&path);
}

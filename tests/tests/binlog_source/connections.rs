//! How a reader gets in, and what it says when it does not.

use binlog_reader::{Config, Error, Options, Session};
use end_to_end::servers::{Authority, Proxy, Release};
use event::Failure as _;

use crate::world::{Reader, World, lines};

impl World {
    fn config(&self, login: &str, parameters: &str) -> Config {
        Config::parse(&format!("mysql://{login}@127.0.0.1:{}/?{parameters}", self.mysql.port())).unwrap()
    }
}

async fn attempt(config: &Config) -> Result<String, Error> {
    let mut session = Session::open(config).await?;
    let row: Option<(String,)> = session.first("SELECT CURRENT_USER()").await?;
    Ok(row.unwrap().0)
}

#[tokio::test]
async fn every_method_of_logging_in() {
    let world = World::new(Release::Mysql);
    world.run("CREATE USER cached@'%' IDENTIFIED WITH caching_sha2_password BY 'se:cr@t'; FLUSH PRIVILEGES");
    for parameters in ["ssl-mode=DISABLED", "ssl-mode=REQUIRED", "", "compression-algorithms=zlib"] {
        // The first time the server knows no short proof yet: without TLS the password goes under its public key.
        let config = world.config("cached:se%3Acr%40t", parameters);
        assert_eq!(attempt(&config).await.unwrap(), "cached@%", "{parameters}");
        world.run("FLUSH PRIVILEGES");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "se:cr@t\n").unwrap();
    assert_eq!(attempt(&world.config("cached", "").with_password_file(&file)).await.unwrap(), "cached@%");
    let wrong = attempt(&world.config("cached:secret", "")).await.unwrap_err();
    assert_eq!(
        (wrong.code(), wrong.is_retryable(), wrong.is_about_credentials()),
        ("CDC-MY-005", false, true)
    );
    assert!(!wrong.to_string().contains("secret"), "{wrong}");
    for release in [Release::Mariadb("10.11"), Release::Mariadb("11.8")] {
        let world = World::new(release);
        world.run("CREATE USER native@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret')");
        assert_eq!(attempt(&world.config("native:secret", "")).await.unwrap(), "native@%", "{release:?}");
        let wrong = attempt(&world.config("native:wrong", "")).await.unwrap_err();
        assert_eq!(wrong.code(), "CDC-MY-005", "{wrong}");
    }
}

#[tokio::test]
async fn tls_is_checked_as_far_as_it_is_asked() {
    let world = World::new(Release::Mysql);
    let encrypted = async |parameters: &str| {
        let mut session = Session::open(&world.config("root", parameters)).await?;
        let row: Option<(String, String)> = session.first("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await?;
        Ok::<_, Error>(!row.unwrap().1.is_empty())
    };
    assert!(!encrypted("ssl-mode=DISABLED").await.unwrap());
    assert!(encrypted("").await.unwrap());
    assert!(encrypted("ssl-mode=REQUIRED").await.unwrap());
    let authority = world.mysql.data_folder().join("ca.pem");
    assert!(encrypted(&format!("ssl-mode=VERIFY_CA&ssl-ca={}", authority.display())).await.unwrap());
    // The certificate that a server makes for itself is for no host.
    let own = format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={}", authority.display());
    let error = encrypted(&own).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("CDC-MY-004", false), "{error}");
    let error = encrypted("ssl-mode=VERIFY_IDENTITY").await.unwrap_err();
    assert_eq!(error.code(), "CDC-MY-004", "{error}");
    let plain = World::with_settings(Release::Mysql, &[("tls_version", "")]);
    let refused = Session::open(&plain.config("root", "ssl-mode=REQUIRED")).await.unwrap_err();
    assert_eq!(refused.code(), "CDC-MY-004", "{refused}");
    Session::open(&plain.config("root", "")).await.unwrap();
}

/// The authority alone: whatever the certificate is for, and only if it is the authority's.
#[tokio::test]
async fn an_authority_is_checked_without_a_name() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = authority.file("ca.pem");
    for (release, reload) in
        [(Release::Mysql, "ALTER INSTANCE RELOAD TLS"), (Release::Mariadb("11.8"), "FLUSH SSL")]
    {
        authority.expired_server("presented", "db.example");
        let (certificate, key) = (authority.file("presented.pem"), authority.file("presented.key"));
        let settings = [("ssl_ca", &*ca), ("ssl_cert", &certificate), ("ssl_key", &key)];
        let mut world = World::with_settings(release, &settings);
        world.run("CREATE TABLE mark (id int PRIMARY KEY)");
        let position = world.position().await;
        world.run("INSERT INTO mark VALUES (1)");
        let attempt_both = async |world: &mut World, parameters: &str| {
            world.options.connection = world.config("root", parameters);
            let sql = attempt(&world.options.connection).await.map(drop);
            // The log comes over a connection of its own.
            (sql, Reader::open(&world.options, position.clone()).await.map(drop))
        };
        let trusting =
            |authority: &Authority| format!("ssl-mode=VERIFY_CA&ssl-ca={}", authority.file("ca.pem"));
        let (sql, log) = attempt_both(&mut world, &trusting(&authority)).await;
        for error in [sql.unwrap_err(), log.unwrap_err()] {
            assert_eq!(error.code(), "CDC-MY-004", "{error}");
            assert!(error.to_string().contains("expired"), "{error}");
        }
        authority.server("presented", "db.example");
        world.mysql.query(reload);
        for parameters in [trusting(&authority), format!("ssl-ca={ca}")] {
            let (sql, log) = attempt_both(&mut world, &parameters).await;
            sql.unwrap();
            log.unwrap();
        }
        let (sql, log) = attempt_both(&mut world, &trusting(&other)).await;
        for error in [sql.unwrap_err(), log.unwrap_err()] {
            assert_eq!(error.code(), "CDC-MY-004", "{error}");
        }
        let named = format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}");
        let (sql, log) = attempt_both(&mut world, &named).await;
        for error in [sql.unwrap_err(), log.unwrap_err()] {
            assert_eq!(error.code(), "CDC-MY-004", "{error}");
            assert!(error.to_string().contains("db.example"), "{error}");
        }
    }
}

/// A server without news says that it is there. One that does not even do that is gone, whatever the connection looks like.
#[tokio::test]
async fn a_connection_that_fell_silent_is_given_up() {
    let world = World::new(Release::Mysql);
    world.run("CREATE TABLE mark (id int PRIMARY KEY)");
    let proxy = Proxy::to(world.mysql.port());
    let url = format!("mysql://root@127.0.0.1:{}/", proxy.port());
    let options = Options { connection: Config::parse(&url).unwrap(), ..world.options.clone() };
    // It waits for longer than the other one.
    let mut idle = world.reader().await;
    let mut silent = Reader::open(&options, world.position().await).await.unwrap();
    proxy.stall();
    let error = loop {
        tokio::select! {
            told = idle.wait() => assert_eq!(told.unwrap().len(), 0),
            told = silent.wait() => break told.unwrap_err(),
        }
    };
    assert_eq!((error.code(), error.is_retryable()), ("CDC-MY-011", true), "{error}");
    world.run("INSERT INTO mark VALUES (1)");
    idle.until_mark(1).await;
}

/// Without the privilege the log is refused with the GRANT that is missing.
#[tokio::test]
async fn a_missing_right_is_named() {
    for release in [Release::Mysql, Release::Mariadb("11.4")] {
        let mut world = World::new(release);
        world.run("CREATE TABLE mark (id int PRIMARY KEY); CREATE USER cdc@'%' IDENTIFIED BY 'x'");
        let position = world.position().await;
        world.options.connection = world.config("cdc:x", "");
        let error = Reader::open(&world.options, position.clone()).await.map(drop).unwrap_err();
        assert_eq!(error.code(), "CDC-MY-026", "{error}");
        assert!(error.to_string().contains("GRANT REPLICATION SLAVE, REPLICATION CLIENT"), "{error}");
        world.mysql.query("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO cdc@'%'");
        let mut reader = Reader::open(&world.options, position).await.unwrap();
        world.run("INSERT INTO mark VALUES (1)");
        reader.until_mark(1).await;
    }
}

/// The log comes over a connection of its own, which gets in by the same ways.
#[tokio::test]
async fn the_log_is_reached_by_every_method() {
    let mut world = World::new(Release::Mysql);
    world.run(
        "CREATE TABLE mark (id int PRIMARY KEY); CREATE USER cached@'%' IDENTIFIED WITH caching_sha2_password BY 'se:cr@t'; \
         GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD ON *.* TO cached@'%'; CREATE USER nobody@'%'; \
         GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD ON *.* TO nobody@'%'; \
         SET GLOBAL init_connect = 'FLUSH PRIVILEGES'",
    );
    let position = world.position().await;
    world.run("INSERT INTO mark VALUES (1)");
    // Whoever logs in makes the server forget what it knows of passwords: every connection has to prove its own again.
    for parameters in ["ssl-mode=DISABLED", "ssl-mode=REQUIRED", "", "compression-algorithms=zlib"] {
        for login in ["cached:se%3Acr%40t", "nobody"] {
            world.options.connection = world.config(login, parameters);
            let mut reader = Reader::open(&world.options, position.clone()).await.unwrap();
            reader.until_mark(1).await;
        }
    }
    for release in [Release::Mariadb("10.11"), Release::Mariadb("11.8")] {
        let mut world = World::new(release);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); INSTALL SONAME 'auth_ed25519'; \
             CREATE USER native@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret'); \
             CREATE USER modern@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret'); \
             GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO native@'%'; \
             GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO modern@'%'",
        );
        let position = world.position().await;
        world.run("INSERT INTO mark VALUES (1)");
        let socket = format!("socket={}", world.mysql.socket().display());
        for parameters in ["", "compression-algorithms=zlib", &socket] {
            for login in ["native:secret", "modern:secret"] {
                world.options.connection = world.config(login, parameters);
                let mut reader = Reader::open(&world.options, position.clone()).await.unwrap();
                reader.until_mark(1).await;
            }
        }
        let wrong = attempt(&world.config("modern:wrong", "")).await.unwrap_err();
        assert_eq!(wrong.code(), "CDC-MY-005", "{wrong}");
        world.options.connection = world.config("modern:wrong", "");
        let wrong = Reader::open(&world.options, position.clone()).await.err().unwrap();
        assert_eq!(wrong.code(), "CDC-MY-005", "{wrong}");
    }
}

/// A transaction that is large even in its compressed form waits in a file, whatever the connection makes of it.
#[tokio::test]
async fn a_large_compressed_transaction_comes_whole() {
    const ROWS: usize = 24_000;
    let mut world = World::with_settings(Release::Mysql, &[("max_allowed_packet", "64M")]);
    world.run(
        "CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, body varbinary(1000))",
    );
    let position = world.position().await;
    // What is random stays as large as it is: first a part of a packet of the protocol, then more than one.
    let insert = |from: usize, to: usize| {
        format!(
            "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) \
             SELECT i, RANDOM_BYTES(1000) FROM n; "
        )
    };
    world.run(&format!(
        "SET binlog_transaction_compression = ON, cte_max_recursion_depth = {ROWS}; {}{}INSERT INTO mark VALUES (1)",
        insert(1, 3000),
        insert(3001, ROWS)
    ));
    let folder = tempfile::tempdir().unwrap();
    for (parameters, spool) in [("", None), ("compression-algorithms=zlib", Some(folder.path()))] {
        world.options.connection = world.config("root", parameters);
        world.options.spool = spool.map(Into::into);
        let mut reader = Reader::open(&world.options, position.clone()).await.unwrap();
        let events = reader.until_mark(1).await;
        let ids: Vec<_> = events
            .iter()
            .filter(|event| event["op"] == "insert")
            .map(|event| &event["after"]["id"])
            .collect();
        assert!((1..=ROWS).eq(ids.iter().map(|id| id.as_u64().unwrap() as usize)), "{} rows", ids.len());
    }
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

/// An event may be larger than a packet of the protocol, and the connection may be compressed.
#[tokio::test]
async fn large_events_come_whole() {
    for parameters in ["", "compression-algorithms=zlib&ssl-mode=DISABLED"] {
        let mut world = World::with_settings(Release::Mysql, &[("max_allowed_packet", "64M")]);
        world.run(
            "CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, body longtext)",
        );
        world.options.connection = world.config("root", parameters);
        let mut reader = world.reader().await;
        // Around 16 MiB, where one packet becomes two.
        world.run(
            "INSERT INTO t VALUES (1, REPEAT('x', 16777215 - 60)), (2, REPEAT('y', 20000000)); INSERT INTO mark VALUES (1)",
        );
        let events = reader.until_mark(1).await;
        let sizes: Vec<_> = events
            .iter()
            .filter(|event| event["op"] == "insert")
            .map(|event| event["after"]["body"].as_str().unwrap().len())
            .collect();
        assert_eq!(sizes, [16_777_155, 20_000_000]);
        assert_eq!(lines(&events).len(), 2);
    }
}

//! Every way into a Postgres server that the URL allows, and every way it must refuse, on real servers; that sessions
//! look the same whatever the database's own settings; and that a replication stream stays alive while nobody reads.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use end_to_end::servers::{Authority, Postgres, Stop};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384,
};
use wal_reader::Error;
use wal_reader::wire::{Config, Connection, Frame, Keepalive, Mode, ReplicationReader, connect};

#[tokio::test]
async fn postgres_14() {
    every_way_in(14).await;
}

#[tokio::test]
async fn postgres_15() {
    every_way_in(15).await;
}

#[tokio::test]
async fn postgres_16() {
    every_way_in(16).await;
}

#[tokio::test]
async fn postgres_17() {
    every_way_in(17).await;
}

#[tokio::test]
async fn postgres_18() {
    every_way_in(18).await;
}

async fn every_way_in(version: u32) {
    let postgres = Postgres::with_settings(version, &[("wal_sender_timeout", "1s")]);
    let server = Server::prepare(postgres).await;
    assert_eq!(server.admin().await.server_version_num() / 10_000, version);
    passwords(&server).await;
    encryption(&server).await;
    channel_binding(&server).await;
    client_certificates(&server).await;
    unix_socket(&server).await;
    hosts(&server).await;
    pins(&server).await;
    copies(&server).await;
    replication(&server).await;
}

/// A server with one role for each way to log in, and TLS under the name `localhost`, but not under its address.
struct Server {
    postgres: Postgres,
    files: tempfile::TempDir,
}

const HBA: &str = "\
local     all all                     trust
host      all postgres   127.0.0.1/32 trust
host      all clear      127.0.0.1/32 password
host      all hashed     127.0.0.1/32 md5
host      all scram      127.0.0.1/32 scram-sha-256
hostssl   all encrypted  127.0.0.1/32 scram-sha-256
hostnossl all open       127.0.0.1/32 scram-sha-256
hostssl   all certified  127.0.0.1/32 cert
";

impl Server {
    async fn prepare(postgres: Postgres) -> Self {
        let server = Self { postgres, files: tempfile::tempdir().unwrap() };
        let mut admin = server.admin().await;
        for (role, hash) in [
            ("clear", "scram-sha-256"),
            ("hashed", "md5"),
            ("scram", "scram-sha-256"),
            ("encrypted", "scram-sha-256"),
            ("open", "scram-sha-256"),
        ] {
            let sql =
                format!("SET password_encryption = '{hash}'; CREATE ROLE {role} LOGIN PASSWORD 'geh{role}'");
            admin.execute(&sql).await.unwrap();
        }
        admin.execute("CREATE ROLE certified LOGIN").await.unwrap();
        server.postgres.write_file("pg_hba.conf", HBA);
        server.write_certificates();
        for setting in
            ["ssl = on", "ssl_ca_file = 'ca.pem'", "ssl_cert_file = 'tls.pem'", "ssl_key_file = 'tls.key'"]
        {
            admin.execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        admin.execute("SELECT pg_reload_conf()").await.unwrap();
        // The postmaster hears of it when it hears of it.
        while let Err(error) = server.open("encrypted:gehencrypted", "localhost", "sslmode=require").await {
            assert!(["CDC-PG-004", "CDC-PG-005", "CDC-PG-008"].contains(&error.code()), "{error}");
        }
        server
    }

    /// A server's certificate signed with SHA-384, so that channel binding has to look which hash it is.
    fn write_certificates(&self) {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let authority = |name: &str| {
            let mut parameters = CertificateParams::new(Vec::new()).unwrap();
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(parameters, key()).unwrap()
        };
        let authorities = authority("ours");
        let (server_key, client_key) = (key(), key());
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let mut client = CertificateParams::new(Vec::new()).unwrap();
        client.distinguished_name.push(DnType::CommonName, "certified");

        self.postgres.write_file("ca.pem", &authorities.pem());
        self.postgres.write_file("tls.pem", &server.signed_by(&server_key, &authorities).unwrap().pem());
        self.postgres.write_file("tls.key", &server_key.serialize_pem());
        self.write("ca.pem", &authorities.pem());
        self.write("other.pem", &authority("somebody else's").pem());
        let foreign_key = key();
        let foreign = client.clone().signed_by(&foreign_key, &authority("somebody else's")).unwrap();
        self.write("foreign.pem", &(foreign_key.serialize_pem() + &foreign.pem()));
        fs::set_permissions(self.path("foreign.pem"), Permissions::from_mode(0o600)).unwrap();
        self.write("client.pem", &client.signed_by(&client_key, &authorities).unwrap().pem());
        self.write("client.key", &client_key.serialize_pem());
        fs::set_permissions(self.path("client.key"), Permissions::from_mode(0o600)).unwrap();
    }

    fn write(&self, name: &str, contents: &str) {
        fs::write(self.files.path().join(name), contents).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    fn url(&self, login: &str, host: &str, parameters: &str) -> String {
        format!("postgres://{login}@{host}:{}/postgres?{parameters}", self.postgres.port())
    }

    async fn open(&self, login: &str, host: &str, parameters: &str) -> Result<Connection, Error> {
        connect(&Config::parse(&self.url(login, host, parameters))?, Mode::Sql).await
    }

    async fn refused(&self, login: &str, host: &str, parameters: &str) -> Error {
        let error = self.open(login, host, parameters).await.expect_err(parameters);
        assert!(!error.to_string().contains("geh"), "shows the password: {error}");
        error
    }

    async fn admin(&self) -> Connection {
        connect(&Config::parse(&self.postgres.url("postgres")).unwrap(), Mode::Sql).await.unwrap()
    }
}

async fn text(connection: &mut Connection, sql: &str) -> String {
    connection.query(sql).await.unwrap().single().unwrap().required(0).unwrap().to_owned()
}

async fn is_encrypted(connection: &mut Connection) -> bool {
    text(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await == "t"
}

async fn passwords(server: &Server) {
    for role in ["clear", "hashed", "scram"] {
        let mut session = server.open(&format!("{role}:geh{role}"), "127.0.0.1", "").await.unwrap();
        assert_eq!(text(&mut session, "SELECT session_user").await, role);
        let wrong = server.refused(&format!("{role}:gehnicht"), "127.0.0.1", "").await;
        assert_eq!(
            (wrong.code(), wrong.sqlstate(), wrong.is_retryable()),
            ("CDC-PG-005", Some("28P01"), false)
        );
        assert!(wrong.to_string().contains(&format!("{role}@127.0.0.1:")), "{wrong}");
        let none = server.refused(role, "127.0.0.1", "").await;
        assert!(none.to_string().contains("set password_file"), "{none}");

        let file = Config::parse(&server.url(role, "127.0.0.1", ""))
            .unwrap()
            .with_password_file(server.path("password"));
        server.write("password", "gehnicht\n");
        assert_eq!(connect(&file, Mode::Sql).await.unwrap_err().sqlstate(), Some("28P01"));
        server.write("password", &format!("geh{role}\n"));
        connect(&file, Mode::Sql).await.unwrap();
    }
    server.write("passfile", "*:*:*:clear:no\nlocalhost:*:postgres:scram:gehscram\n");
    server.open("scram", "localhost", &format!("passfile={}", server.path("passfile"))).await.unwrap();

    let missing = server.refused("nobody:x", "127.0.0.1", "").await;
    assert_eq!((missing.code(), missing.is_retryable()), ("CDC-PG-005", false), "{missing}");
    let url = server.postgres.url("no_such_database");
    let missing = connect(&Config::parse(&url).unwrap(), Mode::Sql).await.unwrap_err();
    assert_eq!((missing.sqlstate(), missing.is_retryable()), (Some("3D000"), false));
    assert!(missing.to_string().contains("/no_such_database"), "{missing}");
}

async fn encryption(server: &Server) {
    let ours = format!("sslrootcert={}", server.path("ca.pem"));
    let other = format!("sslrootcert={}", server.path("other.pem"));
    // What is asked for, as whom, under which name; and whether that is encrypted.
    for (parameters, login, host, encrypted) in [
        ("sslmode=disable".to_owned(), "scram", "127.0.0.1", false),
        ("sslmode=allow".to_owned(), "scram", "127.0.0.1", false),
        ("sslmode=allow".to_owned(), "encrypted", "127.0.0.1", true),
        ("sslmode=prefer".to_owned(), "scram", "127.0.0.1", true),
        ("sslmode=prefer".to_owned(), "open", "127.0.0.1", false),
        (String::new(), "scram", "127.0.0.1", true),
        (format!("sslmode=prefer&{other}"), "scram", "127.0.0.1", false),
        ("sslmode=require".to_owned(), "scram", "127.0.0.1", true),
        (format!("sslmode=require&{ours}"), "scram", "127.0.0.1", true),
        (format!("sslmode=verify-ca&{ours}"), "scram", "127.0.0.1", true),
        (format!("sslmode=verify-full&{ours}"), "scram", "localhost", true),
        // The certificate named as its own authority.
        (
            format!(
                "sslmode=verify-full&sslrootcert={}",
                server.postgres.data_folder().join("tls.pem").display()
            ),
            "scram",
            "localhost",
            true,
        ),
    ] {
        let mut session =
            server.open(&format!("{login}:geh{login}"), host, &parameters).await.expect(&parameters);
        assert_eq!(is_encrypted(&mut session).await, encrypted, "{login} {parameters}");
    }
    for (parameters, login, host, code, reason) in [
        ("sslmode=disable".to_owned(), "encrypted", "localhost", "CDC-PG-005", "no encryption"),
        ("sslmode=require".to_owned(), "open", "localhost", "CDC-PG-005", "pg_hba.conf"),
        (format!("sslmode=require&{other}"), "scram", "localhost", "CDC-PG-004", "sslrootcert"),
        (format!("sslmode=verify-ca&{other}"), "scram", "localhost", "CDC-PG-004", "sslrootcert"),
        (format!("sslmode=verify-full&{other}"), "scram", "localhost", "CDC-PG-004", "sslrootcert"),
        (format!("sslmode=verify-full&{ours}"), "scram", "127.0.0.1", "CDC-PG-004", "name"),
        ("sslmode=verify-full".to_owned(), "scram", "localhost", "CDC-PG-004", "sslrootcert"),
        ("sslrootcert=system".to_owned(), "scram", "localhost", "CDC-PG-004", "sslrootcert"),
        (
            "sslmode=verify-ca&sslrootcert=/no/such/file".to_owned(),
            "scram",
            "localhost",
            "CDC-PG-002",
            "/no/such/file",
        ),
    ] {
        let error = server.refused(&format!("{login}:geh{login}"), host, &parameters).await;
        assert_eq!((error.code(), error.is_retryable()), (code, false), "{parameters}: {error}");
        assert!(error.to_string().contains(reason), "{parameters}: {error}");
    }
}

async fn channel_binding(server: &Server) {
    for binding in ["disable", "prefer", "require"] {
        let parameters = format!("sslmode=require&channel_binding={binding}");
        server.open("scram:gehscram", "localhost", &parameters).await.unwrap();
    }
    for (login, sslmode) in
        [("scram", "disable"), ("clear", "require"), ("hashed", "require"), ("postgres", "require")]
    {
        let parameters = format!("sslmode={sslmode}&channel_binding=require");
        let error = server.refused(&format!("{login}:geh{login}"), "localhost", &parameters).await;
        assert_eq!(error.code(), "CDC-PG-005", "{error}");
        assert!(error.to_string().contains("channel_binding=require"), "{error}");
    }
}

async fn client_certificates(server: &Server) {
    let certificate = format!("sslcert={}&sslkey={}", server.path("client.pem"), server.path("client.key"));
    server.open("certified", "localhost", &format!("sslmode=require&{certificate}")).await.unwrap();
    let error = server.refused("certified", "localhost", "sslmode=require").await;
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-005", false), "{error}");
    // As libpq: not with a key that others may read. Root's group may, and the tests may run as root.
    for (mode, is_taken) in [(0o644, false), (0o604, false), (0o620, false), (0o400, true), (0o600, true)] {
        fs::set_permissions(server.path("client.key"), Permissions::from_mode(mode)).unwrap();
        let opened = server.open("certified", "localhost", &format!("sslmode=require&{certificate}")).await;
        assert_eq!(opened.is_ok(), is_taken, "{mode:o}");
        if let Err(error) = opened {
            assert_eq!(error.code(), "CDC-PG-002");
            let text = error.to_string();
            assert!(text.contains("chmod 600") && text.contains("client.key"), "{text}");
        }
    }
    let missing = format!("sslcert={}&sslkey=/no/such/key", server.path("client.pem"));
    let error = server.refused("certified", "localhost", &format!("sslmode=require&{missing}")).await;
    assert_eq!(error.code(), "CDC-PG-002", "{error}");
    assert!(error.to_string().contains("/no/such/key"), "{error}");
    // A certificate of somebody whom the server does not trust.
    let foreign = format!("sslcert={0}&sslkey={0}", server.path("foreign.pem"));
    let error = server.refused("certified", "localhost", &format!("sslmode=require&{foreign}")).await;
    assert_eq!(error.code(), "CDC-PG-004", "{error}");
    assert!(error.to_string().contains("does not accept this client's certificate"), "{error}");
}

/// A certificate that has expired, and one for another host: what is wrong, and what mends it.
#[tokio::test]
async fn certificates_that_are_no_good() {
    let server = Server::prepare(Postgres::start(18)).await;
    let authority = Authority::new();
    authority.expired_server("expired", "localhost");
    authority.server("elsewhere", "db.example");
    let mut admin = server.admin().await;
    admin.execute("ALTER SYSTEM SET ssl_ca_file = ''").await.unwrap();
    for (name, words) in [
        ("expired", ["has expired", "give the server a new one"]),
        ("elsewhere", ["another host name", "db.example"]),
    ] {
        for extension in ["pem", "key"] {
            let content = fs::read_to_string(authority.path(&format!("{name}.{extension}"))).unwrap();
            server.postgres.write_file(&format!("tls.{extension}"), &content);
        }
        admin.execute("SELECT pg_reload_conf()").await.unwrap();
        let parameters = format!("sslmode=verify-full&sslrootcert={}", authority.file("ca.pem"));
        // The postmaster hears of it when it hears of it.
        let error = loop {
            let error = server.refused("scram:gehscram", "localhost", &parameters).await;
            if words.iter().all(|word| error.to_string().contains(word)) {
                break error;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-004", false), "{error}");
        // Without a check of the name, another host's is as good as any.
        let parameters = parameters.replace("verify-full", "verify-ca");
        let opened = server.open("scram:gehscram", "localhost", &parameters).await;
        assert_eq!(opened.is_ok(), name == "elsewhere", "{name}");
    }
}

async fn unix_socket(server: &Server) {
    let folder = server.postgres.socket_folder().display().to_string();
    let port = server.postgres.port();
    // TLS is not for Unix sockets, whatever sslmode says.
    for url in [
        format!("postgres://scram@{}:{port}/postgres?sslmode=verify-full", folder.replace('/', "%2F")),
        format!("postgres:///postgres?host={folder}&port={port}&user=scram"),
    ] {
        let mut session = connect(&Config::parse(&url).unwrap(), Mode::Sql).await.unwrap();
        assert_eq!(text(&mut session, "SELECT coalesce(inet_server_addr()::text, 'local')").await, "local");
    }
    let nowhere = Config::parse("postgres://scram@%2Fno%2Fsuch%2Ffolder/postgres").unwrap();
    let error = connect(&nowhere, Mode::Sql).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/folder:5432"), "{error}");
}

async fn hosts(server: &Server) {
    let port = server.postgres.port();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let open = async |hosts: &str, login: &str, target: &str| {
        let url = format!("postgres://{login}@{hosts}/postgres?target_session_attrs={target}");
        connect(&Config::parse(&url).unwrap(), Mode::Sql).await
    };
    let both = format!("{dead},127.0.0.1:{port}");
    for target in ["any", "read-write", "primary", "prefer-standby"] {
        open(&both, "postgres", target).await.expect(target);
    }
    for target in ["standby", "read-only"] {
        let error = open(&both, "postgres", target).await.unwrap_err();
        assert!(error.is_retryable());
        assert!(
            error.to_string().contains(&dead.to_string()) && error.to_string().contains(target),
            "{error}"
        );
    }
    // A wrong password is not tried on the other host too.
    let error = open(&format!("127.0.0.1:{port},{dead}"), "scram:x", "any").await.unwrap_err();
    assert!(!error.is_retryable() && !error.to_string().contains(&dead.to_string()), "{error}");

    let refused = open(&dead.to_string(), "postgres", "any").await.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("CDC-PG-003", true));
    assert!(refused.to_string().contains(&dead.to_string()), "{refused}");
}

/// What a database, a role and the user's own `options` say about text forms and timeouts does not matter.
async fn pins(server: &Server) {
    let values = "SELECT concat_ws(' ', timestamptz '2020-07-01 12:00+02', interval '1 day -02:00', \
                  '\\xff'::bytea, 0.1::float8 + 0.2::float8, 1e-45::float4)";
    let pinned = "2020-07-01 10:00:00+00 1 day -02:00:00 \\xff 0.30000000000000004 1e-45";
    let mut admin = server.admin().await;
    admin.execute("CREATE DATABASE odd").await.unwrap();
    for setting in [
        "datestyle = 'SQL, DMY'",
        "timezone = 'Asia/Kolkata'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -10",
        "client_encoding = 'LATIN1'",
        "statement_timeout = '1ms'",
        "standard_conforming_strings = 'off'",
        "idle_session_timeout = '1ms'",
    ] {
        admin.execute(&format!("ALTER DATABASE odd SET {setting}")).await.unwrap();
        admin.execute(&format!("ALTER ROLE postgres IN DATABASE odd SET {setting}")).await.unwrap();
    }
    if admin.server_version_num() >= 170_000 {
        admin.execute("ALTER DATABASE odd SET transaction_timeout = '10ms'").await.unwrap();
    }
    let url = format!(
        "{}?options=-c%20timezone%3DAsia/Tokyo&application_name=pin%20test&sslmode=disable",
        server.postgres.url("odd")
    );
    for mode in [Mode::Sql, Mode::Replication] {
        let mut session = connect(&Config::parse(&url).unwrap(), mode).await.unwrap();
        assert_eq!(text(&mut session, values).await, pinned, "{mode:?}");
        assert_eq!(text(&mut session, "SELECT pg_sleep(0.05)::text || 'ü\\'").await, "ü\\", "{mode:?}");
        assert_eq!(text(&mut session, "SHOW application_name").await, "pin test");
        assert_eq!(session.parameter("TimeZone"), Some("UTC"));
    }
    // Also in what the log is decoded to, in another session than the one that wrote it.
    let mut writer = connect(&Config::parse(&url).unwrap(), Mode::Sql).await.unwrap();
    writer
        .execute("CREATE TABLE odd (at timestamptz, bytes bytea); CREATE PUBLICATION odd FOR TABLE odd")
        .await
        .unwrap();
    let mut reader = start(&url, "odd", &mut writer).await.0;
    writer.execute("INSERT INTO odd VALUES ('2020-07-01 12:00+02', '\\xff')").await.unwrap();
    let row = next_body(&mut reader, b'I').await;
    assert!(String::from_utf8_lossy(&row).contains("2020-07-01 10:00:00+00"), "{row:?}");
    assert!(String::from_utf8_lossy(&row).contains("\\xff"), "{row:?}");
}

async fn copies(server: &Server) {
    let mut session = server.admin().await;
    let mut copy = session
        .copy_out("COPY (SELECT repeat('x', i) FROM generate_series(0, 3000) i) TO STDOUT")
        .await
        .unwrap();
    let mut rows = 0;
    while let Some(mut come) = copy.next(10_000).await.unwrap() {
        while let Some(row) = come.next_row() {
            assert_eq!(row.len(), rows + 1);
            rows += 1;
        }
    }
    assert_eq!(rows, 3001);
    assert!(copy.next(1).await.unwrap().is_none());

    // An error in the middle, after which the session goes on.
    let mut copy = session
        .copy_out("COPY (SELECT 1 / (100000 - i) FROM generate_series(1, 200000) i) TO STDOUT")
        .await
        .unwrap();
    let error = loop {
        match copy.next(1).await {
            Ok(row) => assert!(row.is_some(), "the copy ended without the error"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.sqlstate(), error.code(), error.is_retryable()), (Some("22012"), "CDC-PG-007", false));
    assert_eq!(session.query("SELEKT").await.unwrap_err().sqlstate(), Some("42601"));
    assert!(session.copy_out("SELECT 1").await.is_err());

    // A copy that is given up gives up the session.
    let mut session = server.admin().await;
    session.copy_out("COPY (SELECT 1) TO STDOUT").await.unwrap();
    assert!(session.query("SELECT 1").await.unwrap_err().is_retryable());
}

async fn replication(server: &Server) {
    let url = server.postgres.url("postgres");
    let mut writer = server.admin().await;
    writer.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION s FOR TABLE t").await.unwrap();
    let (mut reader, keepalive) = start(&url, "s", &mut writer).await;
    // Nobody reads for several times wal_sender_timeout.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    writer.execute("INSERT INTO t VALUES (1)").await.unwrap();
    next_body(&mut reader, b'I').await;
    assert!(keepalive.error().is_none());

    // The server forgets what it is told is safe, and not before.
    let confirmed = "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = 's'";
    let end: u64 = text(&mut writer, "SELECT pg_current_wal_flush_lsn() - '0/0'").await.parse().unwrap();
    assert!(text(&mut writer, confirmed).await.parse::<u64>().unwrap() < end);
    keepalive.advance_to(end);
    while text(&mut writer, confirmed).await.parse::<u64>().unwrap() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    keepalive.advance_to(1);
    keepalive.finish().await.unwrap();
    until_done(&mut reader).await.unwrap();

    // Without a sign of life the same server hangs up.
    let (mut reader, keepalive) = start(&url, "s", &mut writer).await;
    drop(keepalive);
    let error = until_done(&mut reader).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");

    // What the server says instead of starting is an error, not a stream.
    let session = connect(&Config::parse(&url).unwrap(), Mode::Replication).await.unwrap();
    let error = session.start_replication("START_REPLICATION SLOT missing LOGICAL 0/0").await.unwrap_err();
    assert_eq!((error.sqlstate(), error.is_retryable()), (Some("42704"), false), "{error}");
}

/// Starts the stream of a slot, made if it is not there, with a publication of the same name.
async fn start(url: &str, slot: &str, writer: &mut Connection) -> (ReplicationReader, Keepalive) {
    let create = format!(
        "SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput') \
         WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}')"
    );
    writer.execute(&create).await.unwrap();
    let mut session = connect(&Config::parse(url).unwrap(), Mode::Replication).await.unwrap();
    let timeout = session.wal_sender_timeout().await.unwrap();
    assert_eq!(timeout, Some(Duration::from_secs(1)));
    let command =
        format!("START_REPLICATION SLOT {slot} LOGICAL 0/0 (proto_version '1', publication_names '{slot}')");
    let (reader, writer) = session.start_replication(&command).await.unwrap();
    (reader, Keepalive::spawn(writer, Keepalive::interval(timeout), 0))
}

/// The next message of the output plugin with this tag.
async fn next_body(reader: &mut ReplicationReader, tag: u8) -> Vec<u8> {
    loop {
        while let Some(frame) = reader.frame().unwrap() {
            let found = match frame {
                Frame::XLogData { body, .. } if body.first() == Some(&tag) => Some(body.to_vec()),
                _ => None,
            };
            reader.consume();
            if let Some(found) = found {
                return found;
            }
        }
        reader.read_more().await.unwrap();
    }
}

async fn until_done(reader: &mut ReplicationReader) -> Result<(), Error> {
    loop {
        while let Some(frame) = reader.frame()? {
            if frame == Frame::CopyDone {
                return Ok(());
            }
            reader.consume();
        }
        reader.read_more().await?;
    }
}

#[tokio::test]
async fn standbys_and_read_only_servers_are_told_apart() {
    let mut standby = Postgres::start(18);
    let primary = Postgres::start(18);
    standby.stop(Stop::Fast);
    standby.write_file("standby.signal", "");
    standby.start_again();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let reached = async |target: &str| {
        let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs={target}");
        let mut session = connect(&Config::parse(&url).unwrap(), Mode::Sql).await.unwrap();
        text(&mut session, "SELECT inet_server_port()").await.parse::<u16>().unwrap()
    };
    for target in ["any", "primary", "read-write"] {
        assert_eq!(reached(target).await, primary.port(), "{target}");
    }
    for target in ["standby", "read-only", "prefer-standby"] {
        assert_eq!(reached(target).await, standby.port(), "{target}");
    }
    let client = primary.connect("postgres").await;
    client.batch_execute("ALTER DATABASE postgres SET default_transaction_read_only = on").await.unwrap();
    assert_eq!(reached("read-only").await, primary.port());
    assert_eq!(reached("primary").await, primary.port());
}

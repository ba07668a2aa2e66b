//! What servers and other programs refuse: who or what it is, what mends it, and once it is mended nothing is missing.

use std::fs;
use std::net::TcpListener;

use end_to_end::connector::Connector;
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Authority, Kafka, Pgbouncer, Postgres, unique};
use end_to_end::session::Session;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rustix::process::Signal;

use crate::least::{guarded_kafka, kafka_sink};
use crate::setup::{Setup, assert_says, shared_postgres};
use crate::stranger::begin_anew;

#[test]
fn an_unreachable_host() {
    let mut setup = Setup::new("unreachable");
    let port = format!(":{}/", shared_postgres().port());
    setup.url = setup.url.replace(&port, ":1/");
    setup.configure("", &setup.file_sink());
    assert_ends(&setup, &["check"], 4, &["CDC-PG-003", "127.0.0.1:1"]);
    // Whoever runs unattended goes on trying.
    setup.cdc.start();
    setup.cdc.wait_for_log("CDC-PG-003");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.url = setup.url.replace(":1/", &port);
    setup.configure("", &setup.file_sink());
    setup.assert_works();
}

#[test]
fn certificates_that_are_no_good() {
    let postgres = Postgres::start(18);
    let mut setup = Setup::on(&postgres, "certificates");
    let authority = Authority::new();
    authority.expired_server("expired", "localhost");
    authority.server("elsewhere", "db.example");
    authority.server("good", "localhost");
    let present = |setup: &Setup, name: &str| {
        for extension in ["pem", "key"] {
            let content = fs::read_to_string(authority.path(&format!("{name}.{extension}"))).unwrap();
            postgres.write_file(&format!("server.{extension}"), &content);
        }
        setup.session.execute("SELECT pg_reload_conf()");
    };
    present(&setup, "expired");
    for (name, value) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key"), ("ssl", "on")] {
        setup.session.execute(&format!("ALTER SYSTEM SET {name} = '{value}'"));
    }
    let parameters = format!("?sslmode=verify-full&sslrootcert={}", authority.file("ca.pem"));
    setup.url = setup.url.replace("127.0.0.1", "localhost") + &parameters;
    setup.configure("", &setup.file_sink());
    for (name, words) in [
        ("expired", ["has expired", "give the server a new one"]),
        ("elsewhere", ["another host name", "db.example"]),
    ] {
        present(&setup, name);
        // The postmaster hears of it when it hears of it.
        let is_heard = || {
            let said = setup.cdc.run(&["check"]);
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            words.iter().all(|word| said.contains(word))
        };
        while !is_heard() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        setup.assert_refused(1, &["CDC-PG-004", words[0], words[1]]);
        assert_ends(&setup, &["check"], 1, &["CDC-PG-004", words[0], words[1]]);
    }
    present(&setup, "good");
    while setup.cdc.run(&["check"]).status.code() != Some(0) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    setup.assert_works();
}

#[test]
fn privileges_that_are_missing() {
    let mut setup = Setup::new("privileges");
    let (role, slot) = (setup.role.name.clone(), setup.cdc.slot());
    // Without the owner's rights, which would bring their own.
    let owner = format!("{role}-owner");
    setup.session.execute(&format!(
        "CREATE PUBLICATION \"{slot}\" FOR TABLE orders; REVOKE \"{owner}\" FROM \"{role}\"; \
         REVOKE SELECT ON orders FROM \"{role}\"; ALTER ROLE \"{role}\" NOREPLICATION"
    ));
    let replication = format!("ALTER ROLE \"{role}\" REPLICATION;");
    let grant = format!("GRANT SELECT ON \"public\".\"orders\" TO \"{role}\";");
    setup.assert_refused(1, &["CDC-PG-043", &replication]);
    // Both at once, each statement on a line of its own.
    assert_ends(
        &setup,
        &["check"],
        3,
        &["CDC-PG-043", &format!("\n{replication}\n"), "CDC-PG-033", &format!("\n{grant}\n")],
    );
    setup.session.execute(&replication);
    setup.assert_refused(1, &["CDC-PG-033", "public.orders", &grant]);
    setup.session.execute(&grant);
    setup.assert_works();
}

/// Debian's PgBouncer knows of no replication.
#[test]
fn a_pooler_in_between() {
    let postgres = Postgres::start(15);
    let session = Session::open(&postgres, "postgres");
    session.execute("CREATE TABLE orders (id int PRIMARY KEY)");
    let mut cdc = Connector::new(&unique("pooler"), "");
    for settings in [&[][..], &[("ignore_startup_parameters", "options, replication")]] {
        let pooler = Pgbouncer::in_front_of(&postgres, settings);
        cdc.configure(&format!("[source.postgres]\nurl = \"{}\"\n[sink.null]", pooler.url()));
        let words = ["CDC-PG-055", "does not speak replication", "the database's own address"];
        let checked = cdc.run(&["check"]);
        assert_eq!(checked.status.code(), Some(3));
        assert_says(&String::from_utf8_lossy(&checked.stdout), &words);
        let lines = cdc.log().len();
        cdc.start();
        assert_eq!(cdc.wait(), Some(1), "{}", cdc.log_text());
        assert_says(&cdc.log()[lines..].join("\n"), &words);
    }
}

#[test]
fn a_slot_that_another_reads() {
    let postgres = Postgres::start(16);
    let mut setup = Setup::on(&postgres, "taken");
    // One that two can have.
    let sink = "[sink.null]";
    setup.configure("", sink);
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    // So that it holds the slot, and does not move it on.
    setup.cdc.signal(Signal::STOP);
    let name = setup.session.value("SELECT current_database()").unwrap();
    let config = format!("[source.postgres]\nurl = \"{}\"\n{sink}", setup.url);
    let mut other = Connector::new(&name, &config);
    fs::create_dir_all(other.state_folder()).unwrap();
    fs::copy(setup.cdc.state_folder().join("checkpoint"), other.state_folder().join("checkpoint")).unwrap();
    let words = ["CDC-PG-041", &setup.cdc.slot(), &format!("user {}", setup.role.name), "from 127.0.0.1"];
    other.start();
    other.wait_for_log("CDC-PG-041");
    assert_says(&other.log_text(), &words);
    assert_eq!(other.terminate(), Some(0), "{}", other.log_text());
    let checked = other.run(&["check"]);
    assert_eq!(checked.status.code(), Some(3));
    assert_says(&String::from_utf8_lossy(&checked.stdout), &words);
    setup.cdc.signal(Signal::CONT);
    setup.write_some();
    setup.catch_up();
    // A pipeline's own reader is none.
    assert_ends(&setup, &["check"], 0, &[]);
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
}

#[test]
fn a_slot_that_the_server_gave_up() {
    let sizes = [("max_slot_wal_keep_size", "16MB"), ("min_wal_size", "32MB"), ("max_wal_size", "32MB")];
    let postgres = Postgres::with_settings(15, &sizes);
    let mut setup = Setup::on(&postgres, "lost");
    setup.assert_works();
    setup.write_some();
    for _ in 0..5 {
        setup.session.execute("SELECT pg_logical_emit_message(false, 'filler', ''), pg_switch_wal()");
        setup.session.execute("CHECKPOINT");
    }
    let slot = setup.cdc.slot();
    setup.assert_refused(1, &["CDC-PG-023", &slot, "max_slot_wal_keep_size", "cdc snapshot --new-epoch"]);
    assert_ends(&setup, &["check"], 3, &["CDC-PG-023", "cdc snapshot --new-epoch"]);
    begin_anew(&mut setup);
}

#[test]
fn an_admin_port_that_is_taken() {
    let mut setup = Setup::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    setup.configure("", &format!("{}\n[admin]\nlisten = \"{address}\"", setup.file_sink()));
    setup.assert_refused(1, &["CDC-ADMIN-001", &address, "another process", "[admin] listen"]);
    drop(taken);
    setup.configure("", &setup.file_sink());
    setup.assert_works();
}

#[test]
fn an_event_that_is_larger_than_the_broker_accepts() {
    let kafka = Kafka::shared();
    let mut setup = Setup::new("too-large");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let sink = format!(
        "[sink.kafka]\nbrokers = [\"{}\"]\nproperties = {{ \"compression.type\" = \"none\" }}",
        kafka.brokers()
    );
    setup.configure("", &sink);
    setup.start_streaming();
    setup.session.execute("INSERT INTO orders VALUES (1001, repeat('x', 2000000))");
    assert_eq!(setup.cdc.wait(), Some(1), "{}", setup.cdc.log_text());
    assert_says(&setup.cdc.log_text(), &["CDC-SINK-005", "public.orders", "max.message.bytes"]);
    let topic = format!("{name}.public.orders");
    block_on(async {
        let resource = ResourceSpecifier::Topic(&topic);
        let change = AlterConfig::new(resource).set("max.message.bytes", "4000000");
        admin(kafka).alter_configs(&[change], &AdminOptions::new()).await.unwrap();
    });
    assert_arrives_in_kafka(&mut setup, kafka, &name);
}

#[test]
fn a_broker_that_refuses_the_login() {
    let kafka = guarded_kafka();
    let mut setup = Setup::new("login");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let password = setup.cdc.folder().join("password").display().to_string();
    fs::write(&password, "sailfish").unwrap();
    setup.configure("", &kafka_sink(kafka, "secret", &password));
    setup.assert_refused(1, &["CDC-SINK-004", "uthentication"]);
    fs::write(&password, "swordfish").unwrap();
    assert_arrives_in_kafka(&mut setup, kafka, &name);
    assert!(!setup.cdc.log_text().contains("fish"), "{}", setup.cdc.log_text());
}

#[test]
fn a_topic_that_may_not_be_written_to() {
    let kafka = guarded_kafka();
    let mut setup = Setup::new("forbidden");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let topics = ["control", "schemas", "public.orders"].map(|topic| format!("{name}.{topic}"));
    block_on(async {
        let topics = topics.each_ref().map(|topic| NewTopic::new(topic, 2, TopicReplication::Fixed(1)));
        for created in admin(kafka).create_topics(&topics, &AdminOptions::new()).await.unwrap() {
            created.unwrap();
        }
    });
    let password = setup.cdc.folder().join("password").display().to_string();
    fs::write(&password, "least-swordfish").unwrap();
    let sink = kafka_sink(kafka, "least", &password)
        .replace("[sink.kafka]\n", "[sink.kafka]\ncreate_topics = false\n");
    setup.configure("", &sink);
    setup.assert_refused(1, &["CDC-SINK-004", "denied Write", "kafka-acls.sh"]);
    let prefix = format!("{name}.");
    let pattern = ["--resource-pattern-type", "prefixed", "--topic", &prefix];
    let rights = ["--operation", "Write", "--operation", "Describe", "--operation", "DescribeConfigs"];
    let arguments: Vec<&str> =
        ["--add", "--allow-principal", "User:least"].into_iter().chain(pattern).chain(rights).collect();
    kafka.administer("org.apache.kafka.tools.AclCommand", &arguments);
    assert_arrives_in_kafka(&mut setup, kafka, &name);
}

/// Runs a command that ends with this code and says all of these.
fn assert_ends(setup: &Setup, arguments: &[&str], exit_code: i32, words: &[&str]) {
    let done = setup.cdc.run(arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(exit_code), "{said}");
    assert_says(&said, words);
}

fn assert_arrives_in_kafka(setup: &mut Setup, kafka: &Kafka, name: &str) {
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_kafka(&kafka.brokers(), name, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

fn admin(kafka: &Kafka) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap()
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

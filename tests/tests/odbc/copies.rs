//! What a polling pipeline remembers, copied while it polls and put back after it went on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, seed};
use end_to_end::servers::{Postgres, Receiver, Reply};
use end_to_end::session::Session;
use serde_json::{Value, json};

use crate::world::{Replica, postgres};

/// Rows up to this number change, and are never deleted.
const STAYING: u64 = 1000;

#[test]
fn a_copy_taken_while_it_polls_is_put_back_and_gone_on_from() {
    let seed = seed("a_copy_taken_while_it_polls_is_put_back_and_gone_on_from");
    let mut random = Random::new(seed);
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 2000) n",
    );
    let receiver = Receiver::start(|_| Reply::Status(200));
    let mut cdc = pipeline("copied", &server, &receiver);
    let copy = cdc.folder().join("copy.tar").display().to_string();
    refused(&cdc, &["state", "backup", &copy], "CDC-CLI-016");
    cdc.start();
    wait_until_same(&mut cdc, &receiver, &session);

    // Copies while scans find something and the receiver takes nothing, half of them.
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (mut writes, session, over) = (random.fork(), Session::open(&server, "postgres"), &is_over);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                write(&session, &mut writes);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let _over = Over(&is_over);
        for round in 0..6 {
            receiver.answer(move |_| Reply::Status(if round % 2 == 0 { 200 } else { 503 }));
            thread::sleep(Duration::from_millis(random.within(500..1500)));
            let said = done(&cdc, &["state", "backup", &copy]);
            assert!(said.contains("known rows"), "{said}");
            refused(&cdc, &["state", "restore", &copy], "CDC-CKPT-002");
        }
    });
    receiver.answer(|_| Reply::Status(200));

    // It goes on, and rows become what they were when it was copied.
    session.execute("CREATE TABLE copied AS TABLE t; UPDATE t SET n = n + 1; DELETE FROM t WHERE id BETWEEN 1001 AND 1100");
    wait_until_same(&mut cdc, &receiver, &session);
    cdc.kill();
    session.execute("DELETE FROM t WHERE id BETWEEN 1101 AND 1200; UPDATE t SET n = copied.n FROM copied WHERE t.id = copied.id");
    let said = done(&cdc, &["state", "restore", &copy]);
    assert!(said.contains("goes on with") && said.contains("poll.sqlite.before-"), "{said}");
    let told = receiver.taken().len();
    cdc.start();
    wait_until_same(&mut cdc, &receiver, &session);
    // And again, from the same copy.
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    done(&cdc, &["state", "restore", &copy]);
    write(&session, &mut random);
    cdc.start();
    wait_until_same(&mut cdc, &receiver, &session);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());

    let replica = Replica::of_posts(&receiver.taken());
    let deleted = replica.events.iter().filter(|event| event["op"] == "delete");
    let ids: Vec<u64> = deleted.map(|event| event["key"]["id"].as_u64().unwrap()).collect();
    assert!(ids.iter().all(|id| *id > STAYING), "CDC_SEED={seed}: {ids:?}");
    println!("{} requests before the copy was put back, {} after", told, receiver.taken().len() - told);
}

#[test]
fn what_is_no_copy_is_refused() {
    let server = Postgres::start(16);
    Session::open(&server, "postgres")
        .execute("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)");
    let receiver = Receiver::start(|_| Reply::Status(200));
    let mut cdc = pipeline("no-copy", &server, &receiver);
    cdc.start();
    cdc.wait_for_log("scanned");
    let copy = cdc.folder().join("copy.tar");
    let path = copy.display().to_string();
    done(&cdc, &["state", "backup", &path]);
    refused(&cdc, &["state", "backup", "/no/such/folder/copy.tar"], "CDC-CLI-017");
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    // Rows are in it.
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let content = fs::read(&copy).unwrap();
    let before = fs::read(cdc.state_folder().join("poll.sqlite")).unwrap();
    let mut edited = content.clone();
    edited[content.len() / 2] ^= 1;
    for damaged in [&content[..0], &content[..700], &content[..content.len() / 2], &edited] {
        fs::write(&copy, damaged).unwrap();
        refused(&cdc, &["state", "restore", &path], "CDC-CLI-018");
    }
    assert_eq!(fs::read(cdc.state_folder().join("poll.sqlite")).unwrap(), before);
    fs::write(&copy, &content).unwrap();
    refused(&pipeline("other", &server, &receiver), &["state", "restore", &path], "CDC-CLI-019");
    // What remains are the state and what was put aside: no copies that were not taken.
    let left = fs::read_dir(cdc.state_folder()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("copy")));
}

fn pipeline(name: &str, server: &Postgres, receiver: &Receiver) -> Connector {
    Connector::new(
        name,
        &format!(
            "[source.odbc]\nconnection_string = \"{}\"\n[[source.odbc.resource]]\ntable = \"public.t\"\nevery_s = 1\n\
             [sink.http]\nurl = \"{}\"\nbatch_events = 100\n[format]\nkind = \"json\"\n",
            postgres(server, "postgres"),
            receiver.url()
        ),
    )
}

fn write(session: &Session, random: &mut Random) {
    let id = random.within(1..STAYING);
    // Rows that come before a copy was taken and go after it are found gone; those that come after it, nobody knows of.
    let gone = random.within(STAYING + 500..STAYING * 2);
    session.execute(&format!(
        "UPDATE t SET n = n + 1 WHERE id % 100 = {}; DELETE FROM t WHERE id = {gone}",
        id % 100
    ));
}

fn wait_until_same(cdc: &mut Connector, receiver: &Receiver, session: &Session) {
    let rows = session.rows("SELECT id, n FROM t").into_iter().map(|row| {
        let number = |text: &Option<String>| text.as_ref().map(|text| text.parse::<i64>().unwrap());
        (json!({"id": number(&row[0])}).to_string(), json!({"id": number(&row[0]), "n": number(&row[1])}))
    });
    let rows: BTreeMap<String, Value> = rows.collect();
    cdc.wait_until("the receiver has what the database has", || {
        Replica::of_posts(&receiver.taken()).tables.get("public.t") == Some(&rows)
    });
}

fn done(cdc: &Connector, arguments: &[&str]) -> String {
    let output = cdc.run(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(cdc: &Connector, arguments: &[&str], code: &str) {
    let output = cdc.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(code), "{arguments:?}: {output:?}");
}

/// Tells the writer that it is over.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

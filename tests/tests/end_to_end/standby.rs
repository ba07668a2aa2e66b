//! A standby's log is decoded (16 on), and its tables are loaded, while the primary is written to.

use std::thread::sleep;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, seed};
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Postgres, unique};
use end_to_end::session::Session;
use end_to_end::workload::{Amount, Workload, create_tables};

use crate::setup::{assert_done, source};

fn follows(version: u32) {
    let seed = seed("standby");
    let mut random = Random::new(seed);
    let mut primary = Postgres::start(version);
    Session::open(&primary, "postgres")
        .execute("SELECT pg_create_physical_replication_slot('standby', true)");
    let standby = primary.standby(&[("primary_slot_name", "standby"), ("hot_standby_feedback", "on")]);
    let session = Session::open(&primary, "postgres");
    create_tables(&session, 300, seed);
    let mut cdc = Connector::new(&unique("standby"), "");
    let path = cdc.folder().join("events");
    let section = source(&session, &primary.url("postgres"));
    let section = section.replace(&primary.port().to_string(), &standby.port().to_string());
    cdc.configure(&format!("{section}[sink.file]\npath = \"{}\"", path.display()));
    let of_standby = Session::open(&standby, "postgres");
    let until = |what: &str, sql: &str| {
        for _ in 0..1200 {
            // Else an idle primary tells its standbys nothing of what runs on it.
            session.execute("SELECT pg_log_standby_snapshot()");
            if of_standby.value(sql).as_deref() == Some("t") {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("waited in vain for {what}");
    };
    let publication = cdc.slot();
    let replayed = |end: Option<String>| format!("SELECT pg_last_wal_replay_lsn() >= '{}'", end.unwrap());
    until("the role", &replayed(session.value("SELECT pg_current_wal_lsn()")));
    // What a standby can't do, it says.
    cdc.start();
    assert_eq!(cdc.wait(), Some(1), "{}", cdc.log_text());
    assert!(
        cdc.log_text().contains("CDC-PG-021") && cdc.log_text().contains("CREATE PUBLICATION"),
        "{}",
        cdc.log_text()
    );
    session.execute(&format!("CREATE PUBLICATION \"{publication}\" FOR ALL TABLES"));
    until("the publication", "SELECT count(*) = 1 FROM pg_publication");
    let amount = Amount { rows: u64::MAX, pause: Duration::from_millis(4) };
    let workload = Workload::start(primary.url("postgres"), amount, random.number());
    let lines = cdc.log().len();
    cdc.start();
    let slot = cdc.slot();
    until(
        "the stream",
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE state IN ('catchup', 'streaming')",
    );
    cdc.wait_for_log_after(lines, "streaming");
    // A table that comes meanwhile, with a transaction open on it, and one that is read anew.
    let open = Session::open(&primary, "postgres");
    open.execute(
        "BEGIN; CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1), (2); COMMIT; \
                  BEGIN; INSERT INTO late VALUES (3); DELETE FROM late WHERE id = 1",
    );
    let lines = cdc.log().len();
    assert_done(&cdc.run(&["snapshot", "--tables", "public.orders"]));
    sleep(Duration::from_secs(6));
    open.execute("INSERT INTO late VALUES (4); COMMIT");
    for _ in 0..600 {
        session.execute("SELECT pg_log_standby_snapshot()");
        let log = cdc.log()[lines..].join("\n");
        if ["late", "orders"]
            .iter()
            .all(|name| log.contains(&format!("loaded beside the stream table=public.{name}")))
        {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    cdc.kill();
    cdc.start();
    workload.stop();
    session.execute("SELECT pg_logical_emit_message(true, 'test', 'the end')");
    let end = session.value("SELECT pg_current_wal_insert_lsn()").unwrap();
    until(
        "the end",
        &format!(
            "SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{slot}'"
        ),
    );
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_file(&path, |message| replay.take(&message));
    let summary = replay.assert_equals(&source_rows(&session), &format!("CDC_SEED={seed}"));
    println!("{summary:?}");
    assert!(summary.loads >= 22, "{summary:?}");
}

#[test]
fn of_16() {
    follows(16);
}

#[test]
fn of_18() {
    follows(18);
}

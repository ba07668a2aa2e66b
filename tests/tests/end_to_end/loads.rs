//! Loads alone, anew and of added tables, beside changes that go on.

use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, seed};
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Postgres, unique};
use end_to_end::session::Session;
use end_to_end::workload::{Amount, Workload, create_tables};

use crate::setup::{Setup, assert_done, assert_says, shared_postgres, source, wait_until_caught_up};

#[test]
fn a_load_alone_and_the_changes_later() {
    let mut setup = Setup::new("load-alone");
    assert_done(&setup.cdc.run(&["snapshot"]));
    let loaded = setup.assert_nothing_lost();
    assert_eq!((loaded.changes, loaded.loads), (0, 1), "{loaded:?}");
    (0..5).for_each(|_| setup.write_some());
    let later = setup.assert_works();
    assert_eq!(later.loads, 1, "nothing is loaded twice: {later:?}");
}

/// All tables are read anew, twice, while they are written to; and once the program is killed meanwhile.
#[test]
fn a_reload_beside_changes() {
    let seed = seed("loads::a_reload_beside_changes");
    let mut random = Random::new(seed);
    let postgres = Postgres::start(18);
    let session = Session::open(&postgres, "postgres");
    create_tables(&session, 300, seed);
    let mut cdc = Connector::new(&unique("reload"), "");
    let path = cdc.folder().join("events");
    cdc.configure(&format!(
        "{}[sink.file]\npath = \"{}\"",
        source(&session, &postgres.url("postgres")),
        path.display()
    ));
    let amount = Amount { rows: u64::MAX, pause: Duration::from_millis(2) };
    let workload = Workload::start(postgres.url("postgres"), amount, random.number());
    cdc.start();
    cdc.wait_for_log("streaming");
    for round in 0..3 {
        let lines = cdc.log().len();
        assert_done(&cdc.run(&["snapshot", "--tables", "public.*"]));
        cdc.wait_for_log_after(lines, "loaded beside the stream");
        if round == 1 {
            cdc.kill();
            let lines = cdc.log().len();
            cdc.start();
            cdc.wait_for_log_after(lines, "streaming");
        }
        let log = |cdc: &Connector| {
            cdc.log().iter().filter(|line| line.contains("loaded beside the stream")).count()
        };
        let before = log(&cdc);
        // What is left of the twenty.
        let seen = cdc.log()[lines..].iter().filter(|line| line.contains("loaded beside the stream")).count();
        for _ in 0..600 {
            if log(&cdc) + seen >= before + 20 {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    workload.stop();
    wait_until_caught_up(&mut cdc, &session);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_file(&path, |message| replay.take(&message));
    let summary = replay.assert_equals(&source_rows(&session), &format!("CDC_SEED={seed}"));
    println!("{summary:?}");
    assert!(summary.loads >= 80, "{summary:?}");
}

/// Rows that were filtered out, and columns that were left out, are in nobody's replica: a load brings them.
#[test]
fn another_row_filter_or_column_list() {
    let mut setup = Setup::new("other-filter");
    let publication = setup.cdc.slot();
    setup.session.execute(&format!(
        "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1); \
         CREATE PUBLICATION \"{publication}\" FOR TABLE other, orders WHERE (id > 50)"
    ));
    setup.start_streaming();
    setup.session.execute("INSERT INTO orders VALUES (1000, 'new')");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.session.execute(&format!(
        "ALTER PUBLICATION \"{publication}\" SET TABLE other, orders (id, note) WHERE (id > 20)"
    ));
    let lines = setup.cdc.log().len();
    setup.start_streaming();
    assert!(
        setup.cdc.log()[lines..].iter().any(|line| line.contains("public.orders") && line.contains("epoch"))
    );
    setup.session.execute("INSERT INTO orders VALUES (1001, 'newer'); INSERT INTO other VALUES (2)");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    // What the filter hides is gone without a word.
    setup.session.execute("DELETE FROM orders WHERE id <= 20");
    let filtered = setup.assert_nothing_lost();
    assert_eq!(filtered.loads, 3, "one of two tables anew: {filtered:?}");

    setup.session.execute(&format!("ALTER PUBLICATION \"{publication}\" SET TABLE other, orders"));
    setup.assert_works();
}

/// A transaction that wrote to the table before it was published, and ends only later, is in the load or in the stream.
#[test]
fn a_table_added_meanwhile_with_a_transaction_open_on_it() {
    let mut setup = Setup::new("added");
    setup.assert_works();
    setup.session.execute("CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1), (2)");
    let database = setup.session.value("SELECT current_database()").unwrap();
    let open = Session::open(shared_postgres(), &database);
    open.execute("BEGIN; INSERT INTO late VALUES (3); DELETE FROM late WHERE id = 1");
    let lines = setup.cdc.log().len();
    setup.cdc.start();
    setup.cdc.wait_for_log_after(lines, "streaming");
    // What has nothing to do with it goes on.
    setup.write_some();
    setup.session.execute("INSERT INTO late VALUES (4)");
    setup.cdc.wait_for_log_after(lines, "a load beside the stream waits");
    open.execute("INSERT INTO late VALUES (5); COMMIT");
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream");
    setup.session.execute("INSERT INTO late VALUES (6)");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

/// Under its new name nobody has the rows that did not change since: the next start loads them, or this one that looks for
/// new tables every few seconds.
#[test]
fn a_table_that_was_renamed_meanwhile() {
    let mut setup = Setup::new("renamed");
    setup.start_streaming();
    let lines = setup.cdc.log().len();
    setup
        .session
        .execute("ALTER TABLE orders RENAME TO purchases; UPDATE purchases SET note = 'x' WHERE id = 1");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.start_streaming();
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream");
    setup.session.execute("INSERT INTO purchases VALUES (1000, 'y')");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_file(&setup.events_file(), |message| replay.take(&message));
    assert_eq!(replay.faults(&source_rows(&setup.session)), ["public.orders: not in the source"]);
}

#[test]
fn a_table_that_is_not_there_cannot_be_reloaded() {
    let mut setup = Setup::new("reload-unknown");
    setup.start_streaming();
    let refused = setup.cdc.run(&["snapshot", "--tables", "public.nothing"]);
    assert_ne!(refused.status.code(), Some(0));
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["public.nothing", "cdc status"]);
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0));
}

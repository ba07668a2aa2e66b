//! The live page in a real browser: what it shows in each state that people meet, light and dark and on a phone.
//! Screenshots of them go to `screenshots` in the state folder; docs/images has the good ones.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use end_to_end::browser::{Browser, Look};
use end_to_end::connector::Connector;
use end_to_end::servers::{Nats, Postgres, Stop};
use end_to_end::session::Session;

use crate::setup::Setup;

const DESKTOP: u32 = 1280;
const PHONE: u32 = 375;

/// One pipeline's bad day: it loads, streams, its sink goes away, its slot is lost, and it ends.
#[test]
fn a_page_shows_what_happens() {
    let postgres =
        Postgres::with_settings(15, &[("max_slot_wal_keep_size", "64MB"), ("max_wal_size", "48MB")]);
    let mut nats = Nats::start();
    // On servers of its own: pictures are made of it.
    let name = "shop".to_owned();
    Session::open(&postgres, "postgres").execute(&format!("CREATE DATABASE \"{name}\""));
    let session = Session::open(&postgres, &name);
    shop(&session);
    let mut cdc = Connector::new(
        &name,
        &format!(
            "buffer_mb = 1\n[source.postgres]\nurl = \"{}\"\ntables = [\"shop.*\"]\n\n[sink.nats]\nservers = [\"{}\"]\n\n\
             [admin]\nlisten = \"127.0.0.1:0\"",
            postgres.url(&name).replace("postgres://postgres@", "postgres://postgres:not-shown@"),
            nats.url()
        ),
    );

    // Loading, held up in the middle, on a version that knows a publication's other tables while one is locked. The lock must be newer than the slot, whose creation would wait for it, and older
    // than the reading of its table: the sink takes nothing meanwhile, and the tables before are larger than what may be
    // on its way.
    let early = Session::open(&postgres, &name);
    early.execute("BEGIN; SELECT pg_current_xact_id()");
    cdc.start();
    let browser = Browser::start();
    browser.open(&format!("http://{}/", address(&mut cdc)));
    browser.wait_for("#state", "starting");
    let slots = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{}'", cdc.slot());
    cdc.wait_until("the slot waits for a transaction", || session.value(&slots).as_deref() == Some("1"));
    nats.freeze();
    early.execute("COMMIT");
    browser.wait_for("#state", "loading");
    browser.wait_until("report.in_flight.batches > 0");
    session.execute("BEGIN; LOCK TABLE shop.invoices IN ACCESS EXCLUSIVE MODE");
    nats.thaw();
    browser.wait_for("#load-tables", "4 of 9 tables");
    browser.wait_for("tbody tr:first-child", "shop.invoices");
    browser.wait_for("#load-rows", "of about");
    browser.wait_for("#source-where", &name);
    browser.wait_for("#wal-note", "more until it is lost");
    assert!(!browser.value("document.documentElement.outerHTML").to_string().contains("not-shown"));
    screenshots(&browser, "loading");

    // Streaming.
    session.execute("COMMIT");
    browser.wait_for("#state", "streaming");
    browser.wait_until("document.getElementById('load').hidden");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (writing, is_over) = (Session::open(&postgres, &name), &is_over);
        scope.spawn(move || write(&writing, is_over));
        browser.wait_until(
            "history.length > 15 && history.slice(-10).every(each => each.events_per_second > 0)",
        );
        browser.wait_until("document.getElementById('delivered').classList.contains('on')");
        browser.wait_until("[...tables.values()].some(table => table.rate > 0)");
        screenshots(&browser, "streaming");
        is_over.store(true, Ordering::Relaxed);
    });
    browser.wait_for("#lag-note", "the sink has everything");
    browser.wait_for("#sentence", "is in the sink");

    // The sink goes away while the application goes on: the lag grows though nothing can be read.
    nats.stop(Stop::Fast);
    session.execute(
        "INSERT INTO shop.orders (note) SELECT 'while the sink is away' FROM generate_series(1, 20000)",
    );
    browser.wait_until("!report.is_ready && errors.length > 0");
    browser.wait_for("#errors", "CDC-SINK");
    browser.wait_until("document.getElementById('sink').parentElement.className === 'node is-bad'");
    browser.wait_until("report.lag_bytes > 1e6 && report.lag_seconds > 5");
    browser.wait_until("document.querySelector('#errors .remedy').innerText.length > 10");
    screenshots(&browser, "sink-down");

    // Until the server's patience is over.
    for _ in 0..8 {
        session.execute(
            "INSERT INTO shop.audit (note) SELECT repeat('x', 1000) FROM generate_series(1, 20000); \
             SELECT pg_switch_wal(); CHECKPOINT",
        );
    }
    browser.wait_for("#wal", "lost");
    browser.wait_for("#state", "slot lost");
    browser.wait_for("#sentence", "--new-epoch");
    screenshots(&browser, "slot-lost");

    // The sink is back, but what it lacks is gone: the program says so and ends.
    nats.start_again();
    assert_eq!(cdc.wait(), Some(1), "{}", cdc.log_text());
    browser.wait_for("#banner", "stopped by CDC-PG-");
    browser.wait_for("#state", "stopped by an error");
    browser.wait_for("#errors li:first-child .remedy", "--new-epoch");
    screenshots(&browser, "ended");
    assert_eq!(complaints(&browser), Vec::<String>::new());
}

#[test]
fn five_thousand_tables_are_usable() {
    let mut setup = Setup::new("many-tables");
    for part in 0..50 {
        let (from, to) = (part * 100, part * 100 + 99);
        setup.session.execute(&format!(
            "DO $$ BEGIN FOR number IN {from}..{to} LOOP \
               EXECUTE format('CREATE TABLE tenant_%s (id int PRIMARY KEY)', to_char(number, 'FM0000')); \
             END LOOP; END $$"
        ));
    }
    setup.configure(
        "",
        &format!("{}\n[admin]\nlisten = \"127.0.0.1:0\"\n[load]\nmode = \"never\"", setup.file_sink()),
    );
    setup.start_streaming();
    let browser = Browser::start();
    browser.open(&format!("http://{}/", address(&mut setup.cdc)));
    for part in 0..10 {
        setup.session.execute(&format!(
            "DO $$ BEGIN FOR number IN {}..{} LOOP \
               EXECUTE format('INSERT INTO tenant_%s VALUES (1)', to_char(number, 'FM0000')); \
             END LOOP; END $$",
            part * 500,
            part * 500 + 499
        ));
    }
    browser.wait_until("tables.size === 5000");
    browser.wait_for("#table-count", "5,000");
    browser.wait_for("#page", "1–50 of 5,000");
    assert_eq!(browser.value("document.querySelectorAll('tbody tr').length"), 50);
    setup.session.execute("INSERT INTO tenant_4711 SELECT generate_series(2, 1001)");
    browser.click("th[data-sort=events] button");
    browser.wait_for("tbody tr:first-child", "tenant_4711");
    browser.wait_for("tbody tr:first-child td:nth-child(3)", "1,001");
    screenshots(&browser, "5000-tables");

    // Only what changed is sent.
    browser.wait_until("(window.told = 0, stream.addEventListener('update', m => { told = Math.max(told, m.data.length) }), true)");
    setup.session.execute("INSERT INTO tenant_0042 SELECT generate_series(2, 11)");
    browser.type_into("#filter", "_0042");
    browser.wait_for("tbody tr:first-child td:nth-child(3)", "11");
    assert_eq!(browser.text("#page"), "1–1 of 1");
    let told = browser.value("told").as_u64().unwrap();
    assert!((1..4000).contains(&told), "{told} bytes for one table's change");
    browser.type_into("#filter", "nothing like it");
    browser.wait_for("#no-tables", "No table has such a name");
    browser.type_into("#filter", "");
    browser.click("th[data-sort=name] button");
    browser.click("#next");
    browser.wait_for("tbody tr:first-child", "tenant_0050");
    assert_eq!(complaints(&browser), Vec::<String>::new());

    // Gone without a word, and back.
    setup.cdc.kill();
    browser.wait_for("#banner", "No connection");
    assert_eq!(browser.value("document.title.startsWith('✕')"), true);
    screenshots(&browser, "no-connection");
}

#[test]
fn a_browser_presents_the_token() {
    let mut setup = Setup::new("token");
    let token = setup.cdc.folder().join("token");
    fs::write(&token, "open-sesame\n").unwrap();
    let sink = setup.file_sink();
    setup.configure("", &format!("{sink}\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}"));
    setup.start_streaming();
    let browser = Browser::start();
    browser.open(&format!("http://me:open-sesame@{}/", address(&mut setup.cdc)));
    browser.wait_for("#state", "streaming");
    let told = setup.cdc.run(&["status", "--json"]);
    assert!(!setup.cdc.log_text().contains("open-sesame"));
    assert!(!String::from_utf8_lossy(&told.stdout).contains("open-sesame"));
}

/// Tables as a shop has them, with rows, known to the planner.
fn shop(session: &Session) {
    session.execute("CREATE SCHEMA shop");
    for (table, rows) in [
        ("addresses", 8_000),
        ("audit", 0),
        ("carts", 3_000),
        ("customers", 12_000),
        ("invoices", 9_000),
        ("orders", 20_000),
        ("payments", 15_000),
        ("products", 2_500),
        ("shipments", 11_000),
    ] {
        session.execute(&format!(
            "CREATE TABLE shop.{table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text); \
             INSERT INTO shop.{table} (note) SELECT 'as it stood' FROM generate_series(1, {rows}); \
             ANALYZE shop.{table}"
        ));
    }
}

/// An application that writes, now more and now less.
fn write(session: &Session, is_over: &AtomicBool) {
    // Not for ever, should the test have failed meanwhile.
    for round in 0..1000 {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let orders = 10 + round * 7 % 40;
        session.execute(&format!(
            "INSERT INTO shop.orders (note) SELECT 'new' FROM generate_series(1, {orders}); \
             INSERT INTO shop.payments (note) SELECT 'paid' FROM generate_series(1, {orders} / 2); \
             UPDATE shop.products SET note = 'sold' WHERE id = {round} % 2500 + 1; \
             DELETE FROM shop.carts WHERE id = {round}"
        ));
        thread::sleep(Duration::from_millis(150));
    }
}

fn address(cdc: &mut Connector) -> String {
    cdc.wait_for_log("admin pages");
    let lines = cdc.log();
    let line = lines.iter().rev().find(|line| line.contains("admin pages")).expect("the line");
    line.split("address=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .expect("an address")
        .to_owned()
}

/// Takes them, and sees that nothing is cut off.
fn screenshots(browser: &Browser, name: &str) {
    let folder = env::var_os("CDC_STATE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.state"), PathBuf::from);
    for (kind, width, is_dark) in [
        ("light", DESKTOP, false),
        ("dark", DESKTOP, true),
        ("phone", PHONE, false),
        ("phone-dark", PHONE, true),
    ] {
        browser.look(Look { width, is_dark });
        let widest = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(widest <= u64::from(width), "{name} {kind}: the page is {widest} wide");
        browser.screenshot(&folder.join("screenshots").join(format!("{name}-{kind}.png")));
    }
    browser.look(Look { width: DESKTOP, is_dark: false });
}

/// But for connections that are gone because the test ended them.
fn complaints(browser: &Browser) -> Vec<String> {
    browser.complaints().into_iter().filter(|line| !line.contains("net::ERR_")).collect()
}

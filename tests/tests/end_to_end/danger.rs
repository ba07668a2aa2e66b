//! A slot that will be lost is spoken of well before that: in the log, in `/status` and in the metrics.

use std::thread::sleep;
use std::time::Duration;

use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Kafka, Postgres, Proxy};

use crate::commands::{admin_address, get};
use crate::setup::{Setup, assert_done};

const LIMIT_MB: u32 = 256;

#[test]
fn wal_that_runs_out() {
    let proxy = Proxy::refusing();
    let kafka = Kafka::behind(&proxy);
    let limit = format!("{LIMIT_MB}MB");
    let postgres =
        Postgres::with_settings(18, &[("max_slot_wal_keep_size", &limit), ("max_wal_size", "4GB")]);
    let mut setup = Setup::on(&postgres, "danger");
    let database = setup.session.value("SELECT current_database()").unwrap();
    setup.configure(
        "",
        &format!(
            "[sink.kafka]\nbrokers = [\"127.0.0.1:{}\"]\npartitions = 2\n[admin]\nlisten = \"127.0.0.1:0\"",
            proxy.port()
        ),
    );
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    proxy.stall();
    setup.write_some();
    for (share, word) in [(0.6, "half of the WAL"), (0.93, "almost all of the WAL")] {
        write_until(&setup, share);
        setup.cdc.wait_for_log(word);
        assert_eq!(held(&setup, "wal_status IN ('reserved', 'extended')"), "t", "the warning comes in time");
        let status = assert_done(&setup.cdc.run(&["status", "--json"]));
        assert!(status.contains("CDC-PG-059") && status.contains(word), "{status}");
        let (_, metrics) = get(&admin_address(&setup.cdc), "/metrics");
        assert!(metrics.contains("code=\"CDC-PG-059\""), "{metrics}");
    }
    let said = setup.cdc.log().iter().filter(|line| line.contains("CDC-PG-059")).count();
    assert_eq!(said, 2, "once at each crossing: {}", setup.cdc.log_text());
    proxy.pass();
    setup.write_some();
    setup.catch_up();
    // The next look.
    setup.cdc.wait_for_log("in no danger any more");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_kafka(&kafka.brokers(), &database, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

/// Fills the log, a segment at a time.
fn write_until(setup: &Setup, share: f64) {
    let bytes = (f64::from(LIMIT_MB) * share) as u64 * (1 << 20);
    while held(setup, &format!("pg_current_wal_lsn() - restart_lsn >= {bytes}")) != "t" {
        setup.session.execute("SELECT pg_logical_emit_message(false, 'filler', ''), pg_switch_wal()");
        sleep(Duration::from_millis(1));
    }
}

fn held(setup: &Setup, what: &str) -> String {
    let slot = setup.cdc.slot();
    setup
        .session
        .value(&format!("SELECT {what} FROM pg_replication_slots WHERE slot_name = '{slot}'"))
        .expect("the slot")
}

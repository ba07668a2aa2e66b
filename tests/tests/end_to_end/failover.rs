//! The server that the program goes on with is not the one it was with: a standby that took over, or an old copy.

use std::thread::sleep;
use std::time::Duration;

use end_to_end::servers::{Postgres, Stop};
use end_to_end::session::Session;

use crate::setup::Setup;
use crate::stranger::begin_anew;

/// A server, and a standby that may take over.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    setup: Setup,
    database: String,
}

impl Pair {
    /// With the pipeline streaming from whichever of the two takes writes.
    fn begin(version: u32, name: &str, settings: &[(&str, &str)]) -> Self {
        let mut primary = Postgres::start(version);
        Session::open(&primary, "postgres")
            .execute("SELECT pg_create_physical_replication_slot('standby', true)");
        let standby = primary.standby(
            &[&[("primary_slot_name", "standby"), ("hot_standby_feedback", "on")], settings].concat(),
        );
        let mut setup = Setup::on(&primary, name);
        let both = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
        let url = setup.url.replace(&format!("127.0.0.1:{}", primary.port()), &both);
        setup.url = format!("{url}?target_session_attrs=read-write");
        setup.configure("", &setup.file_sink());
        setup.start_streaming();
        setup.write_some();
        let database = setup.session.value("SELECT current_database()").unwrap();
        Self { primary, standby, setup, database }
    }

    fn of_standby(&self, sql: &str) -> Option<String> {
        Session::open(&self.standby, "postgres").value(sql)
    }

    fn wait_for_standby(&self, sql: &str) {
        for _ in 0..600 {
            if self.of_standby(sql).as_deref() == Some("t") {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("waited in vain for {sql}");
    }

    /// Waits until the standby has all of the primary's log.
    fn wait_until_replayed(&self) {
        let end = self.setup.session.value("SELECT pg_current_wal_lsn()").unwrap();
        self.wait_for_standby(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"));
    }

    /// The primary is gone, the standby takes over.
    fn promote(&mut self) {
        self.of_standby("SELECT pg_promote()");
        self.setup.session = Session::open(&self.standby, &self.database);
    }
}

/// The slot is there as well, so nobody has to do anything.
fn with_the_slot(version: u32) {
    let mut pair = Pair::begin(version, "slot-synced", &[("sync_replication_slots", "on")]);
    let slot = pair.setup.cdc.slot();
    let is_synced = format!(
        "SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name = '{slot}' AND synced AND NOT temporary"
    );
    // A slot is taken over once the standby is as far as it.
    for _ in 0..600 {
        pair.setup.write_some();
        if pair.of_standby(&is_synced).as_deref() == Some("t") {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    pair.setup.catch_up();
    pair.wait_until_replayed();
    pair.primary.kill();
    pair.promote();
    pair.setup.write_some();
    let lines = pair.setup.cdc.log().len();
    pair.setup.cdc.wait_for_log_after(lines.saturating_sub(1), "the server was promoted");
    pair.setup.cdc.wait_for_log_after(lines.saturating_sub(1), "streaming");
    pair.setup.write_some();
    pair.setup.catch_up();
    assert_eq!(pair.setup.cdc.terminate(), Some(0), "{}", pair.setup.cdc.log_text());
    let summary = pair.setup.assert_nothing_lost();
    assert_eq!(summary.loads, 1, "{summary:?}");
}

#[test]
fn with_the_slot_17() {
    with_the_slot(17);
}

#[test]
fn with_the_slot_18() {
    with_the_slot(18);
}

/// Without the slot, what was written between its end and the failover may be lost: the program says so and stops.
#[test]
fn without_the_slot() {
    let mut pair = Pair::begin(15, "slot-lost", &[]);
    pair.setup.catch_up();
    // Not delivered, and after the failover in no slot's log.
    assert_eq!(pair.setup.cdc.terminate(), Some(0), "{}", pair.setup.cdc.log_text());
    pair.setup.write_some();
    pair.wait_until_replayed();
    pair.primary.kill();
    pair.promote();
    let slot = pair.setup.cdc.slot();
    pair.setup.assert_refused(1, &["CDC-PG-024", &slot, "cdc snapshot --new-epoch", "public.orders"]);
    begin_anew(&mut pair.setup);
}

/// The standby never had the last transactions that were delivered: what they wrote has to go again.
#[test]
fn to_a_standby_that_was_behind() {
    let mut pair = Pair::begin(17, "diverged", &[("sync_replication_slots", "on")]);
    pair.setup.catch_up();
    pair.wait_until_replayed();
    pair.standby.stop(Stop::Fast);
    pair.setup.session.execute(
        "INSERT INTO orders VALUES (9001, 'soon forgotten'); UPDATE orders SET note = 'soon forgotten' WHERE id % 9 = 1; \
         DELETE FROM orders WHERE id % 11 = 1",
    );
    pair.setup.catch_up();
    assert_eq!(pair.setup.cdc.terminate(), Some(0), "{}", pair.setup.cdc.log_text());
    pair.primary.kill();
    pair.standby.start_again();
    pair.promote();
    // It goes another way than the delivered log did.
    pair.setup.write_some();
    pair.setup.assert_refused(1, &["CDC-PG-029", "timeline 2", "public.orders", "cdc snapshot --new-epoch"]);
    begin_anew(&mut pair.setup);
}

/// A copy of the data directory has the system's identifier and timeline, but not the last transactions.
#[test]
fn to_a_restored_copy() {
    let mut postgres = Postgres::start(16);
    let mut setup = Setup::on(&postgres, "restored");
    setup.assert_works();
    let database = setup.session.value("SELECT current_database()").unwrap();
    let copy = postgres.copied(&[]);
    setup.session = Session::open(&postgres, &database);
    setup.start_streaming();
    (0..3).for_each(|_| setup.write_some());
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.url = setup.url.replace(&postgres.port().to_string(), &copy.port().to_string());
    setup.configure("", &setup.file_sink());
    setup.session = Session::open(&copy, &database);
    setup.assert_refused(1, &["CDC-PG-044", "public.orders", "cdc snapshot --new-epoch"]);
    begin_anew(&mut setup);
}

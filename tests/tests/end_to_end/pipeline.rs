//! What most tests here set up: a source, a sink, and the program between them.

use end_to_end::connector::Connector;
use end_to_end::servers::Postgres;
use end_to_end::session::Session;

/// Waits until everything that is committed by now is delivered, saved and let go of.
pub fn wait_until_caught_up(cdc: &mut Connector, session: &Session, slot: &str) {
    session.execute("SELECT pg_logical_emit_message(true, 'test', 'the end')");
    let end = session.value("SELECT pg_current_wal_insert_lsn()").expect("a position");
    cdc.wait_until(&format!("everything up to {end} is acknowledged"), || {
        let sql = format!(
            "SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{slot}'"
        );
        session.value(&sql).as_deref() == Some("t")
    });
}

/// The section of the configuration that names the source.
pub fn source(postgres: &Postgres, database: &str) -> String {
    format!("[source.postgres]\nurl = \"{}\"\n", postgres.url(database))
}

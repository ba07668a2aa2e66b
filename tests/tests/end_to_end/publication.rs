//! A publication, or a slot, that somebody drops and makes anew behind the program's back.

use end_to_end::servers::Postgres;

use crate::setup::Setup;
use crate::stranger::begin_anew;

/// With nothing written in between, nothing is missing; and what could have been written is loaded anyway.
#[test]
fn dropped_while_nobody_writes() {
    let mut setup = Setup::new("publication-dropped");
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    let (lines, publication) = (setup.cdc.log().len(), setup.cdc.slot());
    setup.session.execute(&format!("DROP PUBLICATION \"{publication}\""));
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

fn missing_while_rows_are_written(version: u32) {
    let postgres = Postgres::start(version);
    let mut setup = Setup::on(&postgres, "publication-anew");
    setup.assert_works();
    let publication = setup.cdc.slot();
    setup.session.execute(&format!("DROP PUBLICATION \"{publication}\""));
    setup.write_some();
    setup.session.execute(&format!("CREATE PUBLICATION \"{publication}\" FOR TABLE orders"));
    setup.write_some();
    setup.assert_refused(1, &["CDC-PG-030", "cdc snapshot --new-epoch"]);
    begin_anew(&mut setup);
}

#[test]
fn missing_while_rows_are_written_15() {
    missing_while_rows_are_written(15);
}

#[test]
fn missing_while_rows_are_written_18() {
    missing_while_rows_are_written(18);
}

/// A slot of the same name knows nothing of what was written before it.
#[test]
fn a_slot_made_anew() {
    let mut setup = Setup::new("slot-anew");
    setup.assert_works();
    let slot = setup.cdc.slot();
    setup.session.execute(&format!("SELECT pg_drop_replication_slot('{slot}')"));
    setup.write_some();
    setup.session.execute(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"));
    setup.assert_refused(1, &["CDC-PG-026", &slot, "public.orders", "cdc snapshot --new-epoch"]);
    begin_anew(&mut setup);
}

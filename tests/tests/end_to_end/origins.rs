//! Changes that carry one of the configured origins are not sent, and hold nothing up.

use end_to_end::replay::Delivered;
use event::envelope::ChangeEvent;
use prost::Message as _;

use crate::setup::{Setup, shared_postgres, wait_until_released};

#[test]
fn dropped_origins_are_not_sent_and_the_checkpoint_passes_them() {
    let mut setup = Setup::new("origins");
    setup.configure("drop_origins = [\"cdc:branch-7\"]", &setup.file_sink());
    setup.session.execute("CREATE TABLE echo (id int PRIMARY KEY, note text)");
    setup.start_streaming();
    let database = setup.session.value("SELECT current_database()").unwrap();
    let other = end_to_end::session::Session::open(shared_postgres(), &database);
    let origin = |name: &str| {
        other.execute(&format!(
            "SELECT pg_replication_origin_create('{name}') WHERE pg_replication_origin_oid('{name}') IS NULL; \
             SELECT pg_replication_origin_session_setup('{name}')"
        ));
    };

    origin("cdc:branch-7");
    for number in 0..50 {
        other.execute(&format!(
            "BEGIN; INSERT INTO echo VALUES ({number}, 'x'); UPDATE orders SET note = note WHERE id = 1; COMMIT"
        ));
    }
    other.execute("TRUNCATE echo");
    // Nothing else happens: what was dropped alone moves the checkpoint.
    wait_until_released(&mut setup.cdc, &other);
    other.execute("SELECT pg_replication_origin_session_reset()");

    origin("cdc:branch-8");
    other.execute("UPDATE orders SET note = 'from branch 8' WHERE id = 2");
    other.execute("SELECT pg_replication_origin_session_reset()");
    other.execute("UPDATE orders SET note = 'of our own' WHERE id = 3");
    setup.catch_up();
    // After a crash, the numbers go on as if nothing had been there.
    setup.cdc.kill();
    setup.assert_works();

    let mut origins = Vec::new();
    Delivered::each_of_file(&setup.events_file(), |message| {
        let event = ChangeEvent::decode(&message.payload[..]).unwrap();
        assert!(event.table != "echo" || event.table_seq == 0, "an echo was sent: {event:?}");
        if !event.txid.is_empty() && event.table_seq > 0 {
            origins.push(event.origin);
        }
    });
    assert_eq!(origins[..2], [Some("cdc:branch-8".to_owned()), None]);
}

//! A clock that is set, forth or back: what goes by it goes on.

use end_to_end::fate::Fate;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::world::{Sqlite, World};

const YEAR_S: i64 = 365 * 86_400;

#[test]
fn what_is_read_by_the_clock_is_read_whenever_that_is_set() {
    let mut world = World::new("clock", "Driver=SQLite3", "");
    let database = Sqlite(world.cdc.folder().join("crm.db"));
    database.execute(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)",
    );
    let resources = "[[source.odbc.resource]]\ntable = \"t\"\ncron = \"*/30 * * * *\"\n";
    world.configure(&database.connection_string(), resources, "");
    let fate = Fate::of(&mut world.cdc);
    // A machine that comes up with its clock a year ahead, which somebody sets right then.
    fate.shift_clock(YEAR_S + before_half_hour());
    world.cdc.start();
    world.wait_for_events(1);
    for (id, jump_s) in [(2, 0), (3, -YEAR_S), (4, 2 * YEAR_S), (5, 1800)] {
        database.execute(&format!("INSERT INTO t VALUES ({id})"));
        fate.shift_clock(jump_s + before_half_hour());
        world.wait_for_events(id);
    }
    assert_eq!(world.cdc.terminate(), Some(0), "{}", world.cdc.log_text());
}

/// How much the clock has to be ahead to show three seconds before the next half hour.
fn before_half_hour() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() as i64;
    1800 - 3 - now % 1800
}

//! Dead in the middle of each thing that a scan does: asking, noting, making durable, sending, forgetting what was sent.

use std::collections::BTreeMap;

use end_to_end::fate::{Call, Fate};
use end_to_end::random::{Random, is_torture, seed};
use end_to_end::servers::Postgres;
use end_to_end::session::Session;
use serde_json::{Value, json};

use crate::world::{World, postgres};

const RESOURCES: &str = "[[source.odbc.resource]]\ntable = \"public.t\"\nmax_delete_fraction = 1.0\n";
const ONCE: &str = "[load]\nmode = \"only\"\n";

#[test]
fn whatever_it_dies_in_the_middle_of_the_next_run_makes_good() {
    let seed = seed("whatever_it_dies_in_the_middle_of_the_next_run_makes_good");
    let mut random = Random::new(seed);
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int, b text);
         INSERT INTO t SELECT n, 0, repeat('b', n) FROM generate_series(1, 300) n",
    );
    let mut world = World::new("steps", &postgres(&server, "postgres"), RESOURCES);
    world.configure(&postgres(&server, "postgres"), RESOURCES, ONCE);
    let fate = Fate::of(&mut world.cdc);
    run(&mut world);
    let mut next_id = 1000;
    for call in Call::ALL {
        change(&session, &mut random, &mut next_id);
        run(&mut world);
        // Of a run with changes.
        let calls = fate.calls(call);
        assert!(calls > 2, "{call:?}: {calls}");
        let numbers: Vec<u64> = match is_torture() {
            true => (1..=calls).collect(),
            false => (0..4).map(|_| 1 + random.within(0..calls)).collect(),
        };
        for number in numbers {
            let about = format!("CDC_SEED={seed}, {call:?} {number} of {calls}");
            change(&session, &mut random, &mut next_id);
            fate.ends_at(call, number);
            world.cdc.start();
            let ended = world.cdc.wait();
            // It may have been done with fewer.
            assert!(
                ended.is_none() || fate.calls(call) < number,
                "{about}: {ended:?}\n{}",
                world.cdc.log_text()
            );
            fate.goes_on();
            // What came meanwhile is found as well.
            change(&session, &mut random, &mut next_id);
            run(&mut world);
            assert_eq!(world.replica().tables["public.t"], rows(&session), "{about}");
        }
    }
}

fn run(world: &mut World) {
    world.cdc.start();
    assert_eq!(world.cdc.wait(), Some(0), "{}", world.cdc.log_text());
}

/// Something new, something different, something gone, and something back that was gone.
fn change(session: &Session, random: &mut Random, next_id: &mut i64) {
    *next_id += 1;
    let (changed, gone, back) = (random.within(1..300), random.within(1..300), random.within(1..300));
    session.execute(&format!(
        "INSERT INTO t VALUES ({next_id}, 0, NULL); UPDATE t SET n = n + 1 WHERE id % 50 = {changed} % 50;
         DELETE FROM t WHERE id = {gone}; INSERT INTO t VALUES ({back}, -1, 'back') ON CONFLICT DO NOTHING"
    ));
}

fn rows(session: &Session) -> BTreeMap<String, Value> {
    let rows = session.rows("SELECT id, n, b FROM t").into_iter().map(|row| {
        let number = |text: &Option<String>| text.as_ref().map(|text| text.parse::<i64>().unwrap());
        let (id, n) = (number(&row[0]), number(&row[1]));
        (json!({"id": id}).to_string(), json!({"id": id, "n": n, "b": row[2]}))
    });
    rows.collect()
}

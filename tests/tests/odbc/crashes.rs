//! Writers beside scans, everything dying at any moment, connections that break, clocks that jump: in the end, the sink is
//! the source.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use end_to_end::fate::{Call, Fate};
use end_to_end::random::{Random, is_torture, seed};
use end_to_end::servers::{Postgres, Proxy};
use end_to_end::session::Session;
use serde_json::{Value, json};

use crate::world::{World, postgres_at};

const RESOURCES: &str = "[[source.odbc.resource]]\ntable = \"public.t\"\nevery_s = 1\nmax_delete_fraction = 1.0\n\
                         [[source.odbc.resource]]\ntable = \"public.moving\"\nevery_s = 1\n\
                         [[source.odbc.resource]]\ntable = \"public.stamped\"\nevery_s = 1\nsince = \"at\"\n\
                         overlap_s = 60\nfull_every_s = 3\nmax_delete_fraction = 1.0\n";

#[test]
fn whatever_dies_the_sink_becomes_the_source() {
    let seed = seed("whatever_dies_the_sink_becomes_the_source");
    let mut random = Random::new(seed);
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    // Keys that move and come back, and texts that no two databases sort alike.
    session.execute(
        "CREATE TABLE t (k text PRIMARY KEY, a int, b text);
         INSERT INTO t SELECT 'k' || n, 0, repeat('x', n % 400) FROM generate_series(1, 20000) n;
         CREATE TABLE moving (id int PRIMARY KEY);
         INSERT INTO moving SELECT generate_series(1, 500);
         CREATE TABLE stamped (id int PRIMARY KEY, at timestamptz, n int);
         INSERT INTO stamped SELECT n, now(), 0 FROM generate_series(1, 300) n;",
    );
    let proxy = Proxy::to(server.port());
    let mut world = World::new("crashes", &postgres_at(proxy.port(), "postgres"), RESOURCES);
    let fate = Fate::of(&mut world.cdc);
    let is_over = AtomicBool::new(false);
    let rounds = if is_torture() { 60 } else { 8 };
    thread::scope(|scope| {
        for writer in 0..2 {
            let (mut random, is_over, url) = (random.fork(), &is_over, server.url("postgres"));
            scope.spawn(move || {
                let session = Session::at(&url);
                while !is_over.load(Ordering::Relaxed) {
                    write(&session, &mut random, writer);
                }
            });
        }
        // Also if something fails here: the scope waits for the writers.
        let _over = Over(&is_over);
        for round in 0..rounds {
            fate.goes_on();
            fate.shift_clock(jump(&mut random));
            // Half of the times it dies in the middle of something, of each kind in turn, soon or late.
            let call = Call::ALL.get(round % 8).copied();
            if let Some(call) = call {
                let most = match call {
                    Call::Receive => 11,
                    Call::Remember => 13,
                    Call::Sync => 6,
                    Call::Send => 9,
                };
                let number = 1 << random.within(0..most);
                fate.ends_at(call, random.within(number..2 * number));
            }
            world.cdc.start();
            thread::sleep(Duration::from_millis(random.within(50..2500)));
            fate.shift_clock(jump(&mut random));
            if random.once_in(3) {
                proxy.cut();
                thread::sleep(Duration::from_millis(random.within(10..1500)));
            }
            let patience = Instant::now() + Duration::from_secs(if call.is_some() { 3 } else { 0 });
            while world.cdc.is_running() && Instant::now() < patience {
                thread::sleep(Duration::from_millis(20));
            }
            let is_alive = world.cdc.is_running();
            assert!(is_alive || call.is_some(), "CDC_SEED={seed}: {}", world.cdc.log_text());
            println!("{call:?} after {:?}, killed: {is_alive}", Call::ALL.map(|call| fate.calls(call)));
            world.cdc.kill();
            // Nothing is ever deleted of rows that stay: a row that moves within one snapshot is there once.
            let replica = world.replica();
            let deleted =
                replica.events.iter().filter(|event| event["op"] == "delete" && event["table"] == "moving");
            assert_eq!(deleted.count(), 0, "CDC_SEED={seed}");
        }
    });
    fate.goes_on();
    fate.shift_clock(0);
    world.cdc.start();
    let rows = session.rows("SELECT id, n FROM stamped");
    let expected = rows.iter().map(|row| {
        let number = |text: &Option<String>| text.as_ref().map(|text| text.parse::<i64>().unwrap());
        (json!({ "id": number(&row[0]) }).to_string(), number(&row[1]))
    });
    let expected: BTreeMap<String, Option<i64>> = expected.collect();
    world.wait_for("the stamped rows", |replica| {
        let rows = replica.tables.get("public.stamped").into_iter().flatten();
        let rows = rows.map(|(key, row)| (key.clone(), row["n"].as_i64()));
        rows.collect::<BTreeMap<_, _>>() == expected
    });
    let rows = session.rows("SELECT k, a, b FROM t");
    let expected: BTreeMap<String, Value> = rows
        .into_iter()
        .map(|row| {
            let (k, a, b) =
                (row[0].clone(), row[1].as_ref().map(|a| a.parse::<i64>().unwrap()), row[2].clone());
            (json!({ "k": k }).to_string(), json!({ "k": k, "a": a, "b": b }))
        })
        .collect();
    world.wait_for_rows("public.t", &expected);
    assert_eq!(world.cdc.terminate(), Some(0), "{}", world.cdc.log_text());
    assert_eq!(world.replica().tables["public.t"], expected, "CDC_SEED={seed}");
}

/// Seconds: a little or years, forth or back, or none.
fn jump(random: &mut Random) -> i64 {
    let size = *random.pick(&[0, 2, 3600, 86_400, 400 * 86_400, 3000 * 86_400]);
    if random.once_in(2) { size } else { -size }
}

/// Tells the writers that it is over.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn write(session: &Session, random: &mut Random, writer: u64) {
    let key = random.within(1..21_000);
    let number = random.within(0..3);
    let stamped = random.within(1..320);
    let statement = match random.within(0..8) {
        6 => format!("UPDATE stamped SET n = n + 1, at = clock_timestamp() WHERE id = {stamped}"),
        7 if random.once_in(2) => format!("DELETE FROM stamped WHERE id = {stamped}"),
        7 => format!("INSERT INTO stamped VALUES ({stamped}, clock_timestamp(), 0) ON CONFLICT DO NOTHING"),
        0 => format!("DELETE FROM t WHERE k = 'k{key}'"),
        1 => format!("INSERT INTO t VALUES ('K{writer}ä{key}', {number}, NULL) ON CONFLICT DO NOTHING"),
        2 => format!("UPDATE t SET k = k || '!' WHERE k = 'k{key}'"),
        // Every row gets another place in the table, none is ever gone.
        3 if random.once_in(20) => "UPDATE moving SET id = id".to_owned(),
        // Rewritten: whoever looked before and reads after it finds it empty.
        5 if random.once_in(40) => {
            format!("ALTER TABLE moving ALTER id TYPE {}", random.pick(&["int", "smallint"]))
        }
        4 if random.once_in(50) => format!("UPDATE t SET a = a + 1 WHERE a = {number} AND length(b) < 40"),
        _ => format!("UPDATE t SET b = b || '{number}' WHERE k = 'k{key}'"),
    };
    // Two writers may meet in one row's key.
    drop(session.try_execute(&statement));
}

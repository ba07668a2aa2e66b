//! Writers beside scans, and everything dying at any moment: in the end, the sink is the source.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use end_to_end::random::{Random, is_torture, seed};
use end_to_end::servers::{Postgres, Proxy};
use end_to_end::session::Session;
use serde_json::{Value, json};

use crate::world::{World, postgres_at};

const RESOURCES: &str = "[[source.odbc.resource]]\ntable = \"public.t\"\nevery_s = 1\nmax_delete_fraction = 1.0\n\
                         [[source.odbc.resource]]\ntable = \"public.moving\"\nevery_s = 1\n";

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
         INSERT INTO moving SELECT generate_series(1, 500);",
    );
    let proxy = Proxy::to(server.port());
    let mut world = World::new("crashes", &postgres_at(proxy.port(), "postgres"), RESOURCES);
    let is_over = AtomicBool::new(false);
    let rounds = if is_torture() { 40 } else { 6 };
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
        for _ in 0..rounds {
            world.cdc.start();
            thread::sleep(Duration::from_millis(random.within(50..2500)));
            if random.once_in(3) {
                proxy.cut();
                thread::sleep(Duration::from_millis(random.within(10..1500)));
                assert!(world.cdc.is_running(), "CDC_SEED={seed}: {}", world.cdc.log_text());
            }
            world.cdc.kill();
            // Nothing is ever deleted of rows that stay: a row that moves within one snapshot is there once.
            let replica = world.replica();
            let deleted =
                replica.events.iter().filter(|event| event["op"] == "delete" && event["table"] == "moving");
            assert_eq!(deleted.count(), 0, "CDC_SEED={seed}");
        }
    });
    world.cdc.start();
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
    let statement = match random.within(0..6) {
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

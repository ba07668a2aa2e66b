//! Loads beside writers: what was read, and all of the log that no fence contains, is the table. No more and no less: a
//! change that comes twice, or does not come, is seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use binlog_reader::{Loader, Options, Session};
use end_to_end::random::{Random, seed};
use end_to_end::servers::Release;
use event::{Fences, Finished, KeyBound, TableName};
use serde_json::Value;

use crate::load_world::{begin, read_to_end};
use crate::world::{Reader, World};

const KEYS: u64 = 300;
const WRITERS: usize = 4;
const TRIES: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql() {
    a_load_and_the_log_are_the_table(Release::Mysql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb() {
    a_load_and_the_log_are_the_table(Release::Mariadb("11.8")).await;
}

async fn a_load_and_the_log_are_the_table(release: Release) {
    let mut random = Random::new(seed("load_fences"));
    let mut world = World::new(release);
    world.run(
        "CREATE TABLE t (id int unsigned PRIMARY KEY, v bigint, note varchar(300)); CREATE TABLE mark (id int PRIMARY KEY)",
    );
    let table = TableName::new("shop", "t");
    for number in 0..TRIES {
        // Whole, and in ranges.
        world.options.load_unit_rows = if number % 2 == 0 { Options::LOAD_UNIT_ROWS } else { 70 };
        world.options.load_workers = 1 + number % 3;
        world.run(&format!("DELETE FROM t WHERE id % {} = 0", 2 + number));
        let start = world.position().await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            let (session, random) = (world.session().await, random.fork());
            writers.push(tokio::spawn(write(session, random, Arc::clone(&stop))));
        }
        let mut loader = Loader::open(&world.options).await.unwrap();
        let (mut rows, mut fences, mut from, mut units) = (BTreeMap::new(), Fences::default(), None, 0);
        // Two of the tries after some writing, so that there is something to contain.
        tokio::time::sleep(std::time::Duration::from_millis(20 * (number as u64 % 3))).await;
        loop {
            begin(&mut loader, &table, from).await;
            let (events, finished) = read_to_end(&mut loader).await;
            take(&events, &finished, &mut rows);
            fences.add(finished.table.clone(), finished.fence.clone());
            units += 1;
            from = finished.next;
            if from.is_none() {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        world.run(&format!("INSERT INTO mark VALUES ({number})"));
        let mut reader = Reader::open(&world.options, start).await.unwrap();
        reader.fences = fences;
        let changes = reader.until_mark(number as i64).await;
        for change in &changes {
            apply(change, &mut rows);
        }
        println!("{release:?} {number}: {units} units, {} rows, {} changes", rows.len(), changes.len());
        assert_eq!(rows, table_rows(&world), "try {number}");
    }
}

/// Random transactions, some of which are rolled back, until told to stop.
async fn write(mut session: Session, mut random: Random, stop: Arc<AtomicBool>) {
    session.execute("USE shop").await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        session.execute("BEGIN").await.unwrap();
        for _ in 0..random.within(1..6) {
            let (id, v) = (random.within(0..KEYS), random.number() as u32);
            let note = "n".repeat(random.within(0..200) as usize);
            let statement = match random.within(0..4) {
                0 => format!("DELETE FROM t WHERE id = {id}"),
                1 => format!("UPDATE t SET v = {v} WHERE id BETWEEN {id} AND {}", id + random.within(0..4)),
                2 => format!("UPDATE IGNORE t SET id = {} WHERE id = {id}", random.within(0..KEYS)),
                _ => format!("INSERT INTO t VALUES ({id}, {v}, '{note}') ON DUPLICATE KEY UPDATE v = {v}"),
            };
            match session.execute(&statement).await {
                Ok(()) => {}
                // A deadlock has rolled the transaction back; a wait that took too long, the statement.
                Err(error) if matches!(error.number(), Some(1213 | 1205)) => {}
                Err(error) => panic!("{statement}: {error}"),
            }
        }
        session.execute(if random.once_in(5) { "ROLLBACK" } else { "COMMIT" }).await.unwrap();
    }
}

/// Each unit's rows are those of its range.
fn take(events: &[Value], finished: &Finished, rows: &mut BTreeMap<u64, String>) {
    let ops: Vec<_> = events.iter().map(|event| event["op"].as_str().unwrap()).collect();
    assert_eq!((ops[0], ops[1], *ops.last().unwrap()), ("schema", "load_begin", "load_end"));
    let reads: Vec<_> = events.iter().filter(|event| event["op"] == "read").collect();
    assert_eq!(reads.len() as u64, finished.rows);
    let ids: HashSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len(), "each has a name of its own");
    for event in reads {
        let id = event["after"]["id"].as_u64().unwrap();
        let range = finished.fence.range.as_ref();
        let is_in = range.is_none_or(|range| {
            range.from.is_none_or(|from| from <= KeyBound::Uint(id))
                && range.to.is_none_or(|to| KeyBound::Uint(id) < to)
        });
        assert!(is_in, "{id} in {range:?}");
        assert_eq!(rows.insert(id, row(&event["after"])), None, "{id} was read already");
    }
}

fn apply(event: &Value, rows: &mut BTreeMap<u64, String>) {
    let id = |image: &Value| image["id"].as_u64().unwrap();
    match event["op"].as_str().unwrap() {
        "insert" => {
            let after = &event["after"];
            assert_eq!(rows.insert(id(after), row(after)), None, "inserted twice: {event}");
        }
        "update" => {
            let after = &event["after"];
            assert!(rows.insert(id(after), row(after)).is_some(), "updated where it is not: {event}");
        }
        "delete" => assert!(rows.remove(&id(&event["key"])).is_some(), "deleted where it is not: {event}"),
        "schema" => {}
        other => panic!("{other}"),
    }
}

fn row(image: &Value) -> String {
    format!("{} {}", image["v"].as_str().unwrap_or("NULL"), image["note"].as_str().unwrap_or("NULL"))
}

fn table_rows(world: &World) -> BTreeMap<u64, String> {
    let rows = world.mysql.query("SELECT id, v, note FROM shop.t");
    rows.into_iter().map(|row| (row[0].parse().unwrap(), format!("{} {}", row[1], row[2]))).collect()
}

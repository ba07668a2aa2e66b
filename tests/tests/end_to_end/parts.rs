//! Parts of a table are read while writers do anything at any time, and the program is killed: what comes out is the
//! source, and no key ever goes back to an older version, nor does a deleted one come to life again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, is_torture, seed};
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Postgres, unique};
use end_to_end::session::Session;
use event::envelope::value::Kind;
use event::envelope::{ChangeEvent, Op};
use prost::Message as _;

use crate::setup::{assert_done, source, wait_until_caught_up};

const WRITERS: usize = 4;
const KEYS: u64 = 400;

#[test]
fn no_key_goes_back() {
    let seed = seed("parts::no_key_goes_back");
    let mut random = Random::new(seed);
    let postgres = Postgres::start(17);
    let session = Session::open(&postgres, "postgres");
    session.execute(&format!(
        "CREATE SEQUENCE version; CREATE TABLE t (id int PRIMARY KEY, version bigint NOT NULL, a text, big text); \
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL; \
         INSERT INTO t SELECT g, 0, 'loaded', repeat(g::text, 1500) FROM generate_series(1, {KEYS}, 2) g"
    ));
    let mut cdc = Connector::new(&unique("parts"), "");
    let path = cdc.folder().join("events");
    let url = postgres.url("postgres");
    cdc.configure(&format!("{}[sink.file]\npath = \"{}\"", source(&session, &url), path.display()));
    cdc.start();
    cdc.wait_for_log("streaming");
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..WRITERS).map(|_| write(Session::open(&postgres, "postgres"), random.fork(), &stop)).collect();
    let rounds = if is_torture() { 200 } else { 14 };
    for round in 0..rounds {
        let lines = cdc.log().len();
        ask_for_a_part(&cdc, &mut random);
        if round % 7 == 3 {
            // In the middle of it, or right before or after.
            sleep(Duration::from_millis(random.within(0..60)));
            cdc.kill();
            cdc.start();
            cdc.wait_for_log_after(lines, "streaming");
        } else {
            cdc.wait_for_log_after(lines, "loaded beside the stream");
        }
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().expect("a writer");
    }
    wait_until_caught_up(&mut cdc, &session);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    let about = format!("CDC_SEED={seed}");
    let (mut replay, mut versions) = (Replay::default(), Versions::default());
    Delivered::each_of_file(&path, |message| {
        replay.take(&message);
        versions.take(&ChangeEvent::decode(&message.payload[..]).expect("an event"));
    });
    let summary = replay.assert_equals(&source_rows(&session), &about);
    println!("{about}: {summary:?}, {} parts with {} rows", versions.parts, versions.reads);
    assert!(versions.faults.is_empty(), "{about}: {:#?}", versions.faults);
    assert!(versions.parts >= rounds - rounds / 7 - 1 && versions.reads > 100, "{about}");
}

fn ask_for_a_part(cdc: &Connector, random: &mut Random) {
    let filter = match random.within(0..3) {
        0 => format!("id % {} = 0", random.within(2..5)),
        1 => format!("id < {}", random.within(1..KEYS)),
        _ => format!("version > {}", random.within(0..5000)),
    };
    let mut arguments = vec!["snapshot", "--tables", "public.t", "--where", &filter];
    if random.once_in(2) {
        arguments.extend(["--columns", *random.pick(&["version", "version,a", "version,big"])]);
    }
    assert_done(&cdc.run(&arguments));
}

fn write(session: Session, mut random: Random, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let statements: Vec<String> = (0..random.within(1..4)).map(|_| statement(&mut random)).collect();
            let end = if random.once_in(8) { "ROLLBACK" } else { "COMMIT" };
            // Deadlocks and keys that are taken are part of it.
            if session.try_execute(&format!("BEGIN; {}; {end}", statements.join("; "))).is_err() {
                session.execute("ROLLBACK");
            }
            if random.once_in(10) {
                sleep(Duration::from_millis(random.within(0..20)));
            }
        }
    })
}

fn statement(random: &mut Random) -> String {
    let (key, other) = (random.within(1..KEYS), random.within(1..KEYS));
    match random.within(0..10) {
        0..2 => format!(
            "INSERT INTO t VALUES ({key}, nextval('version'), 'new', repeat('{other}', 1000)) ON CONFLICT DO NOTHING"
        ),
        2 => format!("DELETE FROM t WHERE id = {key}"),
        3 => format!("UPDATE t SET id = {other}, version = nextval('version') WHERE id = {key}"),
        4 => format!(
            "UPDATE t SET big = repeat('{other}', 1200), version = nextval('version') WHERE id = {key}"
        ),
        5..7 => format!("UPDATE t SET a = 'many', version = nextval('version') WHERE id % 20 = {}", key % 20),
        _ => format!("UPDATE t SET a = '{other}', version = nextval('version') WHERE id = {key}"),
    }
}

/// What a consumer sees that drops what it has by number.
#[derive(Default)]
struct Versions {
    /// By key; that of a deleted row too: it does not come again.
    last: HashMap<i64, (i64, bool)>,
    number: (u64, u64),
    parts: usize,
    reads: u64,
    faults: Vec<String>,
}

impl Versions {
    fn take(&mut self, event: &ChangeEvent) {
        match event.op() {
            Op::Insert | Op::Update | Op::Delete => {
                let number = (event.epoch, event.table_seq);
                if number <= self.number {
                    return;
                }
                self.number = number;
            }
            Op::LoadBegin => {
                self.parts += usize::from(event.load.as_ref().is_some_and(|load| load.part.is_some()));
                return;
            }
            Op::Read => self.reads += 1,
            _ => return,
        }
        let key = number(&event.key.as_ref().expect("a key").values[0].kind);
        if event.op() == Op::Delete {
            self.last.entry(key).or_insert((0, true)).1 = true;
            return;
        }
        let version = number(&event.after.as_ref().expect("a row").values[1].kind);
        let before = self.last.insert(key, (version, false));
        let goes_back = before.is_some_and(|(last, is_gone)| version < last || (is_gone && version == last));
        if goes_back {
            self.faults.push(format!("{:?} of key {key}: version {version} after {before:?}", event.op()));
        }
    }
}

fn number(kind: &Option<Kind>) -> i64 {
    match kind {
        Some(Kind::Int64(number)) => *number,
        other => panic!("{other:?} is no number"),
    }
}

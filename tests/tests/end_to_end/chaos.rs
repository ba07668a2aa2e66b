//! Killed again and again, while twenty tables are loaded and streamed: nothing lost, nothing invented, order kept.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::connector::Connector;
use end_to_end::database::Database;
use end_to_end::random::{Random, is_torture, seed};
use end_to_end::replay::{Delivered, Replay, Source, Summary, source_rows};
use end_to_end::servers::{Kafka, Nats, Release, unique};
use end_to_end::workload::{Amount, Workload, create_tables};
use event::envelope::ChangeEvent;
use prost::Message as _;

use crate::setup::{source, wait_until_caught_up};

#[test]
fn file() {
    let seed = seed("chaos::file");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let sink = format!("[sink.file]\npath = \"{}\"", path.display());
    let database = Database::any_postgres(&mut Random::new(seed));
    let (source, _) =
        survive(&database, &unique("chaos-file"), &sink, seed, |take| Delivered::each_of_file(&path, take));
    if !is_torture() {
        let mut messages = Vec::new();
        Delivered::each_of_file(&path, |message| messages.push(message));
        the_judge_is_strict(&messages, &source, &mut Random::new(seed));
    }
}

#[test]
fn kafka() {
    let seed = seed("chaos::kafka");
    let (broker, name) = (Kafka::shared().brokers(), unique("chaos-kafka"));
    let sink = format!("[sink.kafka]\nbrokers = [\"{broker}\"]\npartitions = 3");
    let database = Database::any_postgres(&mut Random::new(seed));
    survive(&database, &name, &sink, seed, |take| Delivered::each_of_kafka(&broker, &name, take));
}

#[test]
fn nats() {
    let seed = seed("chaos::nats");
    let (url, name) = (Nats::shared().url(), unique("chaos-nats"));
    let sink = format!("[sink.nats]\nservers = [\"{url}\"]");
    let database = Database::any_postgres(&mut Random::new(seed));
    let (_, summary) = survive(&database, &name, &sink, seed, |take| {
        Delivered::each_of_nats(&url, &format!("CDC_{name}"), take);
    });
    assert_eq!(summary.repeated, 0, "each change is in the stream once: {summary:?}");
}

#[test]
fn mysql_into_a_file() {
    let seed = seed("chaos::mysql_into_a_file");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let sink = format!("[sink.file]\npath = \"{}\"", path.display());
    let database = Database::mysql(Release::Mysql);
    let (source, _) =
        survive(&database, &unique("chaos-mysql"), &sink, seed, |take| Delivered::each_of_file(&path, take));
    if !is_torture() {
        let mut messages = Vec::new();
        Delivered::each_of_file(&path, |message| messages.push(message));
        the_judge_is_strict(&messages, &source, &mut Random::new(seed));
    }
}

#[test]
fn mariadb_into_kafka() {
    let seed = seed("chaos::mariadb_into_kafka");
    let (broker, name) = (Kafka::shared().brokers(), unique("chaos-mariadb"));
    let sink = format!("[sink.kafka]\nbrokers = [\"{broker}\"]\npartitions = 3");
    let release = *Random::new(seed).pick(&Release::ALL[1..]);
    let database = Database::mysql(release);
    survive(&database, &name, &sink, seed, |take| Delivered::each_of_kafka(&broker, &name, take));
}

/// What was found right would have been found wrong had anything been lost, invented, altered or moved.
fn the_judge_is_strict(messages: &[Delivered], source: &Source, random: &mut Random) {
    // What came more than once may lose a copy. And near the end, little follows that could show it.
    let mut places = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        let event = ChangeEvent::decode(&message.payload[..]).unwrap();
        if event.tx_seq > 0 && event.table_seq > 0 {
            places.entry((event.txid, event.tx_seq, event.part)).or_insert_with(Vec::new).push(at);
        }
    }
    let mut stream: Vec<usize> = places.values().filter(|at| at.len() == 1).map(|at| at[0]).collect();
    stream.sort_unstable();
    stream.truncate(stream.len() / 2);
    let mut judge = |what: &str, change: &dyn Fn(&mut Vec<Delivered>, usize)| {
        let at = *random.pick(&stream);
        let mut messages = messages.to_vec();
        change(&mut messages, at);
        let mut replay = Replay::default();
        messages.iter().for_each(|message| replay.take(message));
        assert!(!replay.faults(source).is_empty(), "{what} at {at} was not noticed");
    };
    judge("a lost event", &|messages, at| _ = messages.remove(at));
    judge("a lost end", &|messages, at| messages.truncate(at));
    judge("a repetition out of its run", &|messages, at| {
        messages.insert(at + 9, messages[at].clone());
    });
    judge("a swap", &|messages, at| {
        let event = messages.remove(at);
        let later = (at + 40).min(messages.len());
        messages.insert(later, event);
    });
    judge("an altered repetition", &|messages, at| {
        let mut event = ChangeEvent::decode(&messages[at].payload[..]).unwrap();
        event.commit_time_us += 1;
        let altered = Delivered { payload: event.encode_to_vec(), ..messages[at].clone() };
        messages.insert(at + 1, altered);
    });
    judge("an invented event", &|messages, at| {
        let mut event = ChangeEvent::decode(&messages[at].payload[..]).unwrap();
        event.tx_seq += 1_000_000;
        event.table_seq += 1;
        let invented = Delivered { payload: event.encode_to_vec(), ..messages[at].clone() };
        messages.insert(at + 1, invented);
    });
}

/// Runs the twenty tables through a sink, and judges what `read` finds there.
fn survive(
    database: &Database,
    name: &str,
    sink: &str,
    seed: u64,
    read: impl FnOnce(&mut dyn FnMut(Delivered)),
) -> (Source, Summary) {
    let mut random = Random::new(seed);
    let mut kill_at = random.fork();
    let (rows, kills) = if is_torture() { (1_000_000, 25) } else { (50_000, 5) };
    let session = database.session();
    create_tables(&session, if is_torture() { 5000 } else { 500 }, seed);
    let mut cdc = Connector::new(name, &format!("{}{sink}", source(&session, &database.url())));
    // Slowly enough to go on while the program starts again and again.
    let pause = Duration::from_millis(if is_torture() { 0 } else { 8 });
    let mut write = |rows| Workload::start(database.url(), Amount { rows, pause }, random.number());
    let workload = write(rows / 5);
    for _ in 0..kills * 2 / 5 {
        let lines = cdc.log().len();
        cdc.start();
        // In the load, or a little later: on a fast machine it is over before the last of these kills.
        cdc.wait_for_any_log_after(lines, &["load", "streaming"]);
        sleep(Duration::from_millis(kill_at.within(0..250)));
        cdc.kill();
    }
    let lines = cdc.log().len();
    cdc.start();
    cdc.wait_for_log_after(lines, "streaming");
    let mut changed = workload.finish();
    let rows = rows - changed;
    let workload = write(rows);
    let kills = kills - kills * 2 / 5;
    for kill in 0..kills {
        let started = Instant::now();
        let least = Duration::from_millis(kill_at.within(0..2500));
        let share = rows * kill / kills;
        while started.elapsed() < least || (workload.changed() < share && !workload.is_over()) {
            sleep(Duration::from_millis(5));
        }
        cdc.kill();
        let lines = cdc.log().len();
        cdc.start();
        cdc.wait_for_log_after(lines, "streaming");
    }
    changed += workload.finish();
    wait_until_caught_up(&mut cdc, &session);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());

    let mut replay = Replay::default();
    read(&mut |message| replay.take(&message));
    let source = source_rows(&session);
    let about = format!("CDC_SEED={seed}, {changed} rows changed");
    let summary = replay.assert_equals(&source, &about);
    println!("{name}: {about}: {summary:?}");
    (source, summary)
}

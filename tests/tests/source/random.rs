//! Writers that do anything at any time, loads and reloads in between, the reader and the server crash: the replica that
//! comes out is the source.
//!
//! Each run prints its seed; `CDC_SEED` plays it again (as far as threads of a server can be made to), `CDC_SEEDS`
//! plays so many. `CDC_SEED_TRUNCATE=no` leaves TRUNCATE out: 15.20's decoding sometimes dies of it beside prepared
//! transactions, and says so.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use end_to_end::servers::Postgres;
use event::envelope::ChangeEvent;
use event::{
    Begun, Fences, KeyBound, Load as _, LoadRequest, LogPlace, Lsn, Position, Source as _, TableName,
};
use tokio::task::JoinHandle;
use wal_reader::wire::Mode;
use wal_reader::{Error, Loader, system};

use crate::replica::Replica;
use crate::seed::{Random, seeds};
use crate::taken_in::since;
use crate::world::{Tail, World, decode, fill, read, soon, table};
use crate::writers::{KEYS, Key, Writer};

const WRITERS: u64 = 6;
const TABLES: [&str; 2] = ["a", "b"];

#[tokio::test]
async fn the_replica_is_the_source() {
    // Seeds of one version after the other: each has its server.
    let version = |seed: &u64| Postgres::VERSIONS[(seed % 5) as usize];
    let mut seeds: Vec<u64> = seeds(20);
    seeds.sort_by_key(version);
    let mut world: Option<(u32, World)> = None;
    while let Some(seed) = seeds.pop() {
        let version = version(&seed);
        println!("CDC_SEED={seed} on PostgreSQL {version}");
        let mut now = match world.take() {
            Some((of, world)) if of == version => world,
            _ => start(version).await,
        };
        let played = play(&mut now, seed).await;
        println!("{:?}", played.unwrap_or_else(|error| panic!("CDC_SEED={seed}: {error}: {error:?}")));
        world = Some((version, now));
    }
}

/// A crash takes along what was committed without waiting for the disk: as much of it as can be.
async fn start(version: u32) -> World {
    // Each attempt of a load has connections of its own, and the server may be slow to end them.
    let settings = [("autovacuum_naptime", "1s"), ("wal_writer_delay", "1s"), ("max_connections", "200")];
    let mut world = World::own(version, &settings).await;
    world.options.load_unit_rows = 12;
    world
}

/// The pipeline in small: first load, stream, a table added meanwhile, reloads; and crashes.
struct Pipeline<'a> {
    world: &'a mut World,
    seed: u64,
    random: Random,
    replica: Replica,
    /// None while it is crashed.
    tail: Option<Tail>,
    saved: Saved,
    /// What an earlier run may have sent lies before it.
    delivered_before: Lsn,
    /// Whether what was sent ends with a transaction.
    is_between: bool,
    /// Transactions that were sent.
    transactions: HashSet<String>,
    played: Played,
}

/// What a checkpoint keeps.
struct Saved {
    position: Lsn,
    table_seqs: BTreeMap<TableName, u64>,
    fences: Fences,
}

/// What happened, to be shown.
#[derive(Debug, Default)]
struct Played {
    transactions: usize,
    repeated: u64,
    units: u64,
    reader_crashes: u64,
    server_crashes: u64,
}

async fn play(world: &mut World, seed: u64) -> Result<Played, Error> {
    let mut random = Random::new(seed);
    let keys = [Key::Int, Key::any(&mut random)];
    for (name, key) in TABLES.iter().zip(keys) {
        world
            .run(&format!(
                "DROP TABLE IF EXISTS {name}; \
                 CREATE TABLE {name} (id {} PRIMARY KEY, version bigint, big text); \
                 ALTER TABLE {name} ALTER big SET STORAGE EXTERNAL; \
                 INSERT INTO {name} SELECT {}, 0, repeat(md5(g::text), 100) FROM generate_series(1, {KEYS}) g; \
                 ANALYZE {name}",
                key.type_name(),
                key.of("g")
            ))
            .await;
    }
    world.run("DROP SEQUENCE IF EXISTS version; CREATE SEQUENCE version; DROP PUBLICATION IF EXISTS published; CREATE PUBLICATION published FOR TABLE a").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = |number: u64| Writer {
        url: world.postgres().url("postgres"),
        table: TABLES[number as usize % 2],
        key: keys[number as usize % 2],
        random: Random::new(random.next()),
        name: format!("{seed}_{number}"),
        truncates: std::env::var("CDC_SEED_TRUNCATE").as_deref() != Ok("no"),
        stop: stop.clone(),
    };
    let writers: Vec<JoinHandle<()>> = (0..WRITERS).map(writer).map(Writer::start).collect();
    let played = follow(world, seed, random, keys, &stop, writers).await;
    stop.store(true, Ordering::Relaxed);
    world
        .run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL")
        .await;
    soon("the slot to go", async {
        let drop_slot = format!("SELECT pg_drop_replication_slot('{}')", world.options.slot);
        while world.sql.batch_execute(&drop_slot).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    played
}

async fn follow(
    world: &mut World,
    seed: u64,
    mut random: Random,
    keys: [Key; 2],
    stop: &AtomicBool,
    writers: Vec<JoinHandle<()>>,
) -> Result<Played, Error> {
    pause(&mut random, 100).await;
    let start = world.slot().await;
    world.options.since = since("b", LogPlace::NEVER);
    let tail = world.tail(start).await;
    let mut pipeline = Pipeline {
        world,
        seed,
        random,
        replica: Replica::with_versions(1),
        tail: Some(tail),
        saved: Saved { position: start, table_seqs: BTreeMap::new(), fences: Fences::default() },
        delivered_before: start,
        is_between: true,
        transactions: HashSet::new(),
        played: Played::default(),
    };
    pipeline.load("a").await?;
    pipeline.stream(100).await?;
    pipeline.crash_perhaps().await;
    pipeline.world.run("ALTER PUBLICATION published ADD TABLE b").await;
    pipeline.world.options.since = since("b", pipeline.log_end().await.into());
    // A table is taken in by going on from what was saved.
    pipeline.crash().await;
    pipeline.load("b").await?;
    pipeline.stream(100).await?;
    for name in ["a", "b", "a"] {
        pipeline.crash_perhaps().await;
        pipeline.load(name).await?;
        pipeline.stream(50).await?;
    }
    pipeline.crash_perhaps().await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        soon("a writer", writer).await.unwrap();
    }
    pipeline.drain().await?;
    for (name, key) in TABLES.into_iter().zip(keys) {
        let replica = short(pipeline.replica.rows(name));
        let source = short(
            pipeline
                .world
                .rows(&format!("(SELECT {}, version, big FROM {name}) AS shown", key.shown()))
                .await,
        );
        let (invented, lost): (Vec<_>, Vec<_>) =
            (replica.difference(&source).collect(), source.difference(&replica).collect());
        assert!(
            invented.is_empty() && lost.is_empty(),
            "CDC_SEED={seed}, table {name}: invented {invented:?}, lost {lost:?}"
        );
    }
    pipeline.played.transactions = pipeline.transactions.len();
    pipeline.played.repeated = pipeline.replica.repeated();
    Ok(pipeline.played)
}

/// The big values are told by their first few characters.
fn short(rows: Vec<String>) -> BTreeSet<String> {
    rows.into_iter()
        .map(|row| {
            let (small, big) = row.rsplit_once(',').unwrap();
            format!("{small},{:.12})", big.trim_end_matches(')'))
        })
        .collect()
}

impl Pipeline<'_> {
    fn tail(&mut self) -> &mut Tail {
        self.tail.as_mut().expect("it is running")
    }

    /// Loads a table while changes go out: between its units, and between its attempts to begin.
    async fn load(&mut self, name: &str) -> Result<(), Error> {
        let mut from: Option<KeyBound> = None;
        let mut loader = self.loader().await?;
        loop {
            let delivered = self.tail().stream.delivered().unwrap().clone();
            match loader.begin(&LoadRequest::default(), &table(name), from, &delivered).await? {
                Begun::NotYet(_) => self.stream(20).await?,
                Begun::Gone => panic!("CDC_SEED={}: {name} is gone", self.seed),
                Begun::Reading => {
                    pause(&mut self.random, 10).await;
                    if self.random.percent(10) {
                        // This unit again; the finished ones are saved with their fences.
                        let mut batch = self.world.pool.batch();
                        loader.read(&mut batch).await?;
                        self.take(&decode(&batch));
                        self.replica.expect_older(name);
                        drop(loader);
                        self.crash().await;
                        loader = self.loader().await?;
                        continue;
                    }
                    let (events, unit) = read(&mut loader, &self.world.pool).await;
                    self.take(&events);
                    self.played.units += 1;
                    self.tail().fences.add(unit.table, unit.fence);
                    // Before anything else is sent: the next run must drop what this one would have dropped.
                    self.save();
                    from = unit.next;
                    if from.is_none() {
                        break;
                    }
                    self.stream(20).await?;
                }
            }
        }
        self.tail().stream.forget_delivered();
        Ok(())
    }

    /// A new one, once the stream has passed what an earlier run may have sent.
    async fn loader(&mut self) -> Result<Loader, Error> {
        while self.tail().stream.passed() < self.delivered_before.into() {
            self.stream(20).await?;
        }
        self.tail().stream.note_delivered();
        Loader::open(&self.world.options).await
    }

    /// Lets changes out for at most so long.
    async fn stream(&mut self, at_most_ms: u64) -> Result<(), Error> {
        let end = tokio::time::Instant::now() + Duration::from_millis(self.random.below(at_most_ms) + 1);
        let mut batch = self.world.pool.batch();
        loop {
            let is_over = tokio::time::Instant::now() >= end;
            let Tail { stream, fences, .. } = self.tail.as_mut().expect("it is running");
            let fill = fill(stream, &mut batch, fences);
            if is_over {
                soon("the transaction's end", fill).await?;
            } else if let Ok(filled) = tokio::time::timeout_at(end, fill).await {
                filled?;
            }
            self.tail().note(&batch);
            let full = std::mem::replace(&mut batch, self.world.pool.batch());
            self.take(&decode(&full));
            match full.reached() {
                Some(reached) => self.is_between = reached.messages == full.len(),
                None => self.is_between &= full.is_empty(),
            }
            if self.random.percent(30) {
                self.save();
            }
            // A load begins between transactions.
            if tokio::time::Instant::now() >= end && self.is_between {
                return Ok(());
            }
        }
    }

    /// What the sink has by now is noted, and then let go of.
    fn save(&mut self) {
        let tail = self.tail.as_mut().expect("it is running");
        tail.fences.forget_before(tail.reached.into());
        self.saved = Saved {
            position: tail.reached,
            table_seqs: tail.table_seqs.clone(),
            fences: tail.fences.clone(),
        };
        tail.stream.release(&Position::Postgres(tail.reached));
    }

    async fn crash_perhaps(&mut self) {
        if self.random.percent(50) {
            self.crash().await;
        }
    }

    /// The reader goes, now and then the server too, and all goes on from what was saved.
    async fn crash(&mut self) {
        self.tail = None;
        self.played.reader_crashes += 1;
        if self.random.percent(30) {
            self.played.server_crashes += 1;
            self.world.postgres_mut().kill();
            self.world.postgres_mut().start_again();
            self.world.reconnect().await;
        }
        let Saved { position, table_seqs, fences } = &self.saved;
        let tail = self.world.resume(*position, table_seqs.clone(), fences.clone()).await;
        self.tail = Some(tail);
        self.is_between = true;
        self.delivered_before = self.log_end().await;
    }

    async fn log_end(&self) -> Lsn {
        system::log_end(&mut self.world.wire(Mode::Sql).await).await.unwrap()
    }

    async fn drain(&mut self) -> Result<(), Error> {
        // A commit that waits for the disk takes all others along.
        self.world.run("SELECT pg_logical_emit_message(true, 'end', '')").await;
        let end: Lsn = self.world.lsn("SELECT pg_current_wal_flush_lsn()").await;
        while self.tail().stream.passed() < end.into() {
            let mut batch = self.world.pool.batch();
            let Tail { stream, fences, .. } = self.tail.as_mut().expect("it is running");
            soon("the end", fill(stream, &mut batch, fences)).await?;
            self.tail().note(&batch);
            let events = decode(&batch);
            self.take(&events);
            if events
                .iter()
                .any(|event| event.message.as_ref().is_some_and(|message| message.prefix == "end"))
            {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, events: &[ChangeEvent]) {
        self.replica.take_all(events);
        self.transactions.extend(events.iter().map(|event| event.txid.clone()));
    }
}

async fn pause(random: &mut Random, at_most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(random.below(at_most_ms))).await;
}

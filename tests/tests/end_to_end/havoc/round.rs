use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::application::{Application, Done, create_tables};
use end_to_end::connector::Connector;
use end_to_end::database::Database;
use end_to_end::dialect::Dialect;
use end_to_end::history::{History, Recorder};
use end_to_end::judge::Judge;
use end_to_end::random::Random;
use end_to_end::replay::Summary;
use end_to_end::servers::{Stop, unique};
use end_to_end::session::Session;

use super::source::Source;
use super::target::Target;
use crate::setup::wait_until_caught_up;

/// How a round ended that found nothing wrong.
#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
pub(super) enum Outcome {
    Right {
        sink: &'static str,
        summary: Summary,
        done: Done,
        history: usize,
        kills: Kills,
    },
    /// It was killed and cannot open one of its tables until it is started once more: `Tablespace is missing for table`,
    /// now and then on MySQL 9.7. Or its rows are not what its log tells, now and then on MariaDB 10.11.
    ServerGaveUp {
        error: String,
    },
}

/// What was done to whom.
#[derive(Debug, Default)]
pub(super) struct Kills {
    program: u32,
    stops: u32,
    database: u32,
    forms: u32,
    broker: u32,
    frozen: u32,
    reloads: u32,
}

/// What runs, while it runs.
pub(super) struct World {
    pub(super) database: Database,
    source: Source,
    recorder: Recorder,
    pub(super) target: Target,
    pub(super) name: String,
    cdc: Connector,
    application: Application,
    /// Transactions until the program first sent changes, once it does.
    committed_before: Option<u64>,
    /// Whether rows may come in part.
    images: bool,
    kills: Kills,
}

pub(super) fn round(source: Source, seed: u64, length: Duration) -> Outcome {
    let mut random = Random::new(seed);
    let target = Target::any(&mut random);
    let mut world = World::start(source, target, &mut random);
    let end = Instant::now() + length;
    // On a busy machine a server's restart alone can take that long.
    while Instant::now() < end || !world.has_much_happened() && Instant::now() < end + 5 * length {
        sleep(Duration::from_millis(random.within(50..3000)));
        if let Some(outcome) = world.gave_up(seed) {
            return outcome;
        }
        world.disturb(&mut random);
        if world.application.is_over() {
            world.application.stop();
        }
    }
    if let Some(outcome) = world.gave_up(seed) {
        return outcome;
    }
    let (history, done) = match world.heal(seed) {
        Ok(healed) => healed,
        Err(outcome) => return outcome,
    };
    let mut judge = Judge::default();
    world.target.read(&world.name, |message| judge.take(&message));
    let (faults, summary) = (judge.faults(&history), judge.summary());
    let mut kinds = HashSet::new();
    let is_another = |fault: &&String| {
        let what = fault.split_once("): ").map_or(fault.as_str(), |(_, what)| what);
        kinds.insert(what.chars().take(25).collect::<String>())
    };
    let shown: Vec<String> =
        faults.iter().filter(is_another).take(20).map(|fault| fault.chars().take(1500).collect()).collect();
    assert!(
        faults.is_empty(),
        "{source}, {}, CDC_SEED={seed}: {} faults, {summary:?}, {done:?}, {:?}\n{}\n{}",
        world.target.name(),
        faults.len(),
        world.kills,
        shown.join("\n"),
        world.cdc.log_text()
    );
    assert!(done.committed > 20 && summary.changes > 20, "hardly anything happened: {done:?}, {summary:?}");
    Outcome::Right {
        sink: world.target.name(),
        summary,
        done,
        history: history.len(),
        kills: std::mem::take(&mut world.kills),
    }
}

impl World {
    /// A database with random tables, an application that writes to them, and the program on its first load.
    pub(super) fn start(source: Source, target: Target, random: &mut Random) -> Self {
        let images = source.is_mysql() && random.once_in(2);
        let (database, config) = source.start(random);
        let recorder = Recorder::begin(&database);
        create_tables(&database.session(), random);
        let name = unique("havoc");
        let mut cdc = Connector::new(&name, &format!("{config}\n{}", target.config()));
        let application = Application::start(database.url(), Duration::from_millis(15), random);
        sleep(Duration::from_millis(random.within(0..500)));
        cdc.start();
        let kills = Kills::default();
        Self {
            database,
            source,
            recorder,
            target,
            name,
            cdc,
            application,
            committed_before: None,
            images,
            kills,
        }
    }

    fn disturb(&mut self, random: &mut Random) {
        match random.within(0..100) {
            0..45 => {
                self.kills.program += 1;
                self.cdc.kill();
                sleep(Duration::from_millis(random.within(0..600)));
                self.cdc.start();
            }
            45..50 => {
                self.kills.stops += 1;
                // Unless it has just ended for another reason: that is looked into next. One that has only just been
                // started may not listen yet, and is ended by the signal itself.
                if matches!(self.cdc.terminate(), Some(0) | None) {
                    self.cdc.start();
                }
            }
            50..65 => {
                self.kills.database += 1;
                let stop = *random.pick(&[Stop::Immediate, Stop::Immediate, Stop::Kill]);
                let (database, pause) = (&mut self.database, Duration::from_millis(random.within(0..800)));
                self.recorder.through(|| {
                    database.stop(stop);
                    sleep(pause);
                    database.start_again();
                });
            }
            65..75 => {
                self.kills.broker += 1;
                self.target.kill(random);
            }
            75..80 => {
                self.kills.frozen += 1;
                self.target.freeze(random);
            }
            80..90 if self.source.is_mysql() => {
                self.kills.forms += 1;
                self.source.change_form(&self.database, self.images, random);
            }
            _ => {
                self.kills.reloads += 1;
                let pattern = format!("*.*{}*", random.within(0..15));
                // It may be starting, or know no such table: then nothing is loaded.
                let output = self.cdc.run(&["snapshot", "--tables", &pattern]);
                assert!(output.status.code().is_some(), "{output:?}");
            }
        }
    }

    /// Whether there was something to stream since that began.
    fn has_much_happened(&mut self) -> bool {
        let committed = self.application.done().committed;
        if self.committed_before.is_none() && self.cdc.log_text().contains("streaming") {
            self.committed_before = Some(committed);
        }
        self.committed_before.is_some_and(|before| committed > before + 100)
    }

    /// Whether the program ended by itself, and the server is to blame.
    fn gave_up(&mut self, seed: u64) -> Option<Outcome> {
        if self.cdc.is_running() {
            return None;
        }
        let outcome = missing_table(&self.database.session());
        assert!(outcome.is_some(), "CDC_SEED={seed}: it ended by itself:\n{}", self.cdc.log_text());
        outcome
    }

    /// Ends all trouble, loads what is due, and catches up; what the source did.
    pub(super) fn heal(&mut self, seed: u64) -> Result<(History, Done), Outcome> {
        let done = self.application.stop();
        if let Some(outcome) = missing_table(&self.database.session()) {
            return Err(outcome);
        }
        self.cdc.kill();
        let output = self.cdc.run(&["snapshot"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "CDC_SEED={seed}: {said}\n{}", self.cdc.log_text());
        let lines = self.cdc.log().len();
        self.cdc.start();
        self.cdc.wait_for_log_after(lines, "streaming");
        let session = self.database.session();
        wait_until_caught_up(&mut self.cdc, &session);
        assert_eq!(self.cdc.terminate(), Some(0), "CDC_SEED={seed}: {}", self.cdc.log_text());
        let history = self.recorder.read(&self.database);
        let mut history = history.map_err(|error| Outcome::ServerGaveUp { error })?;
        history.leaves_out = self.images;
        Ok((history, done))
    }
}

/// Whether the server says of one of its tables that it is not there.
fn missing_table(session: &Session) -> Option<Outcome> {
    /// `ER_TABLESPACE_MISSING`.
    const MISSING: &str = "1812";
    if session.dialect() == Dialect::Postgres {
        return None;
    }
    let tables = "SELECT table_name FROM information_schema.tables \
                  WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'";
    session.rows(tables).into_iter().flatten().flatten().find_map(|name| {
        let look = format!("SELECT 1 FROM {} LIMIT 1", session.dialect().quoted(&name));
        let error = session.try_execute(&look).err()?;
        (error.code.as_deref() == Some(MISSING)).then(|| Outcome::ServerGaveUp { error: error.to_string() })
    })
}

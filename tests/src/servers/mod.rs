//! Real servers for tests: started in a second or a few, on free loopback ports, gone when the test is.
//!
//! ```no_run
//! use end_to_end::servers::{Postgres, Stop};
//!
//! let mut postgres = Postgres::start(18);
//! println!("{}", postgres.url("postgres"));
//! postgres.stop(Stop::Immediate);
//! postgres.start_again(); // same port, same data
//! ```
//!
//! `dev/server` does the work and installs what is missing, so a plain `cargo test` needs no preparation. A
//! server ends when its handle is dropped, and, because the script watches this process, also when the test
//! process is killed. Calls block; what must go on meanwhile belongs on another thread, as [`Proxy`] does it.
//! A server that will not start panics: a test without its server has failed. After a panic a server's folder
//! is kept and named, for its log.

mod certificates;
mod kafka;
mod mysql;
mod nats;
mod pgbouncer;
mod postgres;
mod proxy;
mod receiver;
mod replica;

pub use certificates::Authority;
pub use kafka::Kafka;
pub use mysql::{Mysql, Release};
pub use nats::Nats;
pub use pgbouncer::Pgbouncer;
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use receiver::{Post, Receiver, Reply};

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, io, thread};

use rustix::process::{Pid, Signal, kill_process};

/// How a server is made to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// In order: everything is flushed first.
    Fast,
    /// At once, and it recovers at its next start: Postgres' own "immediate", SIGKILL for the others.
    Immediate,
    /// SIGKILL.
    Kill,
}

/// A name no other test of this process, and no other process beside it, uses on a shared server.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A server process in a folder of its own.
#[derive(Debug)]
struct Server {
    kind: &'static str,
    folder: PathBuf,
    facts: BTreeMap<String, String>,
}

impl Server {
    /// Starts a new server; `arguments` go to `dev/server` as they are.
    fn start(kind: &'static str, arguments: &[String], settings: &[(&str, &str)]) -> Self {
        let folder = run_folder().join(unique(kind));
        let mut server = Self { kind, folder, facts: BTreeMap::new() };
        let settings = settings.iter().map(|(key, value)| format!("--set={key}={value}"));
        server.launch(arguments.iter().cloned().chain(settings).collect());
        server
    }

    /// Starts a stopped server with the port, data and settings it had.
    fn start_again(&mut self) {
        self.start_again_with(&[]);
    }

    /// The same with these settings changed.
    fn start_again_with(&mut self, settings: &[(&str, &str)]) {
        self.launch(settings.iter().map(|(key, value)| format!("--set={key}={value}")).collect());
    }

    fn launch(&mut self, mut arguments: Vec<String>) {
        arguments.extend(["--owner".to_owned(), process::id().to_string(), "--discard".to_owned()]);
        let output = self.script("start", |command| command.arg("--dir").arg(&self.folder).args(arguments));
        self.facts = output
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
    }

    fn stop(&mut self, mode: Stop) {
        let mode = match mode {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
            Stop::Kill => "kill",
        };
        self.script("stop", |command| command.arg(&self.folder).args(["--mode", mode]));
    }

    /// Stops it where it is. One thread takes the signal and stops the others, which go on for a moment.
    fn freeze(&self) {
        self.signal(Signal::STOP);
        let threads = format!("/proc/{}/task", self.fact("pid"));
        let runs = |thread: io::Result<DirEntry>| {
            let status = thread.and_then(|thread| fs::read_to_string(thread.path().join("stat")));
            // A program's name, which may hold anything, stands in brackets before its state.
            status.is_ok_and(|status| status.rsplit(')').next().is_some_and(|rest| !rest.starts_with(" T")))
        };
        while fs::read_dir(&threads).expect("its threads").any(runs) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.fact("pid").parse().ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("signal {} {pid:?}: {error}", self.kind));
    }

    fn port(&self) -> u16 {
        self.fact("port").parse().expect("a port")
    }

    fn fact(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("dev/server told no {name} of {}", self.kind))
    }

    fn script(&self, action: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) -> String {
        let mut command = Command::new(repository().join("dev/server"));
        arguments(command.args([self.kind, action]));
        let output = command.output().unwrap_or_else(|error| panic!("dev/server: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "dev/server {} {action}: {errors}", self.kind);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.folder.exists() {
            return;
        }
        if thread::panicking() {
            eprintln!("{} log of the failed test: {}", self.kind, self.folder.join("log").display());
            // A second panic would abort the whole test process.
            let mut command = Command::new(repository().join("dev/server"));
            command.args([self.kind, "stop", "--mode=immediate"]).arg(&self.folder);
            drop(command.output());
        } else {
            self.stop(Stop::Immediate);
            fs::remove_dir_all(&self.folder)
                .unwrap_or_else(|error| panic!("remove {}: {error}", self.folder.display()));
        }
    }
}

/// Where this run's servers live: `make` names a folder of its own, to end what is in it.
fn run_folder() -> PathBuf {
    env::var_os("CDC_RUN").map_or_else(|| state_folder().join("run"), PathBuf::from)
}

/// What `dev/install` has installed.
fn state_folder() -> PathBuf {
    env::var_os("CDC_STATE").map_or_else(|| repository().join(".state"), PathBuf::from)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

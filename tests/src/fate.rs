//! A clock that jumps, and an end in the middle of things: what a test says happens to the program as it was built, by a
//! small library that is loaded into it.
//!
//! ```no_run
//! use end_to_end::connector::Connector;
//! use end_to_end::fate::{Call, Fate};
//!
//! let mut cdc = Connector::new("shop", "…");
//! let fate = Fate::of(&mut cdc);
//! fate.shift_clock(-3600);
//! fate.ends_at(Call::Remember, 7);
//! cdc.start();
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::connector::Connector;

/// What is to become of a program, also while it runs.
#[derive(Debug)]
pub struct Fate(File);

/// What a program may be in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Taking what a database or a receiver says.
    Receive,
    /// Writing down what a polling pipeline knows, or is to send.
    Remember,
    /// Making anything durable.
    Sync,
    /// Giving something to a database, a receiver or a file.
    Send,
}

/// In bytes, as the library has it: a number of 8 bytes each.
const CLOCK_AT: u64 = 0;
const ENDS_AT: u64 = 8;
const CALLS_AT: u64 = 40;
const LENGTH: u64 = 72;

impl Call {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Receive, Self::Remember, Self::Sync, Self::Send];
}

impl Fate {
    /// From its next start on.
    pub fn of(cdc: &mut Connector) -> Self {
        let path = cdc.folder().join("fate");
        let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
        file.set_len(LENGTH).expect("room in it");
        cdc.set_variable("FATE", &path);
        cdc.set_variable("LD_PRELOAD", library());
        Self(file)
    }

    /// The clock shows so many seconds more than the machine's.
    pub fn shift_clock(&self, seconds: i64) {
        self.put(CLOCK_AT, seconds);
    }

    /// It dies at the n-th such call after its start.
    pub fn ends_at(&self, call: Call, number: u64) {
        self.put(ENDS_AT + 8 * call as u64, number.cast_signed());
    }

    /// It does not die by itself.
    pub fn goes_on(&self) {
        Call::ALL.into_iter().for_each(|call| self.ends_at(call, 0));
    }

    /// How many of them there were since its start.
    pub fn calls(&self, call: Call) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, CALLS_AT + 8 * call as u64).expect("read what it did");
        u64::from_ne_bytes(bytes)
    }

    fn put(&self, at: u64, value: i64) {
        self.0.write_all_at(&value.to_ne_bytes(), at).expect("write down its fate");
    }
}

/// Built once a test process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("fate.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fate/fate.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&library)
            .arg(source);
        let output = compiler.output().expect("run cc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (folder, library)
    });
    library
}

//! The built program as a person or a service manager sees it: a configuration file, a process, its log lines and its
//! exit code.
//!
//! ```no_run
//! use end_to_end::connector::Connector;
//!
//! let mut cdc = Connector::new("shop", "[source.postgres]\nurl = \"postgres://…\"\n[sink.stdout]");
//! cdc.start();
//! cdc.wait_for_log("streaming");
//! cdc.kill(); // as the out-of-memory killer does
//! cdc.start();
//! assert_eq!(cdc.terminate(), Some(0));
//! ```

mod binary;
mod spawner;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use self::binary::binary;

/// A pipeline's configuration and state, and its process while there is one.
#[derive(Debug)]
pub struct Connector {
    name: String,
    folder: TempDir,
    state_dir: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
    process: Option<Child>,
    /// Ends when nobody holds the other end of its standard error.
    reader: Option<JoinHandle<()>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Connector {
    /// Far more than anything here takes, on a machine that is busy with other tests.
    pub const PATIENCE: Duration = Duration::from_secs(300);

    /// Writes `cdc.toml`: this text after a `[pipeline]` section with this name and a state folder of its own.
    pub fn new(name: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let state_dir = folder.path().join("state");
        Self::with_state_dir(name, config, folder, state_dir)
    }

    /// The same with a state folder elsewhere.
    pub fn with_state_dir(name: &str, config: &str, folder: TempDir, state_dir: PathBuf) -> Self {
        let connector = Self {
            name: name.to_owned(),
            folder,
            state_dir,
            variables: Vec::new(),
            process: None,
            reader: None,
            log: Arc::default(),
        };
        connector.configure(config);
        connector
    }

    /// Writes the configuration anew, for the next start.
    pub fn configure(&self, config: &str) {
        let state_dir = self.state_dir.display();
        let text = format!("[pipeline]\nname = \"{}\"\nstate_dir = \"{state_dir}\"\n\n{config}\n", self.name);
        fs::write(self.config_file(), text).expect("write cdc.toml");
    }

    /// Sets a variable of its environment, from its next start on.
    pub fn set_variable(&mut self, name: &'static str, value: &Path) {
        self.variables.push((name, value.to_owned()));
    }

    /// A folder for files of this test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the configuration is.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("cdc.toml")
    }

    /// The name of the pipeline's slot and publication.
    pub fn slot(&self) -> String {
        format!("cdc_{}", self.name.to_lowercase().replace('-', "_"))
    }

    /// Where the pipeline keeps its checkpoint.
    pub fn state_folder(&self) -> PathBuf {
        self.state_dir.join(&self.name)
    }

    /// Starts `cdc run`.
    pub fn start(&mut self) {
        self.start_command(&["run"]);
    }

    /// Starts another command that goes on for a while.
    pub fn start_command(&mut self, arguments: &[&str]) {
        assert!(self.process.is_none(), "it is running already");
        // Tests get killed, and what they started would go on for ever.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary());
        self.give(&mut command, arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = spawner::spawn(command);
        let stderr = process.stderr.take().expect("its standard error");
        let log = Arc::clone(&self.log);
        self.reader = Some(thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lock().expect("the log").push(line);
            }
        }));
        self.process = Some(process);
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        self.give(&mut command, arguments);
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cdc {arguments:?}: {error}"))
    }

    fn give(&self, command: &mut Command, arguments: &[&str]) {
        command.args(arguments).arg("--config").arg(self.config_file()).current_dir(self.folder.path());
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("a running process");
        process.kill().expect("kill");
        process.wait().expect("wait for its end");
        self.read_to_the_end();
        self.note("(killed)");
    }

    /// Asks it to end by SIGTERM, and waits until it has; its exit code, none if a signal ended it.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("send a signal");
    }

    /// Waits until it ends by itself; its exit code, none if a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("a running process");
        let deadline = Instant::now() + Self::PATIENCE;
        loop {
            if let Some(status) = process.try_wait().expect("look after the process") {
                self.read_to_the_end();
                self.note(&format!("(ended: {status})"));
                return status.code();
            }
            if Instant::now() > deadline {
                process.kill().expect("kill");
                panic!("it did not end within {:?}:\n{}", Self::PATIENCE, self.log_text());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn read_to_the_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("what it said last");
        }
    }

    /// Whether it is running still.
    pub fn is_running(&mut self) -> bool {
        let Some(process) = &mut self.process else { return false };
        process.try_wait().expect("look after the process").is_none()
    }

    /// Waits for a condition, and meanwhile for the process not to end.
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Self::PATIENCE;
        while !condition() {
            assert!(self.is_running(), "it ended while waiting until {what}:\n{}", self.log_text());
            assert!(Instant::now() < deadline, "waited in vain until {what}:\n{}", self.log_text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a line with this text was logged, since the first start.
    pub fn wait_for_log(&mut self, text: &str) {
        self.wait_for_log_after(0, text);
    }

    /// Waits until a line with this text was logged after so many others.
    pub fn wait_for_log_after(&mut self, lines: usize, text: &str) {
        self.wait_for_any_log_after(lines, &[text]);
    }

    /// The same for any of these texts.
    pub fn wait_for_any_log_after(&mut self, lines: usize, texts: &[&str]) {
        let log = Arc::clone(&self.log);
        self.wait_until(&format!("the log says one of {texts:?}"), || {
            let log = log.lock().expect("the log");
            log.iter().skip(lines).any(|line| texts.iter().any(|text| line.contains(text)))
        });
    }

    /// Every line on its standard error so far, over all starts.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("the log").clone()
    }

    /// The same as one text.
    pub fn log_text(&self) -> String {
        self.log().join("\n")
    }

    /// The most memory it ever had at once, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        self.peak_memory_bytes_while_alive().expect("VmHWM")
    }

    /// The same of a process that may be about to end; none once it has.
    pub fn peak_memory_bytes_while_alive(&self) -> Option<u64> {
        let mut status = String::new();
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut status)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        Some(kibibytes << 10)
    }

    /// What the system calls its process.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("a running process").id()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process_id() as i32).expect("a process id")
    }

    fn note(&self, what: &str) {
        self.log.lock().expect("the log").push(what.to_owned());
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            drop(process.kill());
            drop(process.wait());
        }
        if thread::panicking() {
            let lines = self.log();
            let last = lines.len().saturating_sub(40);
            eprintln!("the last lines of cdc {}:\n{}", self.name, lines[last..].join("\n"));
        }
    }
}

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::diagnostics::Problem;
use crate::exit::ExitStatus;

/// Writes lines to standard output on a thread of its own: one that waits for a terminal must not keep the process from
/// ending.
pub(super) struct Printer {
    lines: mpsc::Sender<String>,
    done: oneshot::Receiver<()>,
}

/// How long nobody may take a line, before the slot is let go of.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that may wait.
const WAITING: usize = 256;

impl Printer {
    pub(super) fn start() -> Result<Self, Problem> {
        let (lines, receiver) = mpsc::channel(WAITING);
        let (ended, done) = oneshot::channel();
        let thread = thread::Builder::new().name("printer".to_owned());
        let spawned = thread.spawn(move || {
            write_all(receiver);
            // Nobody may be waiting for it.
            _ = ended.send(());
        });
        spawned.map_err(|error| {
            let what = "can't start a thread".to_owned();
            Problem::new(ExitStatus::Failed, "CDC-CLI-002", what, "look at `ulimit -u`").caused_by(&error)
        })?;
        Ok(Self { lines, done })
    }

    /// Whether there is still somebody who reads.
    pub(super) async fn print(&mut self, line: String) -> Result<bool, Problem> {
        match timeout(PATIENCE, self.lines.send(line)).await {
            Ok(sent) => Ok(sent.is_ok()),
            Err(_) => Err(Problem::new(
                ExitStatus::Failed,
                "CDC-CLI-008",
                format!("nobody took a line for {} s", PATIENCE.as_secs()),
                "the server keeps its log for as long as this command waits, so it ended; start it again",
            )),
        }
    }

    /// Waits until all is written.
    pub(super) async fn finish(self) {
        drop(self.lines);
        _ = timeout(PATIENCE, self.done).await;
    }
}

/// Until there is no more, or nobody reads it.
fn write_all(mut lines: mpsc::Receiver<String>) {
    let mut output = std::io::stdout().lock();
    while let Some(line) = lines.blocking_recv() {
        if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

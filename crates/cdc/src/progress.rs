//! How far a load is, for whoever waits: a bar on a terminal, a log line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing_subscriber::fmt::MakeWriter;

use crate::status::{Report, State, Status};

/// Standard error, shared by log lines and progress bars so that neither tears the other.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    bars: MultiProgress,
    is_terminal: bool,
}

/// Shows the progress of one pipeline until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    showing: JoinHandle<()>,
    bars: MultiProgress,
}

const BAR: &str = "{prefix} {bar:20} {pos}/{len} tables, {msg} ({elapsed})";
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SAY_EVERY: Duration = Duration::from_secs(10);

impl Terminal {
    /// The process's standard error.
    pub(crate) fn of_stderr() -> Self {
        // The bars draw nothing where it is no terminal.
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Shows a pipeline's loads from now on.
    pub(crate) fn show(&self, status: Arc<Status>) -> Progress {
        let terminal = self.clone();
        let showing = tokio::spawn(async move { terminal.follow(&status).await });
        Progress { showing, bars: self.bars.clone() }
    }

    async fn follow(&self, status: &Status) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut bar: Option<ProgressBar> = None;
        let mut said = Instant::now();
        loop {
            looks.tick().await;
            let report = status.summary();
            let Some(progress) = Loading::of(&report) else {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
                continue;
            };
            if self.is_terminal {
                progress.draw(bar.get_or_insert_with(|| self.bar(&report.pipeline)));
            } else if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                progress.say(&report.pipeline);
            }
        }
    }

    fn bar(&self, pipeline: &str) -> ProgressBar {
        // A test holds the template to be one.
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bars.add(ProgressBar::new(0).with_style(style).with_prefix(format!("loading {pipeline}")))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.showing.abort();
        // A terminal that is gone needs no clearing.
        _ = self.bars.clear();
    }
}

impl<'w> MakeWriter<'w> for Terminal {
    type Writer = Beside<'w>;

    fn make_writer(&'w self) -> Beside<'w> {
        Beside(&self.bars)
    }
}

/// Standard error, with the bars out of the way.
#[derive(Debug)]
pub(crate) struct Beside<'w>(&'w MultiProgress);

impl Write for Beside<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What there is to show of a load.
#[derive(Debug, PartialEq, Eq)]
struct Loading<'r> {
    table: Option<&'r str>,
    tables_done: u64,
    tables: u64,
    rows: u64,
}

impl<'r> Loading<'r> {
    /// Nothing, while nothing is loaded.
    fn of(report: &'r Report) -> Option<Self> {
        let State::Loading { table, done, total } = &report.state else { return None };
        let rows = report.load.map_or(0, |load| load.rows);
        Some(Self { table: table.as_deref(), tables_done: *done, tables: *total, rows })
    }

    fn draw(&self, bar: &ProgressBar) {
        bar.set_length(self.tables);
        bar.set_position(self.tables_done);
        bar.set_message(format!("{} rows, {}", self.rows, self.table.unwrap_or("waiting for the sink")));
    }

    fn say(&self, pipeline: &str) {
        let Self { table, tables_done, tables, rows } = self;
        tracing::info!(pipeline, table = table.unwrap_or_default(), tables_done, tables, rows, "loading");
    }
}

#[cfg(test)]
mod tests {
    use event::TableName;

    use super::*;

    #[tokio::test]
    async fn there_is_progress_while_tables_are_loaded_and_not_beside_the_stream() {
        let status = Status::new(&"shop".to_owned().try_into().unwrap());
        assert_eq!(Loading::of(&status.report()), None);
        status.load_due([(&TableName::new("public", "orders"), false)]);
        let report = status.report();
        let loading = Loading { table: Some("public.orders"), tables_done: 0, tables: 1, rows: 0 };
        assert_eq!(Loading::of(&report), Some(loading));
        status.streaming();
        assert_eq!(Loading::of(&status.report()), None);
    }

    #[test]
    fn the_bar_s_template_is_one() {
        let bar = Terminal::of_stderr().bar("shop");
        Loading { table: None, tables_done: 1, tables: 2, rows: 3 }.draw(&bar);
        assert_eq!((bar.position(), bar.length()), (1, Some(2)));
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}

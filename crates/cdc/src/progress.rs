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
        let mut pace: Option<Pace> = None;
        loop {
            looks.tick().await;
            let report = status.summary();
            let Some(progress) = Loading::of(&report, pace.as_ref()) else {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
                pace = None;
                continue;
            };
            pace.get_or_insert_with(|| Pace { since: Instant::now(), rows: progress.rows });
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

/// Since when rows are counted, and how many there were then.
#[derive(Clone, Copy, Debug)]
struct Pace {
    since: Instant,
    rows: u64,
}

/// What there is to show of a load.
#[derive(Debug, PartialEq)]
struct Loading<'r> {
    table: Option<&'r str>,
    tables_done: u64,
    tables: u64,
    rows: u64,
    /// Since this load began.
    rows_per_second: u64,
    /// As far as the planner's guess goes; none where it does not.
    left: Option<Duration>,
}

impl<'r> Loading<'r> {
    /// Nothing, while nothing is loaded.
    fn of(report: &'r Report, pace: Option<&Pace>) -> Option<Self> {
        let State::Loading { table, done, total } = &report.state else { return None };
        let load = report.load.unwrap_or_default();
        let per_second = pace.map_or(0.0, |pace| {
            load.rows.saturating_sub(pace.rows) as f64 / pace.since.elapsed().as_secs_f64().max(0.001)
        });
        let left = load
            .rows_expected
            .filter(|_| per_second >= 1.0)
            .map(|expected| Duration::from_secs_f64(expected.saturating_sub(load.rows) as f64 / per_second));
        Some(Self {
            table: table.as_deref(),
            tables_done: *done,
            tables: *total,
            rows: load.rows,
            rows_per_second: per_second as u64,
            left,
        })
    }

    fn draw(&self, bar: &ProgressBar) {
        bar.set_length(self.tables);
        bar.set_position(self.tables_done);
        let left = self.left.map(|left| format!(", {} left", time_left(left))).unwrap_or_default();
        bar.set_message(format!(
            "{} rows, {} rows/s{left}, {}",
            self.rows,
            self.rows_per_second,
            self.table.unwrap_or("waiting for the sink")
        ));
    }

    fn say(&self, pipeline: &str) {
        let Self { table, tables_done, tables, rows, rows_per_second, left } = self;
        let (table, left) = (table.unwrap_or_default(), left.map(time_left));
        tracing::info!(pipeline, table, tables_done, tables, rows, rows_per_second, left, "loading");
    }
}

/// A time for people, as exact as a guess deserves.
pub(crate) fn time_left(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use event::TableName;

    use super::*;

    #[tokio::test]
    async fn there_is_progress_while_tables_are_loaded_and_not_beside_the_stream() {
        let status = Status::new(&"shop".to_owned().try_into().unwrap());
        assert_eq!(Loading::of(&status.report(), None), None);
        status.load_due([(&TableName::new("public", "orders"), false)]);
        let report = status.report();
        let loading = Loading {
            table: Some("public.orders"),
            tables_done: 0,
            tables: 1,
            rows: 0,
            rows_per_second: 0,
            left: None,
        };
        assert_eq!(Loading::of(&report, None), Some(loading));
        status.streaming();
        assert_eq!(Loading::of(&status.report(), None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_follows_from_the_pace() {
        let status = Status::new(&"shop".to_owned().try_into().unwrap());
        let orders = TableName::new("public", "orders");
        status.load_due([(&orders, false)]);
        status.rows_expected(&[(orders, 1000)]);
        let mut report = status.report();
        let pace = Pace { since: Instant::now(), rows: 100 };
        tokio::time::advance(Duration::from_secs(10)).await;
        report.load.as_mut().unwrap().rows = 600;
        let loading = Loading::of(&report, Some(&pace)).unwrap();
        assert_eq!((loading.rows_per_second, loading.left), (50, Some(Duration::from_secs(8))));
    }

    #[test]
    fn times_are_as_exact_as_a_guess() {
        let said = [0.2, 61.0, 3_599.0, 7_300.0].map(|seconds| time_left(Duration::from_secs_f64(seconds)));
        assert_eq!(said, ["1 s", "1 min 1 s", "59 min 59 s", "2 h 1 min"]);
    }

    #[test]
    fn the_bar_s_template_is_one() {
        let bar = Terminal::of_stderr().bar("shop");
        let left = Some(Duration::from_secs(5));
        Loading { table: None, tables_done: 1, tables: 2, rows: 3, rows_per_second: 1, left }.draw(&bar);
        assert_eq!((bar.position(), bar.length()), (1, Some(2)));
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}

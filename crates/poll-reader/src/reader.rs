use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use event::TableName;
use jiff::Zoned;
use tokio::sync::mpsc;

use crate::control::Control;
use crate::error::Error;
use crate::fetch::Widths;
use crate::options::{Options, Resource};
use crate::scan::{Scanned, Surroundings, scan};
use crate::schedule::Beat;
use crate::session::Session;
use crate::state::State;

/// Reads resources when they are due, one at a time, on a thread of its own: ODBC waits.
pub struct Reader {
    news: mpsc::Receiver<News>,
    stop: Arc<AtomicBool>,
}

/// What a reader says.
#[derive(Debug)]
pub enum News {
    /// There is something new in the outbox.
    Written,
    /// A scan began.
    Begun {
        /// Of which resource.
        resource: TableName,
    },
    /// A scan is so far.
    Read {
        /// Of which resource.
        resource: TableName,
        /// How many rows.
        rows: u64,
    },
    /// A scan is over, and all it found is in the outbox.
    Scanned(Scanned),
    /// All that was asked for was read once.
    Done,
    /// It ended.
    Failed(Error),
}

/// So many pieces of news may wait. Each stands for at most 5,000 changes or 8 MB in the outbox, more or less: that bounds it.
const NEWS_WAITING: usize = 16;
/// How long it sleeps at most before it looks at the clock again, which may have been set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Reader {
    /// Starts the thread, which takes over the state from any other.
    pub fn start(options: Options) -> Self {
        let (sender, news) = mpsc::channel(NEWS_WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let control = Control { news: sender, stop: Arc::clone(&stop) };
        thread::spawn(move || {
            let last = match read(&options, &control) {
                Ok(()) => News::Done,
                Err(error) => News::Failed(error),
            };
            control.say(last);
        });
        Self { news, stop }
    }

    /// Waits for the next piece of news; none once it has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may be waiting for the database: what it still finds, it may not write any more once another has started.
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn read(options: &Options, control: &Control) -> Result<(), Error> {
    let mut state = State::open(&options.folder)?;
    let reader = state.take_over()?;
    let mut due: Vec<Due<'_>> = Vec::new();
    for resource in &options.resources {
        due.push(Due::first(resource, &state, options.once)?);
    }
    let mut question = None;
    loop {
        control.check()?;
        let Some(next) = next(&mut due, options.once) else {
            if due.is_empty() {
                return question.map_or(Ok(()), Err);
            }
            // Quiet hours.
            control.sleep_until(Instant::now() + LOOK_EVERY)?;
            continue;
        };
        let wait = next.at.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            control.sleep_until(Instant::now() + wait.min(LOOK_EVERY))?;
            for due in &mut due {
                due.look_again(&state)?;
            }
            continue;
        }
        next.again();
        let resource = next.resource;
        control.say(News::Begun { resource: resource.name.clone() });
        let session = Session::open(&options.connection_string, options.dialect, resource.statement_timeout)?;
        let mut around =
            Surroundings { session: &session, state: &mut state, reader, control, widths: &mut next.widths };
        let scanned = scan(&mut around, resource)?;
        next.is_held = scanned.held.is_some();
        if options.once {
            // The others are read nevertheless.
            question = question.or_else(|| scanned.question());
            let name = resource.name.clone();
            due.retain(|due| due.resource.name != name);
        }
        control.say(News::Scanned(scanned));
    }
}

/// The one to be read next, of those that may be now: another's quiet hours are no reason to wait.
fn next<'d, 'r>(due: &'d mut [Due<'r>], once: bool) -> Option<&'d mut Due<'r>> {
    let now = Zoned::now().time();
    due.iter_mut().filter(|due| once || !due.resource.schedule.is_quiet(now)).min_by_key(|due| due.at)
}

/// When a resource is to be read.
struct Due<'r> {
    resource: &'r Resource,
    at: Instant,
    /// For those that go by the clock, which may be set meanwhile.
    by_clock: Option<Zoned>,
    /// Its deletes wait for somebody's word.
    is_held: bool,
    widths: Vec<Widths>,
}

impl<'r> Due<'r> {
    /// The first time at once, but by the clock where it was read before.
    fn first(resource: &'r Resource, state: &State, once: bool) -> Result<Self, Error> {
        let mut due =
            Self { resource, at: Instant::now(), by_clock: None, is_held: false, widths: Vec::new() };
        let waits = matches!(resource.schedule.beat, Beat::Cron(_)) && state.was_read(&resource.name)?;
        if waits && !once {
            due.again();
        }
        Ok(due)
    }

    fn again(&mut self) {
        let now = Zoned::now();
        let pause = self.resource.schedule.pause(&now);
        self.at = Instant::now() + pause;
        if let Beat::Cron(_) = self.resource.schedule.beat {
            self.by_clock = now.checked_add(pause).ok();
        }
    }

    /// The clock may have been set, and somebody may have answered.
    fn look_again(&mut self, state: &State) -> Result<(), Error> {
        if let Some(then) = &self.by_clock {
            let now = Zoned::now();
            let left = Duration::try_from(now.duration_until(then)).unwrap_or(Duration::ZERO);
            // Further away than it ever is: the clock was set back.
            match left > self.resource.schedule.longest_pause(&now) {
                true => self.again(),
                false => self.at = Instant::now() + left,
            }
        }
        if self.is_held && state.deletes_are_confirmed(&self.resource.name)? {
            self.at = Instant::now();
        }
        Ok(())
    }
}

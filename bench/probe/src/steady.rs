use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rdkafka::Message;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::broker::Broker;
use crate::marks::{mark, row_of};
use crate::quantiles::quantiles;
use crate::{PATIENCE, Pace};

/// When a row was sent by whoever wrote it, and when that was confirmed to it.
struct Sent {
    first_row: u64,
    before: Instant,
    after: Instant,
}

/// When a row reached the consumer.
struct Arrived {
    row: u64,
    at: Instant,
}

type Failure = Box<dyn Error + Send + Sync>;

/// From COMMIT to a consumer, by one clock: writers and consumer are threads of this process.
///
/// `from_commit` counts from when the writer had COMMIT's answer, `from_send` from before it sent the statement, so
/// with the server's own work in it. The writers keep to a timetable; one that is late does not shift the next.
pub(crate) fn of_rows(
    runtime: &Runtime,
    broker: Broker,
    postgres: &str,
    pace: &Pace,
) -> Result<Value, Box<dyn Error>> {
    let clock = Timetable::new(pace);
    let writers = (0..WRITERS)
        .map(|number| {
            let (clock, postgres, rows) = (Arc::clone(&clock), postgres.to_owned(), u64::from(pace.rows));
            thread::spawn(move || write(&clock, number, &postgres, rows))
        })
        .collect();
    measure(runtime, broker, pace, &clock, writers)
}

/// From a producer's `send` to a consumer: what no program between a database and this broker can be faster than.
pub(crate) fn of_the_broker(runtime: &Runtime, broker: Broker, pace: &Pace) -> Result<Value, Box<dyn Error>> {
    let clock = Timetable::new(pace);
    let rows = u64::from(pace.rows);
    let sender: JoinHandle<Result<Vec<Sent>, Failure>> = match &broker {
        Broker::Kafka(kafka) => {
            let send = kafka.sender()?;
            let clock = Arc::clone(&clock);
            thread::spawn(move || {
                clock.keep(0, 1, |first_row| {
                    for row in first_row..first_row + rows {
                        send(&mark(row)).map_err(|error| error.to_string())?;
                    }
                    Ok(())
                })
            })
        }
        Broker::Nats(nats) => {
            let (context, subject) = runtime.block_on(nats.round_trip())?;
            let (clock, handle) = (Arc::clone(&clock), runtime.handle().clone());
            thread::spawn(move || {
                clock.keep(0, 1, |first_row| {
                    for row in first_row..first_row + rows {
                        // The acknowledgement is dropped, not waited for.
                        handle.block_on(context.publish(subject.clone(), mark(row).into()))?;
                    }
                    Ok(())
                })
            })
        }
    };
    measure(runtime, broker, pace, &clock, vec![sender])
}

const WRITERS: u64 = 2;

/// When which transaction is due.
struct Timetable {
    start: Instant,
    every: Duration,
    rows: u64,
    is_over: AtomicBool,
}

impl Timetable {
    fn new(pace: &Pace) -> Arc<Self> {
        let every = Duration::from_secs(1) / pace.commits;
        Arc::new(Self {
            start: Instant::now(),
            every,
            rows: u64::from(pace.rows),
            is_over: AtomicBool::new(false),
        })
    }

    /// Every `writers`th transaction from the `number`th on, until it is over.
    fn keep(
        &self,
        number: u64,
        writers: u64,
        mut send: impl FnMut(u64) -> Result<(), Failure>,
    ) -> Result<Vec<Sent>, Failure> {
        let mut sent = Vec::new();
        let mut turn = number;
        while !self.is_over.load(Ordering::Relaxed) {
            let due = self.start + self.every * u32::try_from(turn)?;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let first_row = turn * self.rows + 1;
            let before = Instant::now();
            send(first_row)?;
            sent.push(Sent { first_row, before, after: Instant::now() });
            turn += writers;
        }
        Ok(sent)
    }
}

fn write(clock: &Timetable, number: u64, postgres: &str, rows: u64) -> Result<Vec<Sent>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (client, connection) = runtime.block_on(tokio_postgres::connect(postgres, tokio_postgres::NoTls))?;
    runtime.spawn(connection);
    let insert = runtime.block_on(client.prepare(
        "INSERT INTO bench SELECT g, g % 1000, g * 0.01, 'row-' || lpad(g::text, 10, '0'), now(), g % 2 = 0, \
         gen_random_uuid() FROM generate_series($1::bigint, $2::bigint) g",
    ))?;
    clock.keep(number, WRITERS, |first_row| {
        let last_row = first_row + rows - 1;
        runtime.block_on(client.execute(&insert, &[&(first_row as i64), &(last_row as i64)]))?;
        Ok(())
    })
}

fn measure(
    runtime: &Runtime,
    broker: Broker,
    pace: &Pace,
    clock: &Arc<Timetable>,
    writers: Vec<JoinHandle<Result<Vec<Sent>, Failure>>>,
) -> Result<Value, Box<dyn Error>> {
    let (arrivals, arrived) = mpsc::channel();
    let consumer = consume(runtime, broker, arrivals);
    let first = arrived.recv_timeout(PATIENCE);
    if first.is_err() {
        clock.is_over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| "a writer panicked")?.map_err(|error| error.to_string())?;
        }
        return Err(match consumer.is_finished() {
            true => format!(
                "the consumer gave up: {:?}",
                consumer.join().map(|ended| ended.err().map(|e| e.to_string()))
            ),
            false => "nothing has arrived".to_owned(),
        }
        .into());
    }
    thread::sleep(Duration::from_secs(pace.warm_up_s));
    let begin = Instant::now();
    thread::sleep(Duration::from_secs(pace.seconds));
    let end = Instant::now();
    clock.is_over.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    for writer in writers {
        sent.extend(writer.join().map_err(|_| "a writer panicked")?.map_err(|error| error.to_string())?);
    }
    let committed = sent.iter().filter(|sent| sent.after >= begin && sent.after < end).count();
    let all_rows =
        sent.iter().map(|sent| sent.first_row).max().unwrap_or_default() + u64::from(pace.rows) - 1;
    let at = collect(&arrived, usize::try_from(all_rows)?, first.into_iter());
    let (mut from_commit, mut from_send, mut missing) = (Vec::new(), Vec::new(), 0_u64);
    for sent in sent.iter().filter(|sent| sent.after >= begin && sent.after < end) {
        for row in sent.first_row..sent.first_row + u64::from(pace.rows) {
            match at.get(usize::try_from(row)?).copied().flatten() {
                Some(at) => {
                    from_commit.push(micros(sent.after, at));
                    from_send.push(micros(sent.before, at));
                }
                None => missing += 1,
            }
        }
    }
    let commit_micros = sent.iter().map(|sent| micros(sent.before, sent.after)).collect();
    Ok(json!({
        "rows": from_commit.len(), "missing": missing,
        "rows_per_second": committed as f64 * f64::from(pace.rows) / (end - begin).as_secs_f64(),
        "from_commit": quantiles(from_commit), "from_send": quantiles(from_send), "commit": quantiles(commit_micros),
    }))
}

/// The first arrival of each row, until all have come or nothing does any more.
fn collect(
    arrived: &mpsc::Receiver<Arrived>,
    rows: usize,
    first: impl Iterator<Item = Arrived>,
) -> Vec<Option<Instant>> {
    let mut at = vec![None; rows + 1];
    let mut left = rows;
    let rest = std::iter::from_fn(|| arrived.recv_timeout(Duration::from_secs(10)).ok());
    for Arrived { row, at: when } in first.chain(rest) {
        let Some(place) = usize::try_from(row).ok().and_then(|row| at.get_mut(row)) else { continue };
        if place.is_none() {
            *place = Some(when);
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    at
}

fn consume(
    runtime: &Runtime,
    broker: Broker,
    arrivals: mpsc::Sender<Arrived>,
) -> JoinHandle<Result<(), Failure>> {
    let handle = runtime.handle().clone();
    thread::spawn(move || {
        let tell = |payload: &[u8]| match row_of(payload) {
            Some(row) => arrivals.send(Arrived { row: row as u64, at: Instant::now() }).is_ok(),
            None => true,
        };
        match broker {
            Broker::Kafka(kafka) => {
                let consumer = kafka.tail().map_err(|error| error.to_string())?;
                loop {
                    if let Some(message) = consumer.poll(Duration::from_secs(1))
                        && !tell(message?.payload().unwrap_or_default())
                    {
                        return Ok(());
                    }
                }
            }
            Broker::Nats(nats) => handle.block_on(async {
                let mut messages = nats.tail().await.map_err(|error| error.to_string())?;
                while let Some(message) = messages.next().await {
                    if !tell(&message?.payload) {
                        break;
                    }
                }
                Ok(())
            }),
        }
    })
}

fn micros(from: Instant, to: Instant) -> i64 {
    match to.checked_duration_since(from) {
        Some(after) => after.as_micros() as i64,
        None => -(from.duration_since(to).as_micros() as i64),
    }
}

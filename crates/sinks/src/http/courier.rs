use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use super::body::{Body, Item};
use super::connection::{Connection, Trouble};
use super::dead_letters::DeadLetters;
use super::receiver::Receiver;
use crate::Error;
use crate::framing::table_of;
use crate::quiet::Quiet;

/// Takes events to the receiver, one request after the other, on a connection that is kept.
#[derive(Debug)]
pub(super) struct Courier {
    receiver: Arc<Receiver>,
    dead_letters: Option<DeadLetters>,
    connection: Option<Connection>,
    quiet: Quiet,
}

/// What the receiver thinks of events that it has seen.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Taken,
    Refused(StatusCode),
}

impl Courier {
    pub(super) fn new(receiver: Arc<Receiver>, dead_letters: Option<DeadLetters>) -> Self {
        Self { receiver, dead_letters, connection: None, quiet: Quiet::default() }
    }

    /// Whether the receiver is there and takes us: an empty batch. That it can't just now, or has something against
    /// empty ones, is for the events to find out.
    pub(super) async fn ask(&mut self) -> Result<(), Error> {
        match self.attempt(&Body::of(&[], self.receiver.framing)).await {
            Ok(Answer::Taken | Answer::Refused(_) | Answer::Later { .. }) => Ok(()),
            Ok(Answer::Unauthorized(status)) => Err(self.unauthorized(status)),
            Ok(Answer::Elsewhere { status, remedy }) => Err(self.elsewhere(status, remedy)),
            Err(Trouble::Lasting(error)) => Err(error),
            Err(Trouble::Passing(reason)) => {
                Err(Error::Unreachable { doing: "connecting", sink: self.receiver.to_string(), reason })
            }
        }
    }

    /// Returns when the receiver has all of them, or the dead-letter file what it refuses.
    pub(super) async fn deliver(&mut self, items: &[Item]) -> Result<(), Error> {
        // The first piece is the last one here.
        let mut pieces = vec![items];
        while let Some(piece) = pieces.pop() {
            let status = match self.insist(piece).await? {
                Verdict::Taken => continue,
                Verdict::Refused(status) => status,
            };
            if let [item] = piece {
                self.set_aside(item, status).await?;
                continue;
            }
            if status == StatusCode::PAYLOAD_TOO_LARGE
                && let Some(held_back) = self.quiet.pass()
            {
                let bytes = piece.iter().map(Item::len_bytes).sum::<usize>();
                tracing::warn!(
                    events = piece.len(),
                    bytes,
                    held_back,
                    "too much at once for the receiver, which gets it in halves: lower sink.http.batch_bytes"
                );
            }
            let (first, second) = piece.split_at(piece.len() / 2);
            pieces.extend([second, first]);
        }
        Ok(())
    }

    /// Sends a request over and over, until the receiver has seen it.
    async fn insist(&mut self, items: &[Item]) -> Result<Verdict, Error> {
        let body = Body::of(items, self.receiver.framing);
        let mut pauses = Pauses::default();
        loop {
            let (why, pause) = match self.attempt(&body).await {
                Ok(Answer::Taken) => {
                    pauses.over(&self.receiver);
                    return Ok(Verdict::Taken);
                }
                Ok(Answer::Refused(status)) => return Ok(Verdict::Refused(status)),
                Ok(Answer::Later { why, pause }) => (why, pause),
                Ok(Answer::Unauthorized(status)) => return Err(self.unauthorized(status)),
                Ok(Answer::Elsewhere { status, remedy }) => return Err(self.elsewhere(status, remedy)),
                Err(Trouble::Passing(why)) => (why, None),
                Err(Trouble::Lasting(error)) => return Err(error),
            };
            let pause = pauses.next(pause);
            if let Some(held_back) = self.quiet.pass() {
                tracing::warn!(
                    why,
                    pause_ms = pause.as_millis() as u64,
                    held_back,
                    "{} does not take events; deliveries wait",
                    self.receiver
                );
            }
            sleep(pause).await;
        }
    }

    /// Sends it once, or twice if the connection had been waiting for it: its other end may have closed it meanwhile.
    async fn attempt(&mut self, body: &Body) -> Result<Answer, Trouble> {
        let patience = Duration::from_millis(self.receiver.options.timeout_ms);
        let was_open = self.connection.is_some();
        let exchanged = match timeout(patience, self.exchange(body)).await {
            Err(_) => {
                self.connection = None;
                return Err(Trouble::Passing(format!("no answer within {} ms", patience.as_millis())));
            }
            Ok(Err(Trouble::Passing(_))) if was_open => match timeout(patience, self.exchange(body)).await {
                Ok(exchanged) => exchanged,
                Err(_) => Err(Trouble::Passing(format!("no answer within {} ms", patience.as_millis()))),
            },
            Ok(exchanged) => exchanged,
        };
        if exchanged.is_err() {
            self.connection = None;
        }
        exchanged
    }

    async fn exchange(&mut self, body: &Body) -> Result<Answer, Trouble> {
        // Taken out, so that one that failed, or was given up, is not used again.
        let mut connection = match self.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::open(&self.receiver).await?,
        };
        let request = self.receiver.request(body, SystemTime::now()).map_err(Trouble::Lasting)?;
        let response = connection.send(request, &self.receiver).await?;
        self.connection = Some(connection);
        Ok(Answer::of(&response, SystemTime::now()))
    }

    async fn set_aside(&self, item: &Item, status: StatusCode) -> Result<(), Error> {
        let Some(message) = item.message() else { return Ok(()) };
        let Some(dead_letters) = &self.dead_letters else {
            let table = table_of(&message);
            let reason = format!(
                "it answered {status} to this event alone. Mend the receiver or the row; or set sink.http.dead_letter to \
                 a file that takes such events, and the pipeline goes on without them"
            );
            return Err(Error::Refused { table, destination: self.receiver.to_string(), reason });
        };
        dead_letters.put(&message, status).await?;
        tracing::warn!(table = table_of(&message), %status, "the receiver refused an event for good; it is in the dead-letter file");
        Ok(())
    }

    fn unauthorized(&self, status: StatusCode) -> Error {
        Error::Unauthorized {
            sink: self.receiver.to_string(),
            login: self.receiver.login(),
            reason: status.to_string(),
        }
    }

    fn elsewhere(&self, status: StatusCode, remedy: &'static str) -> Error {
        Error::NoReceiver { receiver: self.receiver.to_string(), status: status.to_string(), remedy }
    }
}

/// How long to wait before the next attempt: twice as long each time, and not all at the same moment.
#[derive(Debug, Default)]
struct Pauses {
    attempts: u32,
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Pauses {
    fn next(&mut self, wanted: Option<Duration>) -> Duration {
        let pause = (FIRST_PAUSE * 2_u32.pow(self.attempts.min(10))).min(LONGEST_PAUSE);
        self.attempts += 1;
        // Between half of it and all of it: receivers that come back are not met by everybody at once.
        pause.mul_f64(0.5 + 0.5 * fastrand::f64()).max(wanted.unwrap_or_default())
    }

    /// Long ones were spoken of.
    fn over(&self, receiver: &Receiver) {
        if self.attempts > 5 {
            tracing::info!(attempts = self.attempts, "{receiver} takes events again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_a_spread_and_the_receiver_s_own_counts_more() {
        let mut pauses = Pauses::default();
        for most in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let pause = pauses.next(None).as_millis();
            assert!((most / 2..=most).contains(&pause), "{pause} of {most}");
        }
        assert_eq!(Pauses::default().next(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert!(Pauses::default().next(Some(Duration::ZERO)) >= FIRST_PAUSE / 2);
    }
}

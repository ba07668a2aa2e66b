use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use event::{Batch, Message};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

use super::body::Item;
use super::courier::Courier;
use crate::Error;
use crate::acks::Acks;
use crate::framing::event_of;
use crate::progress::Reporter;

/// The task that gives each message to its key's lane, and counts what has arrived. Each lane has one request under way;
/// what comes meanwhile makes up the next.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    batches: mpsc::Receiver<Batch>,
    /// The batch that is being distributed, and how far that is.
    current: Option<(Arc<Batch>, usize)>,
    /// Of the next message.
    number: u64,
    /// Whether what is in the lanes concerns all rows of a table: other messages wait for it, as it did for them.
    is_common: bool,
    requests: FuturesUnordered<BoxFuture<'static, Done>>,
    batch_events: usize,
    batch_bytes: usize,
    acks: Acks,
    reporter: Reporter,
}

struct Lane {
    waiting: VecDeque<Item>,
    /// Away with a request otherwise.
    courier: Option<Courier>,
}

/// What comes of a request.
struct Done {
    lane: usize,
    courier: Courier,
    items: Vec<Item>,
    result: Result<(), Error>,
}

impl Lanes {
    /// One lane for each courier.
    pub(super) fn new(
        couriers: Vec<Courier>,
        batches: mpsc::Receiver<Batch>,
        batch_events: usize,
        batch_bytes: usize,
        reporter: Reporter,
    ) -> Self {
        let lane = |courier| Lane { waiting: VecDeque::new(), courier: Some(courier) };
        Self {
            lanes: couriers.into_iter().map(lane).collect(),
            batches,
            current: None,
            number: 0,
            is_common: false,
            requests: FuturesUnordered::new(),
            batch_events,
            batch_bytes,
            acks: Acks::default(),
            reporter,
        }
    }

    pub(super) async fn run(mut self) {
        if let Err(error) = self.deliver_all().await {
            self.reporter.fail(error);
        }
    }

    async fn deliver_all(&mut self) -> Result<(), Error> {
        loop {
            self.distribute();
            self.dispatch();
            tokio::select! {
                Some(done) = self.requests.next() => self.arrived(done)?,
                batch = self.batches.recv(), if self.current.is_none() => match batch {
                    Some(batch) => self.current = Some((Arc::new(batch), 0)),
                    None => return Ok(()),
                }
            }
        }
    }

    /// Puts messages into their lanes, up to one that has to wait until those are empty.
    fn distribute(&mut self) {
        let Some((batch, next)) = self.current.take() else { return };
        for index in next..batch.len() {
            let Some(message) = batch.message(index) else { break };
            if event_of(&message).is_none() {
                self.skip();
                continue;
            }
            let is_common = self.lanes.len() > 1 && message.concerns_all_partitions();
            if is_common != self.is_common && !self.is_idle() {
                self.current = Some((Arc::clone(&batch), index));
                return;
            }
            self.is_common = is_common;
            let place = if is_common { 0 } else { place(&message, self.lanes.len()) };
            let item = Item { batch: Arc::clone(&batch), index, number: self.number };
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.waiting.push_back(item);
            }
            self.number += 1;
        }
        let durable = self.acks.end_batch(self.number);
        self.report(durable);
    }

    /// A message that is not for receivers counts as taken.
    fn skip(&mut self) {
        let durable = self.acks.acknowledge(self.number);
        self.number += 1;
        self.report(durable);
    }

    fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.lanes.iter().all(|lane| lane.waiting.is_empty())
    }

    /// Sends couriers off with what waits for them.
    fn dispatch(&mut self) {
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if lane.waiting.is_empty() {
                continue;
            }
            let Some(mut courier) = lane.courier.take() else { continue };
            let items = lane.take(self.batch_events, self.batch_bytes);
            self.requests.push(Box::pin(async move {
                let result = courier.deliver(&items).await;
                Done { lane: number, courier, items, result }
            }));
        }
    }

    fn arrived(&mut self, done: Done) -> Result<(), Error> {
        done.result?;
        let mut durable = None;
        for item in &done.items {
            durable = self.acks.acknowledge(item.number).or(durable);
        }
        self.report(durable);
        if let Some(lane) = self.lanes.get_mut(done.lane) {
            lane.courier = Some(done.courier);
        }
        Ok(())
    }

    fn report(&self, durable: Option<u64>) {
        if let Some(batches) = durable {
            self.reporter.durable(batches);
        }
    }
}

impl Lane {
    /// What the next request holds: one message at least.
    fn take(&mut self, most_events: usize, most_bytes: usize) -> Vec<Item> {
        let (mut count, mut bytes) = (0, 0);
        for item in self.waiting.iter().take(most_events) {
            bytes += item.len_bytes();
            if count > 0 && bytes > most_bytes {
                break;
            }
            count += 1;
        }
        self.waiting.drain(..count).collect()
    }
}

/// A key's lane; without a key, its table's.
fn place(message: &Message<'_>, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    message.route.hash(&mut hasher);
    message.key.hash(&mut hasher);
    (hasher.finish() % lanes as u64) as usize
}

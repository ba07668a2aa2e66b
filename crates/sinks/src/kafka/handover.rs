use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use event::{Batch, Message};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::deliveries::Deliveries;
use super::murmur2::partition_of;
use super::topics::Destination;
use crate::Error;

/// A batch and where its routes lead.
pub(super) struct Handover {
    pub(super) batch: Batch,
    pub(super) destinations: Vec<Arc<Destination>>,
}

/// Hands messages over to librdkafka, which copies them, on a thread of its own.
pub(super) struct Producing {
    pub(super) producer: ThreadedProducer<Deliveries>,
    pub(super) deliveries: Deliveries,
    pub(super) batches: mpsc::Receiver<Handover>,
    pub(super) budget_bytes: usize,
    /// How many messages were handed over.
    pub(super) sent: usize,
}

/// The sink is closed or has failed.
struct Over;

/// How far hand-overs are apart at least. librdkafka sends at once what it gets (`linger.ms` is 0), so this is what
/// bounds the requests a second: an event that comes alone does not wait, and under backlog handing over takes longer.
/// docs/decisions/2026-11-22-low-latency-to-kafka.md
const PACE: Duration = Duration::from_millis(2);

impl Producing {
    pub(super) fn run(mut self, runtime: &Handle) {
        while let Some(handover) = self.next(runtime) {
            let begin = Instant::now();
            if self.send_all(handover).is_err() {
                break;
            }
            thread::sleep(PACE.saturating_sub(begin.elapsed()));
        }
        self.settle();
        if self.deliveries.has_failed() {
            self.deliveries.report_failure();
        }
    }

    fn next(&mut self, runtime: &Handle) -> Option<Handover> {
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.deliveries.failed() => None,
                handover = self.batches.recv() => handover,
            }
        })
    }

    /// Sends a batch, and those that wait behind it.
    fn send_all(&mut self, first: Handover) -> Result<(), Over> {
        self.send_batch(&first)?;
        drop(first);
        while let Ok(next) = self.batches.try_recv() {
            self.send_batch(&next)?;
        }
        Ok(())
    }

    fn send_batch(&mut self, handover: &Handover) -> Result<(), Over> {
        for message in handover.batch.messages() {
            let Some(destination) = handover.destinations.get(message.route_number) else {
                self.deliveries.fail(Error::Stopped);
                return Err(Over);
            };
            if message.concerns_all_partitions() {
                for partition in 0..destination.partitions {
                    self.send(&message, destination, partition)?;
                }
            } else {
                self.send(&message, destination, partition_of(message.key, destination.partitions))?;
            }
        }
        self.deliveries.end_batch(self.sent);
        Ok(())
    }

    fn send(&mut self, message: &Message<'_>, destination: &Destination, partition: i32) -> Result<(), Over> {
        self.wait_while(|this| this.deliveries.must_wait(message.key, message.payload, this.budget_bytes))?;
        let id = Header { key: "cdc-id", value: Some(message.id) };
        let mut record = BaseRecord::with_opaque_to(&destination.topic, self.sent)
            .partition(partition)
            .headers(OwnedHeaders::new_with_capacity(1).insert(id));
        record.key = message.key;
        record.payload = message.payload;
        self.deliveries.sending(message.key, message.payload);
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.sent += 1;
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.wait_once(Duration::from_millis(1))?;
                }
                Err((error, _)) => {
                    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                    let size = message.key.map_or(0, <[u8]>::len) + message.payload.map_or(0, <[u8]>::len);
                    self.deliveries.fail(self.deliveries.refusal(&destination.topic, code, size));
                    return Err(Over);
                }
            }
        }
    }

    fn wait_while(&self, condition: impl Fn(&Self) -> bool) -> Result<(), Over> {
        let mut pause = Duration::from_millis(1);
        while condition(self) {
            self.wait_once(pause)?;
            // Quick while deliveries go on, and not busy while the brokers are away.
            pause = (pause * 2).min(Duration::from_millis(32));
        }
        if self.deliveries.has_failed() { Err(Over) } else { Ok(()) }
    }

    fn wait_once(&self, pause: Duration) -> Result<(), Over> {
        thread::sleep(pause);
        if self.batches.is_closed() || self.deliveries.has_failed() { Err(Over) } else { Ok(()) }
    }

    /// Sees to it that nothing of this producer can still arrive, since a successor would be sending the same again:
    /// what librdkafka has not sent yet is dropped, and what is under way is waited for. After the deadline the
    /// broker is as good as gone; should it store something late, consumers see a repetition of an older event.
    fn settle(&self) {
        const DEADLINE: Duration = Duration::from_secs(10);
        let start = Instant::now();
        self.producer.purge(PurgeConfig::default().queue());
        while self.producer.in_flight_count() > 0 && start.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(2));
        }
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}

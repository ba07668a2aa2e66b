use std::error::Error;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::PATIENCE;
use crate::kafka::Kafka;
use crate::nats::Nats;

/// Where messages are kept.
pub(crate) enum Broker {
    Kafka(Kafka),
    Nats(Nats),
}

/// Seldom enough to cost the measured nothing, often enough to be exact to a percent of what takes seconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Broker {
    /// Until so many messages are stored.
    pub(crate) fn wait_for(&self, runtime: &Runtime, messages: u64) -> Result<Value, Box<dyn Error>> {
        let mut is_first = true;
        let mut last_answer = Instant::now();
        loop {
            let stored = match self {
                Self::Kafka(kafka) => kafka.stored(),
                Self::Nats(nats) => runtime.block_on(nats.stored()),
            };
            let stored = match stored {
                Ok(stored) => stored,
                Err(error) if last_answer.elapsed() > PATIENCE => return Err(error),
                // A topic that is just being made has no leader yet.
                Err(_) => {
                    thread::sleep(LOOK_EVERY);
                    continue;
                }
            };
            last_answer = Instant::now();
            if stored > 0 && is_first {
                println!("first");
                std::io::stdout().flush()?;
                is_first = false;
            }
            if stored >= messages {
                return Ok(json!({ "messages": stored }));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Every payload that is stored by now.
    pub(crate) fn read_all(
        &self,
        runtime: &Runtime,
        seen: impl FnMut(&[u8]) + Send,
    ) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Kafka(kafka) => kafka.read_all(seen),
            Self::Nats(nats) => runtime.block_on(nats.read_all(seen)),
        }
    }
}

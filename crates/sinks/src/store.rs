use crate::{Error, KafkaOptions, NatsOptions, kafka, nats};

/// A pipeline's checkpoint beside its events, for places where no disk survives a restart.
///
/// One process at a time: whoever loads it and saves first has it, and a former holder's next save fails with
/// [`Error::Superseded`].
#[derive(Debug)]
pub struct Store(Broker);

#[derive(Debug)]
enum Broker {
    Kafka(Box<kafka::Store>),
    Nats(Box<nats::Store>),
}

impl Store {
    /// In a topic of its own. Asks no broker yet.
    ///
    /// # Errors
    /// When the options don't go together.
    pub fn in_kafka(options: &KafkaOptions, source: &str) -> Result<Self, Error> {
        Ok(Self(Broker::Kafka(Box::new(kafka::Store::new(options, source)?))))
    }

    /// In a bucket of its own. Asks no server yet.
    pub fn in_nats(options: &NatsOptions, source: &str) -> Self {
        Self(Broker::Nats(Box::new(nats::Store::new(options, source))))
    }

    /// Where it is, for messages.
    pub fn place(&self) -> String {
        match &self.0 {
            Broker::Kafka(store) => store.place(),
            Broker::Nats(store) => store.place(),
        }
    }

    /// What was saved last, leaving everything as it is: to show it beside a running pipeline.
    ///
    /// # Errors
    /// When the broker can't be asked.
    pub async fn peek(&self) -> Result<Option<Vec<u8>>, Error> {
        match &self.0 {
            Broker::Kafka(store) => store.peek().await,
            Broker::Nats(store) => store.peek().await,
        }
    }

    /// What was saved last, to go on from there. Comes before the first save, and after each that failed.
    ///
    /// # Errors
    /// When the broker can't be asked, or does not let us.
    pub async fn load(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match &mut self.0 {
            Broker::Kafka(store) => store.load().await,
            Broker::Nats(store) => store.load().await,
        }
    }

    /// Replaces what is saved.
    ///
    /// # Errors
    /// When the broker does not take it, or another process has taken over.
    pub async fn save(&mut self, content: &[u8]) -> Result<(), Error> {
        match &mut self.0 {
            Broker::Kafka(store) => store.save(content).await,
            Broker::Nats(store) => store.save(content).await,
        }
    }

    /// Keeps something beside it, under another name.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn save_as(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        match &mut self.0 {
            Broker::Kafka(store) => store.save_as(name, content).await,
            Broker::Nats(store) => store.save_as(name, content).await,
        }
    }
}

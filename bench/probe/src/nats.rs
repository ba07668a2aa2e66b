use std::error::Error;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;

use crate::PATIENCE;

/// A stream of a JetStream server.
pub(crate) struct Nats {
    client: async_nats::Client,
    context: Context,
    pub(crate) stream: String,
}

impl Nats {
    pub(crate) async fn connect(address: &str, stream: String) -> Result<Self, Box<dyn Error>> {
        let client = async_nats::connect(address).await?;
        Ok(Self { context: jetstream::new(client.clone()), client, stream })
    }

    /// How many messages are stored; none while the stream is not there yet.
    pub(crate) async fn stored(&self) -> Result<u64, Box<dyn Error>> {
        match self.context.get_stream(&self.stream).await {
            Ok(stream) => Ok(stream.cached_info().state.messages),
            Err(_) => Ok(0),
        }
    }

    pub(crate) async fn read_all(&self, mut seen: impl FnMut(&[u8])) -> Result<(), Box<dyn Error>> {
        let mut left = self.stored().await?;
        let mut messages = self.tail().await?;
        while left > 0 {
            let message = tokio::time::timeout(PATIENCE, messages.next())
                .await?
                .ok_or("JetStream has stopped handing out what it has")??;
            seen(&message.payload);
            left -= 1;
        }
        Ok(())
    }

    /// Reads the stream from its beginning on, through a consumer of JetStream: what comes was stored.
    pub(crate) async fn tail(&self) -> Result<jetstream::consumer::push::Ordered, Box<dyn Error>> {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match self.context.get_stream(&self.stream).await {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let config = OrderedConfig {
            deliver_subject: self.client.new_inbox(),
            deliver_policy: DeliverPolicy::All,
            replay_policy: ReplayPolicy::Instant,
            ..OrderedConfig::default()
        };
        Ok(stream.create_consumer(config).await?.messages().await?)
    }

    /// A stream for the round trip, and the subject to send to.
    pub(crate) async fn round_trip(&self) -> Result<(Context, String), Box<dyn Error>> {
        let subject = format!("{}.round.trip", self.stream);
        let config =
            Config { name: self.stream.clone(), subjects: vec![subject.clone()], ..Config::default() };
        self.context.create_stream(config).await?;
        Ok((self.context.clone(), subject))
    }
}

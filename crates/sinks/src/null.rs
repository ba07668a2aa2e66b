use std::convert::Infallible;
use std::future;

use event::{Batch, Sink};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Error;

/// `[sink.null]`
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct NullOptions {}

/// Forgets everything at once: for measuring what comes before a sink.
#[derive(Debug, Default)]
pub struct Null {
    written: u64,
    told: u64,
}

impl Null {
    /// Nothing can be wrong with it.
    pub fn open(_options: NullOptions) -> Self {
        Self::default()
    }
}

impl Sink for Null {
    type Error = Error;

    fn destination(&self) -> String {
        "nowhere (the null sink)".to_owned()
    }

    async fn write(&mut self, _batch: Batch) -> Result<(), Error> {
        self.written += 1;
        Ok(())
    }

    async fn durable(&mut self) -> Result<u64, Error> {
        if self.written == self.told {
            future::pending::<Infallible>().await;
        }
        self.told = self.written;
        Ok(self.told)
    }
}

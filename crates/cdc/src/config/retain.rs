use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use sinks::RetainOptions;

/// `[retain]`: the section alone keeps delivered events for `cdc replay`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) struct Retain {
    /// How long events are kept.
    #[serde(default = "default_hours")]
    hours: NonZeroU32,
    /// How much disk they may take, in MB; the oldest go first.
    #[serde(default = "default_max_mb")]
    max_mb: NonZeroU32,
}

fn default_hours() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(23)
}

fn default_max_mb() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(999)
}

impl Retain {
    /// In this folder.
    pub(crate) fn options(self, folder: PathBuf) -> RetainOptions {
        RetainOptions { folder, hours: self.hours.get(), max_bytes: u64::from(self.max_mb.get()) * 1_000_000 }
    }
}

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[load]`: whether and how the tables are read as they stand.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Load {
    /// When tables are read.
    #[serde(default)]
    pub(crate) mode: LoadMode,
    /// Connections that read at once.
    #[serde(default)]
    pub(crate) workers: LoadWorkers,
    /// Minutes for which the read of a table, or of a range of a large one, may hold its snapshot; 0: as long as it takes.
    #[serde(default)]
    pub(crate) snapshot_max_minutes: SnapshotMinutes,
}

/// When tables are read as they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LoadMode {
    /// Once, before the first change is streamed.
    #[default]
    Initial,
    /// Never: only changes from now on.
    Never,
    /// Once, and then the program ends.
    Only,
}

/// How many minutes a snapshot may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct SnapshotMinutes(u32);

impl SnapshotMinutes {
    /// The time; none for as long as it takes.
    pub(crate) fn duration(self) -> Option<Duration> {
        (self.0 > 0).then(|| Duration::from_secs(60 * u64::from(self.0)))
    }
}

impl Default for SnapshotMinutes {
    fn default() -> Self {
        Self(60)
    }
}

/// How many connections read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "i64")]
#[schemars(extend("minimum" = 1, "maximum" = 64))]
pub(crate) struct LoadWorkers(u8);

impl LoadWorkers {
    /// The number, at least 1.
    pub(crate) fn count(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for LoadWorkers {
    fn default() -> Self {
        Self(2)
    }
}

impl TryFrom<i64> for LoadWorkers {
    type Error = String;

    fn try_from(count: i64) -> Result<Self, String> {
        match u8::try_from(count) {
            Ok(count @ 1..=64) => Ok(Self(count)),
            _ => Err(format!("{count} is out of range: 1 to 64 workers")),
        }
    }
}

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[pipeline]`: what this pipeline is called, where it remembers, and how much it may hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Pipeline {
    /// Names the source in events, the checkpoint, the default slot and every metric.
    pub(crate) name: PipelineName,
    /// Holds one folder per pipeline, with its checkpoint and control socket.
    #[serde(default = "default_state_dir")]
    pub(crate) state_dir: PathBuf,
    /// Encoded bytes that may be on their way to the sink, in MiB.
    #[serde(default)]
    pub(crate) buffer_mb: BufferMb,
}

/// A pipeline's name: `[A-Za-z0-9_-]+`, short enough for `cdc_<name>` to name a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9_-]{1,59}$"))]
pub(crate) struct PipelineName(String);

/// A budget in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "i64")]
#[schemars(extend("minimum" = 1, "maximum" = 4096))]
pub(crate) struct BufferMb(u16);

/// PostgreSQL's names have at most 63 bytes, and four go to `cdc_`.
const LONGEST_NAME: usize = 59;

impl Pipeline {
    /// The pipeline's own folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.state_dir.join(self.name.as_str())
    }

    /// Where delivered events are kept, if they are.
    pub(crate) fn retained(&self) -> PathBuf {
        self.folder().join("retained")
    }

    /// Where a running pipeline is spoken to.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder().join("control.sock")
    }
}

impl PipelineName {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What slot and publication are called unless told otherwise. Slot names know no capitals and no hyphens.
    pub(crate) fn slot(&self) -> String {
        format!("cdc_{}", self.0.to_ascii_lowercase().replace('-', "_"))
    }
}

impl TryFrom<String> for PipelineName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(allowed) {
            return Err(format!(
                "`{name}` can't name a pipeline: use 1 to {LONGEST_NAME} letters, digits, `_` and `-`"
            ));
        }
        Ok(Self(name))
    }
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BufferMb {
    /// The budget in bytes.
    pub(crate) fn bytes(self) -> usize {
        usize::from(self.0) << 20
    }
}

impl Default for BufferMb {
    fn default() -> Self {
        Self(16)
    }
}

impl TryFrom<i64> for BufferMb {
    type Error = String;

    fn try_from(mebibytes: i64) -> Result<Self, String> {
        match u16::try_from(mebibytes) {
            Ok(mebibytes @ 1..=4096) => Ok(Self(mebibytes)),
            _ => Err(format!("{mebibytes} is out of range: 1 to 4096 MiB")),
        }
    }
}

fn default_state_dir() -> PathBuf {
    PathBuf::from("/var/lib/cdc")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<PipelineName, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn names_are_safe_in_paths_topics_and_slots() {
        assert_eq!(name("Shop-1").unwrap().slot(), "cdc_shop_1");
        assert_eq!(name(&"a".repeat(59)).unwrap().slot().len(), 63);
        for wrong in ["", "a b", "../x", "a.b", "ä", &"a".repeat(60)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}

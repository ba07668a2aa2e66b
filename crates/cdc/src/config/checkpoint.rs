use schemars::JsonSchema;
use serde::Deserialize;

/// `[checkpoint]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Checkpoint {
    /// Where the saved position lives.
    #[serde(default)]
    pub(crate) store: CheckpointStore,
}

/// Where the saved position lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckpointStore {
    /// In the pipeline's folder.
    #[default]
    File,
    /// Beside the events, in a broker.
    Sink,
}

use schemars::JsonSchema;
use serde::Deserialize;

/// `[checkpoint]`: where the saved position lives. In this version: in the pipeline's folder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Checkpoint {
    /// Which store.
    #[serde(default, rename = "store")]
    _store: CheckpointStore,
}

/// Where the saved position lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("enum" = ["file"]))]
pub(crate) enum CheckpointStore {
    /// In the pipeline's folder.
    #[default]
    File,
}

impl TryFrom<String> for CheckpointStore {
    type Error = String;

    fn try_from(store: String) -> Result<Self, String> {
        match store.as_str() {
            "file" => Ok(Self::File),
            "sink" => Err("\"sink\" is not in this version: use \"file\"".to_owned()),
            other => Err(format!("unknown store \"{other}\", expected \"file\"")),
        }
    }
}

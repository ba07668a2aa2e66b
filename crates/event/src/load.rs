use serde::{Deserialize, Serialize};

/// How a table is to be read; the default is all of it, without a word before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// Whether a TRUNCATE comes first, for consumers that can't take away at LOAD_END what is gone.
    #[serde(default)]
    pub truncate_first: bool,
    /// What is read; none: all of it.
    #[serde(default)]
    pub part: Option<LoadPart>,
    /// Whether all of it is read if the part can't be.
    #[serde(default)]
    pub or_whole: bool,
}

/// Some rows of a table, or some columns, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPart {
    /// A condition on the rows, in the database's language; none: all of them.
    #[serde(default)]
    pub filter: Option<String>,
    /// The columns, beside those of the key; empty: all of them.
    #[serde(default)]
    pub columns: Vec<String>,
}

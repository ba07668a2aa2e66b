//! JSON has no maps with structured keys: a list of pairs.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::TableName;

/// Writes a map as a list of pairs.
///
/// # Errors
/// The serializer's own.
pub fn serialize<T: Serialize, S: Serializer>(
    map: &BTreeMap<TableName, T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    map.iter().collect::<Vec<_>>().serialize(serializer)
}

/// Reads a list of pairs as a map.
///
/// # Errors
/// The deserializer's own.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<TableName, T>, D::Error> {
    Ok(Vec::deserialize(deserializer)?.into_iter().collect())
}

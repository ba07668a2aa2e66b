//! One table of the file into one struct, by serde, keeping for each complaint the key that it is about.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::document::Table;

/// What is wrong in a section.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SectionFault {
    /// A key's value is not what the key wants.
    Value { key: String, message: String },
    /// A key without a default is not there.
    Missing { key: &'static str },
    /// The section as a whole is refused.
    Whole { message: String },
}

/// Reads a section whose keys are all known. Goes on after a wrong value as if the key weren't there, so that all
/// wrong values are reported, not just the first.
pub(super) fn read<T: DeserializeOwned>(table: &Table) -> Result<T, Vec<SectionFault>> {
    let mut readings: BTreeMap<&str, Vec<toml::Value>> =
        table.iter().map(|(key, entry)| (key.as_str(), reversed(entry.readings()))).collect();
    let mut faults: Vec<SectionFault> = Vec::new();
    loop {
        let failed = RefCell::new(None);
        let section = Section { readings: &readings, failed: &failed };
        let fault = match T::deserialize(section) {
            Ok(value) if faults.is_empty() => return Ok(value),
            Ok(_) => return Err(faults),
            Err(fault) => fault,
        };
        let key = failed.take();
        match (fault, key) {
            (ReadError::Missing(key), None) => {
                // A key that was there and wrong is not also missing.
                let reported = |fault: &SectionFault| matches!(fault, SectionFault::Value { key: wrong, .. } if wrong == key);
                if !faults.iter().any(reported) {
                    faults.push(SectionFault::Missing { key });
                }
                return Err(faults);
            }
            (fault, Some(key)) => {
                let Some(left) = readings.get_mut(key.as_str()) else { return Err(faults) };
                left.pop();
                if left.is_empty() {
                    readings.remove(key.as_str());
                    faults.push(SectionFault::Value { key, message: fault.to_string() });
                }
            }
            (fault, None) => {
                faults.push(SectionFault::Whole { message: fault.to_string() });
                return Err(faults);
            }
        }
    }
}

/// The keys that a section's struct knows, asked of serde itself: a list beside the struct would drift.
pub(super) fn known_keys<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // The probe refuses to be read: only what it was asked for counts.
    let _ = T::deserialize(Probe { keys: &mut keys });
    keys
}

fn reversed(mut readings: Vec<toml::Value>) -> Vec<toml::Value> {
    readings.reverse();
    readings
}

struct Section<'a> {
    /// What each key may mean, the likeliest last.
    readings: &'a BTreeMap<&'a str, Vec<toml::Value>>,
    /// The key whose value was refused.
    failed: &'a RefCell<Option<String>>,
}

impl<'de> Deserializer<'de> for Section<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_map(SectionKeys { left: self.readings.iter(), next: None, failed: self.failed })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct SectionKeys<'a> {
    left: std::collections::btree_map::Iter<'a, &'a str, Vec<toml::Value>>,
    next: Option<(&'a str, &'a toml::Value)>,
    failed: &'a RefCell<Option<String>>,
}

impl<'de> MapAccess<'de> for SectionKeys<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        self.next = self.left.by_ref().find_map(|(key, readings)| Some((*key, readings.last()?)));
        let Some((key, _)) = self.next else { return Ok(None) };
        seed.deserialize(StrDeserializer::<ReadError>::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, value)) = self.next.take() else {
            return Err(serde::de::Error::custom("a value without a key"));
        };
        seed.deserialize(value.clone()).map_err(|error| {
            self.failed.replace(Some(key.to_owned()));
            ReadError::Message(error.message().to_owned())
        })
    }
}

/// What serde says, with a missing key kept apart.
#[derive(Debug)]
enum ReadError {
    Missing(&'static str),
    Message(String),
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "missing key `{key}`"),
            Self::Message(message) => f.write_str(message),
        }
    }
}

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

struct Probe<'a> {
    keys: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = ReadError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, ReadError> {
        *self.keys = fields;
        self.deserialize_any(_visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ReadError> {
        Err(serde::de::Error::custom("only asked for its keys"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::config::document::{Document, Origin};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sample {
        name: String,
        count: u16,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        loud: bool,
    }

    fn table(text: &str) -> Table {
        Document::parse(text).unwrap().root
    }

    #[test]
    fn a_struct_tells_its_keys() {
        assert_eq!(known_keys::<Sample>(), ["name", "count", "names", "loud"]);
    }

    #[test]
    fn all_wrong_values_are_told_at_once() {
        let faults = read::<Sample>(&table("name = 3\ncount = 70000\nloud = \"yes\"")).unwrap_err();
        let keys: Vec<String> = faults
            .iter()
            .map(|fault| match fault {
                SectionFault::Value { key, .. } => key.clone(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(keys, ["count", "loud", "name"]);
    }

    #[test]
    fn a_missing_key_is_told_apart() {
        let faults = read::<Sample>(&table("name = \"x\"")).unwrap_err();
        assert_eq!(faults, [SectionFault::Missing { key: "count" }]);
    }

    #[test]
    fn text_from_outside_is_what_the_key_wants() {
        let mut document = Document::default();
        for (key, text) in [("name", "123"), ("count", "123"), ("names", "[\"a\", \"b\"]"), ("loud", "true")]
        {
            document.set(&[key], text.to_owned(), Origin::Flag("--x"));
        }
        let sample: Sample = read(&document.root).unwrap();
        let names = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(sample, Sample { name: "123".to_owned(), count: 123, names, loud: true });
    }
}

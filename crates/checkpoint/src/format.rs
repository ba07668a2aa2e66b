use sha2::{Digest, Sha256};

use crate::{Checkpoint, Error};

/// Grows when an older program could misread what is saved.
const FORMAT_VERSION: u32 = 1;

/// A checkpoint as it is kept: one header line (`cdc-checkpoint <format version> <SHA-256 of the rest>`) and JSON, so
/// that a person can read it, and a torn or edited one is found out.
impl Checkpoint {
    /// As it is kept in a place, which errors name.
    ///
    /// # Errors
    /// When it holds what can't be written down.
    pub fn to_bytes(&self, place: &str) -> Result<Vec<u8>, Error> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::Untrusted { place: place.to_owned(), why: error.to_string() })?;
        let mut content = format!("cdc-checkpoint {FORMAT_VERSION} {}\n", hash(&json)).into_bytes();
        content.extend_from_slice(&json);
        content.push(b'\n');
        Ok(content)
    }

    /// What was kept in a place.
    ///
    /// # Errors
    /// When it can't be trusted: torn, edited, or written by another version.
    pub fn from_bytes(content: &[u8], place: &str) -> Result<Self, Error> {
        Self::parse(content).map_err(|why| Error::Untrusted { place: place.to_owned(), why })
    }

    fn parse(content: &[u8]) -> Result<Self, String> {
        if content.is_empty() {
            return Err("it is empty".to_owned());
        }
        let text = str::from_utf8(content).map_err(|_| "it is not text".to_owned())?;
        let (header, json) = text.split_once('\n').ok_or("its header line is missing")?;
        let mut words = header.split(' ');
        let (Some("cdc-checkpoint"), Some(version), Some(expected), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("its header line is another".to_owned());
        };
        if version != FORMAT_VERSION.to_string() {
            return Err(format!("its format version is {version}, this program knows {FORMAT_VERSION}"));
        }
        let json = json.strip_suffix('\n').ok_or("its end is missing")?;
        if hash(json.as_bytes()) != expected {
            return Err("its content does not match its hash: it is torn or was edited".to_owned());
        }
        serde_json::from_str(json).map_err(|error| format!("its content is not understood: {error}"))
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

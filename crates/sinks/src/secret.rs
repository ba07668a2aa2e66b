use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Error;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whoever has to send it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret comes from. A file is read anew at every connection, so that what is in it can be changed under a
/// running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// From the environment or an address.
    Given(Secret),
    /// The whole content of a file, without line ends at its end.
    File(PathBuf),
}

impl SecretSource {
    /// What was given counts more than a file.
    pub(crate) fn of(given: Option<Secret>, file: Option<PathBuf>) -> Option<Self> {
        given.map(Self::Given).or_else(|| file.map(Self::File))
    }

    /// The secret as it stands now.
    pub(crate) fn read(&self, what: &'static str) -> Result<Secret, Error> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::File(path) => read_secret(what, path),
        }
    }
}

/// For messages: `password in /run/secrets/kafka`.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("given by the environment or the address"),
            Self::File(path) => write!(f, "in {}", path.display()),
        }
    }
}

/// The content of a file that holds a secret.
pub(crate) fn read_secret(what: &'static str, path: &Path) -> Result<Secret, Error> {
    let unreadable = |reason: String| Error::Credentials { what, path: path.to_owned(), reason };
    let mut text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    match text.as_str() {
        "" => Err(unreadable("it is empty".to_owned())),
        text if text.contains('\0') => Err(unreadable("it holds a zero byte".to_owned())),
        _ => Ok(Secret(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_without_its_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = SecretSource::of(None, Some(file.path().to_owned())).unwrap();
        for (content, secret) in [("one\n", "one"), ("t w o\r\n", "t w o"), ("three", "three")] {
            fs::write(file.path(), content).unwrap();
            assert_eq!(source.read("password").unwrap().expose(), secret);
        }
        for content in ["", "\n", "a\0b"] {
            fs::write(file.path(), content).unwrap();
            let error = source.read("password").unwrap_err().to_string();
            assert!(error.contains(&file.path().display().to_string()) && !error.contains("a\0b"), "{error}");
        }
    }

    #[test]
    fn it_is_not_printed() {
        let source = SecretSource::of(Some(Secret::from("hush".to_owned())), Some("x".into())).unwrap();
        let text = format!("{source} {source:?}");
        assert!(matches!(source, SecretSource::Given(_)) && !text.contains("hush"), "{text}");
    }
}

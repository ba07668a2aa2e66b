use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::{Host, Place};
use crate::error::Error;

/// Where the password comes from. Its `Debug` never shows it.
#[derive(Clone)]
pub(super) enum Password {
    None,
    Given(String),
    /// The whole file.
    File(PathBuf),
    /// A libpq password file: lines of `host:port:database:user:password`.
    Passfile(PathBuf),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Passfile(path) => f.debug_tuple("Passfile").field(path).finish(),
        }
    }
}

impl Password {
    /// Where it is read from, if it is a file.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::None | Self::Given(_) => None,
            Self::File(path) | Self::Passfile(path) => Some(path),
        }
    }

    /// The password for this host, as it stands now.
    pub(super) async fn look_up(
        &self,
        host: &Host,
        database: &str,
        user: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Given(password) => Ok(Some(password.clone().into_bytes())),
            Self::File(path) => {
                let mut content = read(path).await?;
                while let Some(b'\n' | b'\r') = content.last() {
                    content.pop();
                }
                Ok(Some(content))
            }
            Self::Passfile(path) => {
                let content = read(path).await?;
                Ok(find_line(&String::from_utf8_lossy(&content), host, database, user)
                    .map(String::into_bytes))
            }
        }
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path).await.map_err(|error| Error::File {
        what: "password",
        path: path.to_owned(),
        source: Arc::new(error),
    })
}

/// The password of the first line that matches (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
fn find_line(content: &str, host: &Host, database: &str, user: &str) -> Option<String> {
    let name = match &host.place {
        Place::Tcp(name) => name.clone(),
        Place::Unix(folder) => folder.display().to_string(),
    };
    let wanted = [name, host.port.to_string(), database.to_owned(), user.to_owned()];
    content.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split_line(line);
        let (password, keys) = fields.split_last()?;
        let matches = keys.len() == wanted.len()
            && keys.iter().zip(&wanted).all(|(key, wanted)| key == "*" || key == wanted);
        (matches && !password.is_empty()).then(|| password.clone())
    })
}

/// Five fields at colons; a backslash takes the next character as it is, and the last field holds the rest.
fn split_line(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            character => character,
        };
        if let Some(field) = fields.last_mut() {
            field.push(literal);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        Host { place: Place::Tcp(name.to_owned()), port: 5432 }
    }

    #[test]
    fn passfile_takes_the_first_line_that_matches() {
        let content = "# comment\nother:5432:*:*:wrong\nh:*:shop:cdc:a\\:b\\\\c:d\n*:*:*:*:last\n";
        assert_eq!(find_line(content, &host("h"), "shop", "cdc").as_deref(), Some("a:b\\c:d"));
        assert_eq!(find_line(content, &host("h"), "shop", "x").as_deref(), Some("last"));
        assert_eq!(find_line("short:line\n", &host("h"), "shop", "cdc"), None);
    }

    #[tokio::test]
    async fn the_file_is_read_at_every_look_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let password = Password::File(path.clone());
        assert!(matches!(password.look_up(&host("h"), "d", "u").await, Err(Error::File { .. })));
        std::fs::write(&path, "first\n").unwrap();
        assert_eq!(password.look_up(&host("h"), "d", "u").await.unwrap().unwrap(), b"first");
        std::fs::write(&path, " second \r\n").unwrap();
        assert_eq!(password.look_up(&host("h"), "d", "u").await.unwrap().unwrap(), b" second ");
    }

    #[test]
    fn debug_does_not_show_it() {
        assert!(!format!("{:?}", Password::Given("hunter2".to_owned())).contains("hunter2"));
    }
}

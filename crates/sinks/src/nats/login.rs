//! Who we are to NATS.

use std::fmt;
use std::path::{Path, PathBuf};

use async_nats::Auth;
use nkeys::KeyPair;

use super::NatsOptions;
use crate::Error;
use crate::secret::{Secret, SecretSource, read_secret};

/// How the servers are told who we are. What proves it is read anew at every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Nobody,
    User {
        username: String,
        password: SecretSource,
    },
    Token(SecretSource),
    NkeySeed(PathBuf),
    /// A `.creds` file: a JWT, and the seed that it was made for.
    Credentials(PathBuf),
}

impl Login {
    /// The one way that the options name.
    pub(super) fn of(options: &NatsOptions) -> Result<Self, Error> {
        let refuse = |option, reason: &str| Err(Error::Option { option, reason: reason.to_owned() });
        let password = SecretSource::of(options.password.clone(), options.password_file.clone());
        let token = SecretSource::of(options.token.clone(), options.token_file.clone());
        let mut ways = Vec::new();
        match (&options.username, password) {
            (Some(username), Some(password)) => {
                ways.push(Self::User { username: username.clone(), password })
            }
            (Some(_), None) => {
                return refuse("sink.nats.username", "goes with password_file, or CDC__SINK__NATS__PASSWORD");
            }
            (None, Some(_)) => return refuse("sink.nats.password_file", "goes with username"),
            (None, None) => {}
        }
        ways.extend(token.map(Self::Token));
        ways.extend(options.nkey_seed_file.clone().map(Self::NkeySeed));
        ways.extend(options.credentials_file.clone().map(Self::Credentials));
        if ways.is_empty() {
            ways.extend(options.servers.login());
        }
        if ways.len() > 1 {
            return refuse(
                "sink.nats",
                "there is more than one of username, token_file, nkey_seed_file and credentials_file: leave only the one \
                 that the servers ask for",
            );
        }
        Ok(ways.pop().unwrap_or(Self::Nobody))
    }

    /// What to answer the server, which wants this signed.
    pub(super) fn answer(&self, nonce: &[u8]) -> Result<Auth, Error> {
        let mut auth = Auth::new();
        match self {
            Self::Nobody => {}
            Self::User { username, password } => {
                auth.username = Some(username.clone());
                auth.password = Some(password.read("password")?.expose().to_owned());
            }
            Self::Token(token) => auth.token = Some(token.read("token")?.expose().to_owned()),
            Self::NkeySeed(path) => {
                let seed = read_secret("nkey seed", path)?;
                // The tools write comments and blank lines around it.
                let seed = seed
                    .expose()
                    .lines()
                    .map(str::trim)
                    .find(|line| line.starts_with('S'))
                    .unwrap_or_default();
                let pair = key_pair("nkey seed", path, seed)?;
                auth.signature = Some(sign("nkey seed", path, &pair, nonce)?);
                auth.nkey = Some(pair.public_key());
            }
            Self::Credentials(path) => {
                let file = read_secret("credentials", path)?;
                let (Some(jwt), Some(seed)) = (block(&file, "USER JWT"), block(&file, "USER NKEY SEED"))
                else {
                    return Err(unusable(
                        "credentials",
                        path,
                        "it holds no JWT with a seed, as `nsc generate creds` writes it",
                    ));
                };
                let pair = key_pair("credentials", path, seed)?;
                auth.signature = Some(sign("credentials", path, &pair, nonce)?);
                auth.jwt = Some(jwt.to_owned());
            }
        }
        Ok(auth)
    }
}

fn key_pair(what: &'static str, path: &Path, seed: &str) -> Result<KeyPair, Error> {
    // The error would quote nothing, but say nothing either.
    KeyPair::from_seed(seed)
        .map_err(|_| unusable(what, path, "it holds no user's seed, which begins with SU"))
}

fn sign(what: &'static str, path: &Path, pair: &KeyPair, nonce: &[u8]) -> Result<Vec<u8>, Error> {
    pair.sign(nonce).map_err(|error| unusable(what, path, &error.to_string()))
}

fn unusable(what: &'static str, path: &Path, reason: &str) -> Error {
    Error::Credentials { what, path: path.to_owned(), reason: reason.to_owned() }
}

/// What stands between `---BEGIN NATS USER JWT---` and its end; any number of dashes.
fn block<'f>(file: &'f Secret, name: &str) -> Option<&'f str> {
    let is_mark = |line: &str, word: &str| {
        line.starts_with("---")
            && line.trim_matches('-').strip_prefix(word).is_some_and(|rest| rest.ends_with(name))
    };
    let mut lines = file.expose().lines().map(str::trim);
    lines.find(|line| is_mark(line, "BEGIN "))?;
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with("---"))
}

/// For messages.
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("without saying who it is"),
            Self::User { username, password } => write!(f, "as \"{username}\" with the password {password}"),
            Self::Token(token) => write!(f, "with the token {token}"),
            Self::NkeySeed(path) => write!(f, "with the nkey seed in {}", path.display()),
            Self::Credentials(path) => write!(f, "with the credentials in {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(keys: &str) -> Result<Login, Error> {
        Login::of(&toml::from_str(&format!("servers = ['nats://h']\n{keys}")).unwrap())
    }

    #[test]
    fn there_is_one_way() {
        assert_eq!(login("").unwrap(), Login::Nobody);
        assert_eq!(login("nkey_seed_file = 'n'").unwrap(), Login::NkeySeed("n".into()));
        assert_eq!(login("token_file = 't'").unwrap(), Login::Token(SecretSource::File("t".into())));
        for (keys, option) in [
            ("username = 'u'", "sink.nats.username"),
            ("password_file = 'p'", "sink.nats.password_file"),
            ("token_file = 't'\nnkey_seed_file = 'n'", "sink.nats"),
            ("username = 'u'\npassword_file = 'p'\ncredentials_file = 'c'", "sink.nats"),
        ] {
            let Error::Option { option: found, .. } = login(keys).unwrap_err() else { panic!("{keys}") };
            assert_eq!(found, option);
        }
    }

    #[test]
    fn an_address_can_hold_it() {
        let of =
            |address: &str| Login::of(&toml::from_str(&format!("servers = ['{address}']")).unwrap()).unwrap();
        let Login::User { username, password } = of("nats://me:h%40ush@b:4222") else { panic!() };
        assert_eq!((username.as_str(), password.read("password").unwrap().expose()), ("me", "h@ush"));
        let Login::Token(token) = of("nats://hush@b:4222") else { panic!() };
        assert_eq!(token.read("token").unwrap().expose(), "hush");
    }

    #[test]
    fn seeds_and_credentials_sign() {
        let pair = KeyPair::new_user();
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        std::fs::write(&path, format!("# a comment\n{}\n", pair.seed().unwrap())).unwrap();
        let auth = Login::NkeySeed(path.clone()).answer(b"nonce").unwrap();
        assert_eq!(auth.nkey.unwrap(), pair.public_key());
        pair.verify(b"nonce", &auth.signature.unwrap()).unwrap();

        let creds = format!(
            "-----BEGIN NATS USER JWT-----\nthe.jwt\n------END NATS USER JWT------\n\n***\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            pair.seed().unwrap()
        );
        std::fs::write(&path, creds).unwrap();
        let auth = Login::Credentials(path.clone()).answer(b"nonce").unwrap();
        assert_eq!(auth.jwt.unwrap(), "the.jwt");
        pair.verify(b"nonce", &auth.signature.unwrap()).unwrap();

        for content in ["SUhush", "hush", "-----BEGIN NATS USER JWT-----\nhush"] {
            std::fs::write(&path, content).unwrap();
            for login in [Login::NkeySeed(path.clone()), Login::Credentials(path.clone())] {
                let error = login.answer(b"nonce").err().unwrap().to_string();
                assert!(error.contains(&path.display().to_string()) && !error.contains("hush"), "{error}");
            }
        }
    }
}

//! Who we are to Kafka, and how we know that it is Kafka.

use std::fmt;
use std::path::PathBuf;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::token;
use crate::secret::{Secret, SecretSource, read_secret};
use crate::{Error, tls};

/// `[sink.kafka.tls]`: the section alone asks for TLS. The broker's certificate and its host name are checked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "TlsKeys")]
#[schemars(with = "TlsKeys")]
pub struct KafkaTls {
    is_enabled: bool,
    ca_file: Option<PathBuf>,
    client: Option<ClientCertificate>,
}

#[derive(Clone, Debug)]
struct ClientCertificate {
    certificate_file: PathBuf,
    key_file: PathBuf,
    key_password_file: Option<PathBuf>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TlsKeys {
    #[serde(default = "default_enabled")]
    enabled: bool,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    certificate_file: Option<PathBuf>,
    #[serde(default)]
    key_file: Option<PathBuf>,
    #[serde(default)]
    key_password_file: Option<PathBuf>,
}

fn default_enabled() -> bool {
    true
}

impl TryFrom<TlsKeys> for KafkaTls {
    type Error = &'static str;

    fn try_from(keys: TlsKeys) -> Result<Self, Self::Error> {
        let client = match (keys.certificate_file, keys.key_file, keys.key_password_file) {
            (Some(certificate_file), Some(key_file), key_password_file) => {
                Some(ClientCertificate { certificate_file, key_file, key_password_file })
            }
            (None, None, None) => None,
            (Some(_), None, _) => {
                return Err("`certificate_file` is there and `key_file`, its private key, is not");
            }
            (None, Some(_), _) => {
                return Err("`key_file` is there and `certificate_file`, which it belongs to, is not");
            }
            (None, None, Some(_)) => {
                return Err("`key_password_file` is there and `key_file`, which it opens, is not");
            }
        };
        Ok(Self { is_enabled: keys.enabled, ca_file: keys.ca_file, client })
    }
}

/// `[sink.kafka.sasl]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "SaslKeys")]
#[schemars(with = "SaslKeys")]
pub enum KafkaSasl {
    /// A name and a password, which goes as it is with PLAIN.
    Password {
        /// How it is proven.
        mechanism: PasswordMechanism,
        /// Who we are.
        username: String,
        /// What proves it.
        password: SecretSource,
    },
    /// A token that somebody else renews in this file.
    OauthBearer {
        /// The file.
        token_file: PathBuf,
    },
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The protocol's own names.
pub enum PasswordMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl fmt::Display for PasswordMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SaslKeys {
    mechanism: Mechanism,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password_file: Option<PathBuf>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    token_file: Option<PathBuf>,
}

#[derive(Deserialize, JsonSchema)]
enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

impl TryFrom<SaslKeys> for KafkaSasl {
    type Error = &'static str;

    fn try_from(keys: SaslKeys) -> Result<Self, Self::Error> {
        let mechanism = match keys.mechanism {
            Mechanism::Plain => PasswordMechanism::Plain,
            Mechanism::ScramSha256 => PasswordMechanism::ScramSha256,
            Mechanism::ScramSha512 => PasswordMechanism::ScramSha512,
            Mechanism::OauthBearer => {
                if keys.username.is_some() || keys.password.is_some() || keys.password_file.is_some() {
                    return Err("OAUTHBEARER takes `token_file`, and neither `username` nor `password_file`");
                }
                let token_file = keys.token_file.ok_or("OAUTHBEARER needs `token_file`")?;
                return Ok(Self::OauthBearer { token_file });
            }
        };
        if keys.token_file.is_some() {
            return Err("`token_file` goes with mechanism = \"OAUTHBEARER\" alone");
        }
        let username = keys.username.ok_or("this mechanism needs `username`")?;
        let password = SecretSource::of(keys.password, keys.password_file)
            .ok_or("this mechanism needs `password_file`, or CDC__SINK__KAFKA__SASL__PASSWORD")?;
        Ok(Self::Password { mechanism, username, password })
    }
}

/// Both sections, as they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Security {
    tls: Option<KafkaTls>,
    sasl: Option<KafkaSasl>,
}

impl Security {
    pub(super) fn new(tls: Option<&KafkaTls>, sasl: Option<&KafkaSasl>) -> Self {
        Self { tls: tls.filter(|tls| tls.is_enabled).cloned(), sasl: sasl.cloned() }
    }

    /// Whether these sections decide about a setting of librdkafka.
    pub(super) fn decides(&self, property: &str) -> bool {
        let is_given = self.tls.is_some() || self.sasl.is_some();
        let files = ["ssl.ca.", "ssl.certificate.", "ssl.key.", "ssl.keystore."];
        (property == "security.protocol" && is_given)
            || (self.tls.is_some() && files.iter().any(|begin| property.starts_with(begin)))
            || (self.sasl.is_some() && property.starts_with("sasl."))
    }

    /// Where the token is, if there is one.
    pub(super) fn token_file(&self) -> Option<&PathBuf> {
        match &self.sasl {
            Some(KafkaSasl::OauthBearer { token_file }) => Some(token_file),
            _ => None,
        }
    }

    pub(super) fn ca_file(&self) -> Option<&PathBuf> {
        self.tls.as_ref()?.ca_file.as_ref()
    }

    /// Reads the files, and says how to log in.
    pub(super) fn apply(&self, config: &mut ClientConfig) -> Result<(), Error> {
        if let Some(protocol) = self.protocol() {
            config.set("security.protocol", protocol);
        }
        if let Some(tls) = &self.tls {
            tls.apply(config)?;
        }
        match &self.sasl {
            Some(KafkaSasl::Password { mechanism, username, password }) => {
                config.set("sasl.mechanism", mechanism.to_string());
                config.set("sasl.username", username);
                config.set("sasl.password", password.read("password")?.expose());
                if *mechanism == PasswordMechanism::Plain && self.tls.is_none() {
                    tracing::warn!(
                        "the password goes to Kafka over an unencrypted connection in clear text: add [sink.kafka.tls], \
                         or use SCRAM-SHA-512"
                    );
                }
            }
            Some(KafkaSasl::OauthBearer { token_file }) => {
                // librdkafka would say so too, later and less clearly.
                token::read(token_file)?;
                config.set("sasl.mechanism", "OAUTHBEARER");
            }
            None => {}
        }
        Ok(())
    }

    /// Why no client could be made of this.
    pub(super) fn creation_error(&self, option: &'static str, error: &KafkaError) -> Error {
        let reason = error.to_string();
        match self.tls.as_ref().and_then(|tls| tls.client.as_ref()) {
            // `ssl.key.location failed: …` is how it says that the password does not open it.
            Some(client) if reason.contains("ssl.key") || reason.contains("rivate key") => {
                Error::Credentials {
                    what: "private key, or its password",
                    path: client.key_file.clone(),
                    reason,
                }
            }
            _ => Error::Option { option, reason },
        }
    }

    fn protocol(&self) -> Option<&'static str> {
        match (&self.tls, &self.sasl) {
            (None, None) => None,
            (Some(_), None) => Some("ssl"),
            (None, Some(_)) => Some("sasl_plaintext"),
            (Some(_), Some(_)) => Some("sasl_ssl"),
        }
    }
}

impl KafkaTls {
    fn apply(&self, config: &mut ClientConfig) -> Result<(), Error> {
        if let Some(path) = &self.ca_file {
            tls::certificates("certificate authority", path)?;
            config.set("ssl.ca.location", path.display().to_string());
        }
        let Some(client) = &self.client else { return Ok(()) };
        tls::certificates("client certificate", &client.certificate_file)?;
        // Only to name the file if it can't be read: what is in it, librdkafka reads.
        read_secret("private key", &client.key_file)?;
        config.set("ssl.certificate.location", client.certificate_file.display().to_string());
        config.set("ssl.key.location", client.key_file.display().to_string());
        if let Some(path) = &client.key_password_file {
            config.set("ssl.key.password", read_secret("private key's password", path)?.expose());
        }
        Ok(())
    }
}

/// How we come to Kafka, for messages.
impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sasl {
            Some(KafkaSasl::Password { mechanism, username, password }) => {
                write!(f, "as \"{username}\" by {mechanism} with the password {password}")?;
            }
            Some(KafkaSasl::OauthBearer { token_file }) => {
                write!(f, "by OAUTHBEARER with the token in {}", token_file.display())?;
            }
            None => f.write_str("without [sink.kafka.sasl]")?,
        }
        match self.tls.as_ref().and_then(|tls| tls.client.as_ref()) {
            Some(client) => write!(f, " and the certificate in {}", client.certificate_file.display()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (keys, part) in [
            ("certificate_file = 'c'", "key_file"),
            ("key_file = 'k'", "certificate_file"),
            ("key_password_file = 'p'", "key_file"),
        ] {
            let error = toml::from_str::<KafkaTls>(keys).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for (keys, part) in [
            ("mechanism = 'PLAIN'", "needs `username`"),
            ("mechanism = 'PLAIN'\nusername = 'u'", "password_file"),
            ("mechanism = 'SCRAM-SHA-256'\nusername = 'u'\npassword = 'p'\ntoken_file = 't'", "OAUTHBEARER"),
            ("mechanism = 'OAUTHBEARER'", "needs `token_file`"),
            ("mechanism = 'OAUTHBEARER'\ntoken_file = 't'\nusername = 'u'", "neither `username`"),
            ("mechanism = 'GSSAPI'", "unknown variant"),
            ("username = 'u'", "mechanism"),
        ] {
            let error = toml::from_str::<KafkaSasl>(keys).unwrap_err().to_string();
            assert!(error.contains(part), "{keys}: {error}");
        }
    }

    #[test]
    fn the_sections_decide_the_protocol() {
        let tls: KafkaTls = toml::from_str("").unwrap();
        let off: KafkaTls = toml::from_str("enabled = false").unwrap();
        let sasl: KafkaSasl =
            toml::from_str("mechanism = 'SCRAM-SHA-512'\nusername = 'u'\npassword = 'hush'").unwrap();
        for (tls, sasl, protocol) in [
            (None, None, None),
            (Some(&off), None, None),
            (Some(&tls), None, Some("ssl")),
            (Some(&off), Some(&sasl), Some("sasl_plaintext")),
            (Some(&tls), Some(&sasl), Some("sasl_ssl")),
        ] {
            let mut config = ClientConfig::new();
            Security::new(tls, sasl).apply(&mut config).unwrap();
            assert_eq!(config.get("security.protocol"), protocol);
        }
        let security = Security::new(Some(&tls), Some(&sasl));
        assert!(!format!("{security} {security:?}").contains("hush"));
        for property in ["security.protocol", "sasl.password", "ssl.ca.location", "ssl.key.pem"] {
            assert!(security.decides(property), "{property}");
        }
        assert!(!security.decides("ssl.cipher.suites") && !Security::default().decides("sasl.password"));
    }
}

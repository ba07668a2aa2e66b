use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{
    AuthError, Client, ClientError, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::watch;

use super::login::Login;
use super::{NatsOptions, WINDOW_MESSAGES};
use crate::quiet::Quiet;
use crate::secret::read_secret;
use crate::{Error, tls};

/// `[sink.nats.tls]`: the section alone asks for TLS. The server's certificate and its host name are checked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "TlsKeys")]
#[schemars(with = "TlsKeys")]
pub struct NatsTls {
    is_required: bool,
    ca_file: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TlsKeys {
    #[serde(default = "default_required")]
    required: bool,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    certificate_file: Option<PathBuf>,
    #[serde(default)]
    key_file: Option<PathBuf>,
}

fn default_required() -> bool {
    true
}

impl TryFrom<TlsKeys> for NatsTls {
    type Error = &'static str;

    fn try_from(keys: TlsKeys) -> Result<Self, Self::Error> {
        let client = match (keys.certificate_file, keys.key_file) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("`certificate_file` and `key_file` go together"),
        };
        Ok(Self { is_required: keys.required, ca_file: keys.ca_file, client })
    }
}

/// What became of a connection that was open once.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// How often it was lost.
    pub(super) losses: u64,
    /// Why the server took us no longer, or what it would not let us do.
    pub(super) refusal: Option<Refusal>,
}

/// What a server has against us.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    Login(String),
    Permission(String),
}

/// A connection's other end: as it is named in errors, how we came to it, and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    addresses: String,
    login: Arc<Login>,
    pub(super) trouble: watch::Receiver<Trouble>,
}

impl Place {
    pub(super) fn refused(&self, refusal: &Refusal) -> Error {
        let reason = match refusal {
            Refusal::Login(reason) => reason.clone(),
            Refusal::Permission(reason) => {
                format!("{reason}; give it the permissions that docs/security.md lists")
            }
        };
        Error::Unauthorized { sink: self.addresses.clone(), login: self.login.to_string(), reason }
    }

    /// What is wrong if JetStream does not answer.
    pub(super) fn unanswered(&self, error: impl fmt::Display) -> Error {
        // A request that is not permitted gets no answer, only this word beside it.
        if let Some(refusal) = &self.trouble.borrow().refusal {
            return self.refused(refusal);
        }
        let reason =
            format!("JetStream did not answer ({error}); is it enabled on the server and for this account?");
        Error::Unreachable { doing: "looking the stream up", sink: self.addresses.clone(), reason }
    }
}

/// Opens a connection. The client restores it by itself, each time with what the files hold by then.
pub(super) async fn connect(options: &NatsOptions, source: &str) -> Result<(Client, Place), Error> {
    let (sender, trouble) = watch::channel(Trouble::default());
    let place = Place { addresses: options.addresses(), login: Arc::new(Login::of(options)?), trouble };
    let login = Arc::clone(&place.login);
    // Now, for an error of our own: the client would only say that it could not log in.
    login.answer(b"")?;
    let answer = move |nonce: Vec<u8>| {
        let login = Arc::clone(&login);
        async move { login.answer(&nonce).map_err(AuthError::new) }
    };
    let mut connecting = ConnectOptions::with_auth_callback(answer)
        .name(format!("cdc {source}"))
        .connection_timeout(Duration::from_secs(5))
        // Publishing must never wait for a connection that is down: nobody would look at the replies then.
        .client_capacity(2 * WINDOW_MESSAGES)
        .subscription_capacity(2 * WINDOW_MESSAGES)
        .event_callback(watcher(place.addresses.clone(), sender));
    if let Some(tls) = &options.tls {
        connecting = tls.apply(connecting)?;
    }
    match connecting.connect(options.servers.without_logins()).await {
        Ok(client) => Ok((client, place)),
        Err(error) => Err(explain(&place, &error)),
    }
}

impl NatsTls {
    /// The client reads the files at every connection; here they are only looked at, to name the one that is wrong.
    fn apply(&self, mut connecting: ConnectOptions) -> Result<ConnectOptions, Error> {
        connecting = connecting.require_tls(self.is_required);
        if let Some(path) = &self.ca_file {
            tls::certificates("certificate authority", path)?;
            connecting = connecting.add_root_certificates(path.clone());
        }
        if let Some((certificate, key)) = &self.client {
            tls::certificates("client certificate", certificate)?;
            read_secret("private key", key)?;
            connecting = connecting.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(connecting)
    }
}

fn explain(place: &Place, error: &ConnectError) -> Error {
    let (sink, reason) = (place.addresses.clone(), error.to_string());
    if let Some(error) = tls::cause(error) {
        return Error::Tls { sink, reason: tls::explain(error, "sink.nats.tls") };
    }
    let server_error = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<ServerError>());
    match error.kind() {
        ConnectErrorKind::ServerParse => Error::Option { option: "sink.nats.servers", reason },
        ConnectErrorKind::Tls => Error::Tls { sink, reason },
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            place.refused(&Refusal::Login(reason))
        }
        _ => match server_error {
            Some(error) => place.refused(&Refusal::Login(error.to_string())),
            None => Error::Unreachable { doing: "connecting", sink, reason },
        },
    }
}

/// Notes what happens to an open connection, and says so in a few words.
fn watcher(
    addresses: String,
    trouble: watch::Sender<Trouble>,
) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync {
    let (is_away, quiet) = (AtomicBool::new(false), Quiet::default());
    move |event| {
        match &event {
            Event::Disconnected | Event::Closed | Event::SlowConsumer(_) => {
                trouble.send_modify(|trouble| trouble.losses += 1);
            }
            event => {
                if let Some(refusal) = refusal(event) {
                    trouble.send_modify(|trouble| trouble.refusal = Some(refusal));
                }
            }
        }
        match event {
            Event::Disconnected if !is_away.load(Ordering::Relaxed) => {
                if let Some(held_back) = quiet.pass() {
                    is_away.store(true, Ordering::Relaxed);
                    tracing::warn!(held_back, "{addresses} cannot be reached; deliveries wait");
                }
            }
            Event::Connected if is_away.swap(false, Ordering::Relaxed) => {
                tracing::info!("{addresses} is back");
            }
            _ => {}
        }
        tracing::debug!(%event, "NATS");
        std::future::ready(())
    }
}

/// The client keeps on trying whatever the server says against it; only its words tell.
fn refusal(event: &Event) -> Option<Refusal> {
    match event {
        Event::ServerError(ServerError::Other(text))
            if text.to_lowercase().contains("permissions violation") =>
        {
            Some(Refusal::Permission(text.clone()))
        }
        Event::ClientError(ClientError::Other(text)) if is_login(text) => Some(Refusal::Login(text.clone())),
        _ => None,
    }
}

fn is_login(text: &str) -> bool {
    let kinds = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
    kinds.iter().any(|kind| text.contains(&kind.to_string()))
}

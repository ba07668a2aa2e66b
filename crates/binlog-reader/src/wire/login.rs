use std::collections::HashMap;

use mysql_common::constants::CapabilityFlags;
use mysql_common::crypto;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

use super::{OK, Wire};
use crate::config::Config;
use crate::connect::unknown_plugin;
use crate::error::Error;

/// What a server says first.
pub(super) struct Greeting {
    capabilities: CapabilityFlags,
    plugin: AuthPlugin<'static>,
    nonce: Vec<u8>,
}

/// The longest packet that is received (`max_allowed_packet`).
const MAX_PACKET: u32 = 1 << 30;
/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;
/// What all servers since 5.5.3 are asked for; any rows' or other answers' forms do not matter here.
const VERSION: (u16, u16, u16) = (5, 5, 3);
const NONCE_LEN: usize = 20;

impl Greeting {
    pub(super) async fn receive(wire: &mut Wire) -> Result<Self, Error> {
        let packet = wire.receive().await?;
        let read = ParseBuf(packet).parse::<HandshakePacket<'_>>(()).map(|read| read.into_owned());
        let read = read.map_err(|_| wire.unexpected("a greeting of another form"))?;
        let mut nonce = read.nonce();
        // A zero ends it.
        nonce.resize(NONCE_LEN, 0);
        Ok(Self {
            capabilities: read.capabilities(),
            // The server asks for another one by itself.
            plugin: match read.auth_plugin() {
                Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
                _ => AuthPlugin::MysqlNativePassword,
            },
            nonce,
        })
    }

    pub(super) fn offers_tls(&self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_SSL)
    }

    /// What both sides can do and this side wants.
    fn capabilities(&self, config: &Config) -> CapabilityFlags {
        let mut wanted = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_CONNECT_ATTRS;
        wanted.set(CapabilityFlags::CLIENT_COMPRESS, config.compresses);
        wanted & self.capabilities
    }
}

/// Asks for TLS: what comes next is its handshake.
pub(super) async fn ask_for_tls(wire: &mut Wire, greeting: &Greeting, config: &Config) -> Result<(), Error> {
    let capabilities = greeting.capabilities(config) | CapabilityFlags::CLIENT_SSL;
    wire.write(&serialized(&SslRequest::new(capabilities, MAX_PACKET, COLLATION))).await
}

/// Says who we are and proves it.
pub(super) async fn log_in(
    wire: &mut Wire,
    greeting: Greeting,
    config: &Config,
    password: &str,
) -> Result<(), Error> {
    let mut capabilities = greeting.capabilities(config);
    let is_compressed = capabilities.contains(CapabilityFlags::CLIENT_COMPRESS);
    capabilities.set(CapabilityFlags::CLIENT_SSL, wire.stream.is_encrypted());
    let Greeting { mut plugin, mut nonce, .. } = greeting;
    let response = HandshakeResponse::new(
        Some(proof(&plugin, password, &nonce)),
        VERSION,
        Some(config.user.as_bytes()),
        config.database.as_deref().map(str::as_bytes),
        Some(plugin.clone()),
        capabilities,
        Some(HashMap::from([("program_name".to_owned(), "cdc".to_owned())])),
        MAX_PACKET,
    );
    wire.write(&serialized(&response)).await?;
    loop {
        /// The first byte of a request for another plugin …
        const SWITCH: u8 = 0xFE;
        /// … and of what the present one has to say.
        const MORE: u8 = 0x01;
        let answer = match wire.receive().await? {
            [OK, ..] => break,
            packet @ [SWITCH, ..] => {
                let asked =
                    ParseBuf(packet).parse::<AuthSwitchRequest<'_>>(()).map(AuthSwitchRequest::into_owned);
                let asked =
                    asked.map_err(|_| wire.unexpected("a request for another plugin of another form"))?;
                plugin = asked.auth_plugin().into_owned();
                nonce = asked.plugin_data().to_vec();
                Answer::Switched
            }
            [MORE, said @ ..] => Answer::More(said.to_vec()),
            _ => Answer::Unknown,
        };
        match answer {
            Answer::Switched => {
                let is_known = matches!(
                    plugin,
                    AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword | AuthPlugin::Ed25519
                );
                if !is_known {
                    let name = String::from_utf8_lossy(plugin.as_bytes()).into_owned();
                    return Err(unknown_plugin(config.endpoint(), &name));
                }
                wire.write(&proof(&plugin, password, &nonce)).await?;
            }
            Answer::More(said) if plugin == AuthPlugin::CachingSha2Password => {
                let is_private = wire.stream.is_encrypted() || config.socket.is_some();
                caching_sha2(wire, &said, password, &nonce, is_private).await?;
            }
            Answer::More(_) | Answer::Unknown => return Err(wire.unexpected("an answer of another form")),
        }
    }
    if is_compressed {
        wire.frames.set_compressed();
    }
    Ok(())
}

enum Answer {
    Switched,
    More(Vec<u8>),
    Unknown,
}

/// The proof of a password by a plugin's rules; empty for an empty one.
fn proof(plugin: &AuthPlugin<'_>, password: &str, nonce: &[u8]) -> Vec<u8> {
    plugin.gen_data(Some(password), nonce).map(|proof| serialized(&proof)).unwrap_or_default()
}

/// The server remembers a proof that it has seen, or wants the password itself: over TLS or a Unix socket as it is, else
/// for its public key.
async fn caching_sha2(
    wire: &mut Wire,
    said: &[u8],
    password: &str,
    nonce: &[u8],
    is_private: bool,
) -> Result<(), Error> {
    const IS_KNOWN: u8 = 3;
    const WANTS_PASSWORD: u8 = 4;
    const WANT_KEY: u8 = 2;
    let mut password = [password.as_bytes(), b"\0"].concat();
    match said {
        [IS_KNOWN] => Ok(()),
        [WANTS_PASSWORD] if is_private => wire.write(&password).await,
        [WANTS_PASSWORD] => wire.write(&[WANT_KEY]).await,
        key if is_pem(key) => {
            for (byte, nonce) in password.iter_mut().zip(nonce.iter().cycle()) {
                *byte ^= nonce;
            }
            wire.write(&crypto::encrypt(&password, key)).await
        }
        _ => Err(wire.unexpected("an answer of another form")),
    }
}

fn is_pem(key: &[u8]) -> bool {
    key.trim_ascii().starts_with(b"-----BEGIN") && key.trim_ascii().ends_with(b"KEY-----")
}

fn serialized(what: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    what.serialize(&mut bytes);
    bytes
}

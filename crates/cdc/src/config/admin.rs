use std::net::SocketAddr;

use serde::Deserialize;

/// `[admin]`: the read-only pages for probes and metrics.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Admin {
    /// Where they are served; nowhere unless told.
    pub(crate) listen: Option<Listen>,
}

/// An address and a port to serve on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Listen(pub(crate) SocketAddr);

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = text.parse().map(Self);
        address.map_err(|_| format!("`{text}` is no address with a port: write it as \"127.0.0.1:8088\""))
    }
}

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[admin]`: the read-only pages for people, probes and metrics.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Admin {
    /// Where they are served; nowhere unless told.
    pub(crate) listen: Option<Listen>,
    /// Holds what a reader must present.
    pub(crate) token_file: Option<PathBuf>,
    /// `[admin.tls]`.
    #[serde(skip)]
    pub(crate) tls: Option<AdminTls>,
}

/// `[admin.tls]`: the pages over TLS.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct AdminTls {
    /// The server's certificates in PEM, its own first.
    pub(crate) cert_file: PathBuf,
    /// The first one's key in PEM.
    pub(crate) key_file: PathBuf,
}

/// An address and a port to serve on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) struct Listen(pub(crate) SocketAddr);

impl Admin {
    /// What other machines could do with the pages that they should not, and what keeps them from it.
    pub(crate) fn exposure(&self) -> Option<(String, &'static str)> {
        let address = self.listen.map(|listen| listen.0).filter(|address| !address.ip().is_loopback())?;
        match (&self.token_file, &self.tls) {
            (None, _) => Some((
                format!("the admin pages on {address} are open to other machines and ask for no token"),
                "name a file with one by [admin] token_file, or listen on 127.0.0.1",
            )),
            (Some(_), None) => Some((
                format!(
                    "the admin pages on {address} are open to other machines and not encrypted, so their token can be \
                     read on the way"
                ),
                "name a certificate by [admin.tls]",
            )),
            (Some(_), Some(_)) => None,
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = text.parse().map(Self);
        address.map_err(|_| format!("`{text}` is no address with a port: write it as \"127.0.0.1:8088\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_can_reach_is_warned_of() {
        let admin = |listen: &str, token: bool, tls: bool| Admin {
            listen: Some(listen.to_owned().try_into().unwrap()),
            token_file: token.then(|| "token".into()),
            tls: tls.then(|| AdminTls { cert_file: "cert".into(), key_file: "key".into() }),
        };
        assert_eq!(Admin::default().exposure(), None);
        assert_eq!(admin("127.0.0.1:1", false, false).exposure(), None);
        assert_eq!(admin("[::1]:1", false, false).exposure(), None);
        assert!(admin("0.0.0.0:1", false, true).exposure().unwrap().1.contains("token_file"));
        assert!(admin("[::]:1", true, false).exposure().unwrap().1.contains("[admin.tls]"));
        assert_eq!(admin("10.0.0.1:1", true, true).exposure(), None);
    }
}

//! Who may read. A token is presented as programs do (`Authorization: Bearer …`) or as browsers can: as the password of
//! HTTP's basic authentication, whatever the user name. Without a token, on loopback, only requests that name this
//! machine are answered: otherwise any website could have a browser on it read the pages under a name of its own
//! (DNS rebinding).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::AdminError;
use crate::config::Admin;

/// Whom the pages are for.
pub(super) enum Access {
    Token(String),
    LocalNames,
    Anybody,
}

impl Access {
    pub(super) fn new(config: &Admin, address: SocketAddr) -> Result<Self, AdminError> {
        Ok(match token(config)? {
            Some(token) => Self::Token(token),
            None if address.ip().is_loopback() => Self::LocalNames,
            None => Self::Anybody,
        })
    }

    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        match self {
            Self::Token(token) => {
                let is_known = presented(headers)
                    .is_some_and(|presented| presented.as_bytes().ct_eq(token.as_bytes()).into());
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"cdc\", charset=\"UTF-8\"")];
                let what =
                    "the token is wanted, as `Authorization: Bearer …` or as the password of any user\n";
                (!is_known).then(|| (StatusCode::UNAUTHORIZED, challenge, what).into_response())
            }
            Self::LocalNames => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let what =
                    "without a token only this machine's own names are answered: 127.0.0.1, localhost\n";
                (!host.is_some_and(is_local)).then(|| (StatusCode::MISDIRECTED_REQUEST, what).into_response())
            }
            Self::Anybody => None,
        }
    }
}

/// Lets a request through, or not.
pub(super) async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.refusal(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// The token that the configuration names.
pub(super) fn token(config: &Admin) -> Result<Option<String>, AdminError> {
    let Some(path) = &config.token_file else { return Ok(None) };
    let failed =
        |problem: String| AdminError::File { key: "[admin] token_file", path: path.clone(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.trim() {
        "" => Err(failed("is empty, so anybody would be let in".to_owned())),
        token => Ok(Some(token.to_owned())),
    }
}

fn presented(headers: &HeaderMap) -> Option<String> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.trim().to_owned()),
        "basic" => {
            let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
            pair.split_once(':').map(|(_, password)| password.to_owned())
        }
        _ => None,
    }
}

/// Whether a `Host` header names this machine, and not a name that anybody can have point to it.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_anybody_can_have_are_not_local() {
        for host in ["localhost", "LocalHost:80", "127.0.0.1:8088", "[::1]:8088", "[::1]", "127.1.2.3"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:80", "10.0.0.1", "", "127.0.0.1.nip.io:80"] {
            assert!(!is_local(host), "{host}");
        }
    }
}

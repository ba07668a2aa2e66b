//! OAUTHBEARER tokens, which somebody else renews in a file.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::client::OAuthToken;
use serde::Deserialize;

use crate::Error;
use crate::secret::read_secret;

/// What is assumed of a token that does not say until when it holds. librdkafka asks for the next one after four
/// fifths of that.
const OPAQUE_LIFETIME: Duration = Duration::from_secs(300);

/// The token in the file, as it stands now.
pub(super) fn read(path: &Path) -> Result<OAuthToken, Error> {
    let token = read_secret("token", path)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unusable =
        |reason: &str| Error::Credentials { what: "token", path: path.to_owned(), reason: reason.to_owned() };
    // RFC 6750 section 2.1; librdkafka would quote the character it does not take.
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(
            "it holds something else than the token: a space, a line end or a letter beyond ASCII",
        ));
    }
    let claims = claims(token.expose()).unwrap_or_default();
    let lifetime_ms = match claims.exp {
        Some(seconds) if Duration::try_from_secs_f64(seconds).is_ok_and(|end| end > now) => {
            (seconds * 1000.0) as i64
        }
        Some(_) => return Err(unusable("it has expired; whoever renews it has not")),
        None => i64::try_from((now + OPAQUE_LIFETIME).as_millis()).unwrap_or(i64::MAX),
    };
    Ok(OAuthToken {
        token: token.expose().to_owned(),
        // librdkafka wants one for its own log lines; the broker takes it from the token.
        principal_name: claims.sub.filter(|sub| !sub.contains('\0')).unwrap_or_else(|| "cdc".to_owned()),
        lifetime_ms,
    })
}

#[derive(Default, Deserialize)]
struct Claims {
    sub: Option<String>,
    /// In seconds since 1970, perhaps with a fraction (RFC 7519 section 2, NumericDate).
    exp: Option<f64>,
}

/// Those of a JWT; none of a token that is opaque.
fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &str) -> Result<OAuthToken, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read(file.path())
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_jwt_says_who_and_until_when() {
        let token = of(&format!("{}\n", jwt(r#"{"sub":"cdc-shop","exp":4102444800.5}"#))).unwrap();
        assert_eq!((token.principal_name.as_str(), token.lifetime_ms), ("cdc-shop", 4_102_444_800_500));
    }

    #[test]
    fn an_opaque_token_is_read_again_soon() {
        for opaque in ["opaque", "a.b", "a.%%%.c", &jwt("[]")] {
            let token = of(opaque).unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            assert!(token.lifetime_ms > now && token.lifetime_ms <= now + 300_000, "{opaque}");
            assert_eq!((token.principal_name.as_str(), token.token.as_str()), ("cdc", opaque));
        }
    }

    #[test]
    fn an_unusable_one_is_refused_without_showing_it() {
        for content in [&jwt(r#"{"exp":1000}"#), &jwt(r#"{"exp":-1}"#), "two words", "t\u{fc}r", ""] {
            let error = of(content).err().unwrap().to_string();
            assert!(content.is_empty() || !error.contains(content), "{error}");
        }
    }
}

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};

use super::HttpOptions;
use super::body::{Body, content_type};
use super::signature::sign;
use crate::secret::{Secret, SecretSource, read_secret};
use crate::{Error, Framing};

/// Where to post to, and what every request says.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) options: HttpOptions,
    pub(super) framing: Framing,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    path: String,
    authority: String,
    source: String,
    headers: Vec<(HeaderName, Value)>,
    hmac_secret: Option<SecretSource>,
}

/// What a header says.
#[derive(Debug)]
enum Value {
    Plain(HeaderValue),
    Secret { what: &'static str, source: SecretSource, prefix: &'static str },
}

const URL: &str = "sink.http.url";

impl Receiver {
    /// Reads no file yet.
    pub(super) fn new(options: &HttpOptions, source: &str, framing: Framing) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Option { option: URL, reason };
        let uri: Uri = options.url.parse().map_err(|error| refuse(format!("it is no URL: {error}")))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse("must begin with https:// or http://".to_owned())),
        };
        let authority = uri.authority().ok_or_else(|| refuse("it names no host".to_owned()))?;
        if authority.as_str().contains('@') {
            let reason = "holds a login, which would be shown; name a token by token_file, or any header by header_files";
            return Err(refuse(reason.to_owned()));
        }
        if options.tls.is_some() && !is_tls {
            return Err(refuse("must begin with https:// for [sink.http.tls]".to_owned()));
        }
        Ok(Self {
            framing,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            is_tls,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            authority: authority.to_string(),
            source: source.to_owned(),
            headers: headers(options)?,
            hmac_secret: SecretSource::of(options.hmac_secret.clone(), options.hmac_secret_file.clone()),
            options: options.clone(),
        })
    }

    /// One request. Secrets are read anew for each, so that a token that somebody renews is never an old one.
    pub(super) fn request(&self, body: &Body, now: SystemTime) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::post(&self.path)
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("cdc/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, content_type(self.framing))
            .header("idempotency-key", &body.key)
            .header("cdc-source", &self.source)
            .header("cdc-events", body.events);
        for (name, value) in &self.headers {
            request = request.header(name, value.read()?);
        }
        if let Some(source) = &self.hmac_secret {
            let secret = source.read(HMAC_SECRET)?;
            let unix_seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let signature = sign(secret.expose(), &body.key, unix_seconds, &body.bytes)
                .map_err(|reason| unusable(HMAC_SECRET, source, reason))?;
            request = request
                .header("webhook-id", &body.key)
                .header("webhook-timestamp", unix_seconds)
                .header("webhook-signature", signature);
        }
        let request = request.body(Full::new(body.bytes.clone()));
        request.map_err(|error| Error::Option { option: URL, reason: error.to_string() })
    }

    /// How we come, for messages.
    pub(super) fn login(&self) -> String {
        let secret = |(_, value): &(HeaderName, Value)| match value {
            Value::Secret { what, source, .. } => Some(format!("with the {what} {source}")),
            Value::Plain(_) => None,
        };
        match self.headers.iter().filter_map(secret).collect::<Vec<_>>().join(" and ") {
            none if none.is_empty() => "without saying who it is".to_owned(),
            login => login,
        }
    }
}

const TOKEN: &str = "token";
const HMAC_SECRET: &str = "HMAC secret";
const HEADER: &str = "header's value";

impl Value {
    fn read(&self) -> Result<HeaderValue, Error> {
        let (what, source, prefix) = match self {
            Self::Plain(value) => return Ok(value.clone()),
            Self::Secret { what, source, prefix } => (*what, source, prefix),
        };
        let secret: Secret = match source {
            SecretSource::Given(secret) => secret.clone(),
            SecretSource::File(path) => read_secret(what, path)?,
        };
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose()))
            .map_err(|_| unusable(what, source, "it holds what can't stand in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn unusable(what: &'static str, source: &SecretSource, reason: &str) -> Error {
    match source {
        SecretSource::File(path) => {
            Error::Credentials { what, path: path.clone(), reason: reason.to_owned() }
        }
        SecretSource::Given(_) => {
            Error::Option { option: "sink.http", reason: format!("the {what} can't be used: {reason}") }
        }
    }
}

/// What is ours to say, and what belongs to the connection.
const OURS: [&str; 11] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// The configuration is shown, and ends up in repositories.
const SECRETS: [&str; 7] = ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"];

fn headers(options: &HttpOptions) -> Result<Vec<(HeaderName, Value)>, Error> {
    let mut headers: Vec<(HeaderName, Value)> = Vec::new();
    if let Some(source) = SecretSource::of(options.token.clone(), options.token_file.clone()) {
        headers.push((AUTHORIZATION, Value::Secret { what: TOKEN, source, prefix: "Bearer " }));
    }
    let plain = options.headers.iter().map(|(name, value)| ("sink.http.headers", name, Err(value)));
    let files = options.header_files.iter().map(|(name, path)| ("sink.http.header_files", name, Ok(path)));
    for (option, text, value) in plain.chain(files) {
        let refuse = |reason: String| Error::Option { option, reason };
        let name: HeaderName =
            text.parse().map_err(|_| refuse(format!("`{text}` can't be the name of a header")))?;
        let is_ours = OURS.contains(&name.as_str())
            || ["cdc-", "webhook-"].iter().any(|prefix| name.as_str().starts_with(prefix));
        if is_ours {
            return Err(refuse(format!("`{name}` is set by this program")));
        }
        if headers.iter().any(|(other, _)| *other == name) {
            let more = if name == AUTHORIZATION { ": token_file is that header too" } else { "" };
            return Err(refuse(format!("`{name}` is there twice{more}")));
        }
        let value = match value {
            Ok(path) => Value::Secret { what: HEADER, source: SecretSource::File(path.clone()), prefix: "" },
            Err(_) if SECRETS.iter().any(|word| name.as_str().contains(word)) => {
                let reason = format!(
                    "`{name}` does not belong in this file: write its value to a file of its own and name that in \
                     header_files"
                );
                return Err(refuse(reason));
            }
            Err(value) => Value::Plain(
                value.parse().map_err(|_| refuse(format!("`{name}` holds what can't stand in a header")))?,
            ),
        };
        headers.push((name, value));
    }
    Ok(headers)
}

/// Without the query, which may hold a key.
impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(keys: &str) -> Result<Receiver, Error> {
        Receiver::new(&toml::from_str(keys).unwrap(), "shop", Framing::Lines)
    }

    #[test]
    fn a_url_says_where() {
        for (url, host, port, path, shown) in [
            ("http://h", "h", 80, "/", "http://h/"),
            ("https://h/a/b?code=hush", "h", 443, "/a/b?code=hush", "https://h/a/b"),
            ("http://[::1]:8080/x", "::1", 8080, "/x", "http://[::1]:8080/x"),
        ] {
            let receiver = receiver(&format!("url = '{url}'")).unwrap();
            assert_eq!((receiver.host.as_str(), receiver.port, receiver.path.as_str()), (host, port, path));
            assert_eq!(receiver.to_string(), shown);
        }
        for url in ["", "h", "ftp://h", "https://", "http://me:hush@h/", "http://a b/"] {
            let error = receiver(&format!("url = '{url}'")).unwrap_err().to_string();
            assert!(error.starts_with("sink.http.url: ") && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn headers_are_checked() {
        for (keys, part) in [
            ("headers = { 'Content-Type' = 'x' }", "set by this program"),
            ("headers = { 'webhook-id' = 'x' }", "set by this program"),
            ("headers = { 'a b' = 'x' }", "name of a header"),
            ("headers = { 'X-Api-Key' = 'hush' }", "header_files"),
            ("headers = { 'a' = \"x\\ny\" }", "can't stand"),
            ("headers = { 'A' = 'x' }\nheader_files = { 'a' = 'f' }", "twice"),
            ("token_file = 't'\nheader_files = { 'authorization' = 'f' }", "twice"),
        ] {
            let error = receiver(&format!("url = 'http://h'\n{keys}")).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_request_says_who_we_are_and_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (token, key, secret) =
            (folder.path().join("token"), folder.path().join("key"), folder.path().join("secret"));
        for (path, content) in [(&token, "one\n"), (&key, "two"), (&secret, "three")] {
            std::fs::write(path, content).unwrap();
        }
        let receiver = receiver(&format!(
            "url = 'http://h:1/x?y=z'\ntoken_file = {token:?}\nheaders = {{ 'X-Tenant' = '7' }}\n\
             header_files = {{ 'X-Key' = {key:?} }}\nhmac_secret_file = {secret:?}"
        ))
        .unwrap();
        let body = Body::of(&[], Framing::Lines);
        let now = UNIX_EPOCH + std::time::Duration::from_secs(1_614_265_330);
        let request = receiver.request(&body, now).unwrap();
        let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", "/x?y=z"));
        for (name, value) in [
            ("host", "h:1"),
            ("authorization", "Bearer one"),
            ("x-tenant", "7"),
            ("x-key", "two"),
            ("cdc-source", "shop"),
            ("cdc-events", "0"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-id", body.key.as_str()),
            ("idempotency-key", body.key.as_str()),
        ] {
            assert_eq!(header(name), value);
        }
        assert!(header("webhook-signature").starts_with("v1,"));
        let shown = format!("{receiver:?} {}", receiver.login());
        assert!(shown.contains("token in") && !shown.contains("three"), "{shown}");
        // Renewed while it runs.
        std::fs::write(&token, "four").unwrap();
        assert_eq!(receiver.request(&body, now).unwrap().headers()["authorization"], "Bearer four");
        std::fs::write(&token, "fo\nur").unwrap();
        let error = receiver.request(&body, now).unwrap_err().to_string();
        assert!(error.contains("token in") && !error.contains("ur\n"), "{error}");
    }
}

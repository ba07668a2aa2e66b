use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::config::{Config, Password, SslMode, TlsConfig};
use crate::error::Error;

const KNOWN: &[&str] =
    &["compression-algorithms", "connect-timeout", "socket", "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode"];

/// MySQL's clients wait for ever by default; a server that is gone should be noticed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a URL with the words of MySQL's own clients for its parameters
/// (<https://dev.mysql.com/doc/refman/9.7/en/connection-options.html>).
///
/// No message quotes anything before the parameters: a password with an unescaped `@`, `/` or `:` makes parts of itself
/// look like a host or a port.
pub(crate) fn parse(text: &str) -> Result<Config, Error> {
    if !["mysql://", "mariadb://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(problem("it must begin with mysql:// or mariadb://"));
    }
    let url = Url::parse(text).map_err(|error| {
        problem(format!("{error}: write an @, /, ? or # of the password as %40, %2F, %3F or %23"))
    })?;
    if url.fragment().is_some() {
        return Err(problem("it has a #: write a # of the password as %23"));
    }
    let user = decode(url.username(), "the user")?;
    if user.is_empty() {
        return Err(problem("it names no user: write mysql://user@host/"));
    }
    let password = match url.password() {
        Some(password) if !password.is_empty() => Password::Given(decode(password, "the password")?),
        _ => Password::None,
    };
    let database = decode(url.path().trim_start_matches('/'), "the database name")?;
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let mut config = Config {
        host: decode(host.trim_start_matches('[').trim_end_matches(']'), "the host")?,
        port: url.port().unwrap_or(3306),
        socket: None,
        user,
        password,
        database: Some(database).filter(|database| !database.is_empty()),
        tls: TlsConfig { mode: SslMode::Preferred, authority: None, client: None },
        compresses: false,
        connect_timeout: Some(CONNECT_TIMEOUT),
    };
    let (mut mode, mut certificate, mut key) = (None, None, None);
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| problem("a parameter after the ? has no value: write name=value"))?;
        // Options have dashes, variables and many drivers underscores: both are understood, as by the clients.
        let name = decode(name, "a parameter's name")?.replace('_', "-");
        let value = decode(value, &name)?;
        match name.as_str() {
            "ssl-mode" => mode = Some(ssl_mode(&value)?),
            "ssl-ca" => config.tls.authority = Some(PathBuf::from(value)),
            "ssl-cert" => certificate = Some(PathBuf::from(value)),
            "ssl-key" => key = Some(PathBuf::from(value)),
            "socket" => config.socket = Some(value),
            "compression-algorithms" => config.compresses = compression(&value)?,
            "connect-timeout" => config.connect_timeout = timeout(&value)?,
            _ => return Err(unknown(&name)),
        }
    }
    // As in the clients: whoever names an authority wants it checked.
    let checked = if config.tls.authority.is_some() { SslMode::VerifyCa } else { SslMode::Preferred };
    config.tls.mode = mode.unwrap_or(checked);
    // Anybody can have a certificate from a public authority: only the name makes it worth something.
    if config.tls.mode == SslMode::VerifyCa && config.tls.authority.is_none() {
        return Err(problem("ssl-mode=VERIFY_CA needs ssl-ca, the file of the authority to trust"));
    }
    config.tls.client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(problem("ssl-cert and ssl-key go together")),
    };
    Ok(config)
}

fn problem(text: impl Into<String>) -> Error {
    Error::Url { problem: text.into() }
}

fn decode(text: &str, what: &str) -> Result<String, Error> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| problem(format!("{what} is not UTF-8")))?;
    if text.contains('\0') {
        return Err(problem(format!("{what} holds a zero byte")));
    }
    Ok(text.into_owned())
}

fn ssl_mode(value: &str) -> Result<SslMode, Error> {
    Ok(match value.to_ascii_uppercase().as_str() {
        "DISABLED" => SslMode::Disabled,
        "PREFERRED" => SslMode::Preferred,
        "REQUIRED" => SslMode::Required,
        "VERIFY_CA" => SslMode::VerifyCa,
        "VERIFY_IDENTITY" => SslMode::VerifyIdentity,
        _ => {
            return Err(problem(format!(
                "ssl-mode is {value:?}, and must be one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY"
            )));
        }
    })
}

fn compression(value: &str) -> Result<bool, Error> {
    match value {
        "zlib" => Ok(true),
        "uncompressed" => Ok(false),
        _ => Err(problem(format!(
            "compression-algorithms is {value:?}, and must be one of zlib, uncompressed"
        ))),
    }
}

fn timeout(value: &str) -> Result<Option<Duration>, Error> {
    let seconds: u32 = value
        .parse()
        .map_err(|_| problem("connect-timeout must be a whole number of seconds, 0 for none"))?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}

fn unknown(name: &str) -> Error {
    let nearest = KNOWN
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)))
        .copied()
        .unwrap_or_default();
    problem(format!("there is no parameter {name:?}; did you mean {nearest:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        parse(url).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn a_url_says_where_and_who() {
        let config =
            parse("mysql://cdc%40x:p%40ss%2F@[::1]:3307/shop?socket=%2Ftmp%2Fs&connect_timeout=0").unwrap();
        assert_eq!((config.host.as_str(), config.port, config.user.as_str()), ("::1", 3307, "cdc@x"));
        assert_eq!((config.socket.as_deref(), config.connect_timeout), (Some("/tmp/s"), None));
        assert_eq!(config.database.as_deref(), Some("shop"));
        assert!(matches!(&config.password, Password::Given(given) if given == "p@ss/"));
        let plain = parse("mariadb://cdc@db").unwrap();
        assert_eq!((plain.port, plain.tls.mode, plain.compresses), (3306, SslMode::Preferred, false));
    }

    #[test]
    fn the_mode_of_tls_is_what_mysql_s_clients_make_of_it() {
        let mode = |parameters: &str| parse(&format!("mysql://u@h/?{parameters}")).unwrap().tls.mode;
        assert_eq!(mode("ssl-ca=/ca"), SslMode::VerifyCa);
        assert_eq!(mode("ssl-mode=required"), SslMode::Required);
        assert_eq!(mode("ssl-ca=/ca&ssl-mode=VERIFY_IDENTITY"), SslMode::VerifyIdentity);
        assert!(refused("mysql://u@h/?ssl-mode=VERIFY_CA").contains("ssl-ca"));
        assert!(refused("mysql://u@h/?ssl-cert=/c").contains("go together"));
        assert!(refused("mysql://u@h/?ssl-mode=yes").contains("PREFERRED"));
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        assert!(refused("postgres://u@h").contains("mysql://"));
        assert!(refused("mysql://h/").contains("no user"));
        assert!(refused("mysql://u@h/?sslmode=x").contains("ssl-mode"));
        assert!(refused("mysql://u@h/?compression-algorithms=brotli").contains("zlib"));
        for url in ["mysql://u:secret/x@h:port/", "mysql://u:sec#ret@h/", "mysql://u:secret@h:99999/"] {
            assert!(!refused(url).contains("sec"), "{url}");
        }
    }
}

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use transport::Liveness;

use super::config::{
    ChannelBinding, Config, Host, Place, RootCertificates, SslMode, TargetSession, TlsConfig,
};
use super::password::Password;
use crate::error::Error;

/// Reads a libpq URL (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>).
///
/// No message quotes anything before the parameters: a password with an unescaped `@`, `/` or `:` makes parts of
/// itself look like a host or a port.
pub(super) fn parse(url: &str) -> Result<Config, Error> {
    let rest = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or_else(|| problem("it must begin with postgres:// or postgresql://"))?;
    let mut parameters = Parameters::default();
    // The login ends at the first @ before any /, as in libpq; a ? may stand in it.
    let (login, rest) = match rest.split_once('@') {
        Some((login, rest)) if !login.contains('/') => (Some(login), rest),
        _ => (None, rest),
    };
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        parameters.set_decoded("user", user, "the user")?;
        parameters.set_decoded("password", password, "the password")?;
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    if hosts.contains('@') {
        return Err(problem("there are two @ before the database: write an @ of the password as %40"));
    }
    parameters.set_decoded("dbname", database, "the database name")?;
    split_hosts(hosts, &mut parameters)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| problem("a parameter after the ? has no value: write name=value"))?;
        let name = decode(name, "a parameter's name")?;
        known(&name)?;
        parameters.set_decoded(&name, value, &name)?;
    }
    build(parameters)
}

const KNOWN: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "options",
    "passfile",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Decoded parameters by name; an empty value is as good as none, as in libpq.
#[derive(Default)]
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn set_decoded(&mut self, name: &str, value: &str, what: &str) -> Result<(), Error> {
        let value = decode(value, what)?;
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value);
        }
        Ok(())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn take_path(&mut self, name: &str) -> Option<PathBuf> {
        self.take(name).map(PathBuf::from)
    }

    fn take_number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, Error> {
        self.take(name)
            .map(|value| value.trim().parse())
            .transpose()
            .map_err(|_| problem(format!("{name} must be a whole number, not negative")))
    }

    /// One of the named values, or the first.
    fn take_choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], default: T) -> Result<T, Error> {
        let Some(value) = self.take(name) else { return Ok(default) };
        choices.iter().find(|(choice, _)| *choice == value).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            problem(format!("{name} is {value:?}, and must be one of {}", names.join(", ")))
        })
    }
}

fn problem(text: impl Into<String>) -> Error {
    Error::Url { problem: text.into() }
}

/// Undoes percent-encoding; a `+` stays a `+`, as in libpq.
fn decode(text: &str, what: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (rest.next().and_then(hex_digit), rest.next().and_then(hex_digit)) {
                (Some(high), Some(low)) => high * 16 + low,
                _ => {
                    return Err(problem(format!(
                        "{what} holds a % without two hexadecimal digits: write a % as %25"
                    )));
                }
            },
            byte => byte,
        });
    }
    if bytes.contains(&0) {
        return Err(problem(format!("{what} holds a zero byte")));
    }
    String::from_utf8(bytes).map_err(|_| problem(format!("{what} is not UTF-8")))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn known(name: &str) -> Result<(), Error> {
    if KNOWN.contains(&name) {
        return Ok(());
    }
    let nearest = KNOWN
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)))
        .copied()
        .unwrap_or_default();
    Err(problem(format!("there is no parameter {name:?}; did you mean {nearest:?}?")))
}

/// Sets `host` and `port` to lists of equal length, from `h1:p1,[v6]:p2,…`.
fn split_hosts(text: &str, parameters: &mut Parameters) -> Result<(), Error> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in text.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (name, rest) = bracketed.split_once(']').ok_or_else(|| {
                    problem("a host that begins with [ has no ]: write an IPv6 address as [::1]")
                })?;
                let port = match rest {
                    "" => "",
                    rest => {
                        rest.strip_prefix(':').ok_or_else(|| problem("after the ] of a host comes :port"))?
                    }
                };
                (name, port)
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(name);
        ports.push(port);
    }
    parameters.set_decoded("host", &names.join(","), "the host")?;
    // A list of empty ports says nothing, and must not stand in the way of an empty default.
    if ports.iter().any(|port| !port.is_empty()) {
        parameters.set_decoded("port", &ports.join(","), "the port")?;
    }
    Ok(())
}

fn build(mut parameters: Parameters) -> Result<Config, Error> {
    let user = parameters
        .take("user")
        .ok_or_else(|| problem("it names no user: write postgres://user@host/database"))?;
    let hosts = hosts(
        &parameters.take("host").unwrap_or_else(|| "localhost".to_owned()),
        &parameters.take("port").unwrap_or_default(),
    )?;
    let password = match (parameters.take("password"), parameters.take_path("passfile")) {
        (Some(password), _) => Password::Given(password),
        (None, Some(path)) => Password::Passfile(path),
        (None, None) => Password::None,
    };
    let connect_timeout = match parameters.take_number::<u32>("connect_timeout")? {
        None => Some(CONNECT_TIMEOUT),
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds.into())),
    };
    Ok(Config {
        hosts,
        database: parameters.take("dbname").unwrap_or_else(|| user.clone()),
        user,
        password,
        tls: tls(&mut parameters)?,
        channel_binding: parameters.take_choice(
            "channel_binding",
            &[
                ("prefer", ChannelBinding::Prefer),
                ("require", ChannelBinding::Require),
                ("disable", ChannelBinding::Disable),
            ],
            ChannelBinding::Prefer,
        )?,
        connect_timeout,
        target_session: parameters.take_choice(
            "target_session_attrs",
            &[
                ("any", TargetSession::Any),
                ("read-write", TargetSession::ReadWrite),
                ("read-only", TargetSession::ReadOnly),
                ("primary", TargetSession::Primary),
                ("standby", TargetSession::Standby),
                ("prefer-standby", TargetSession::PreferStandby),
            ],
            TargetSession::Any,
        )?,
        application_name: parameters.take("application_name").unwrap_or_else(|| "cdc".to_owned()),
        options: parameters.take("options"),
        liveness: liveness(&mut parameters)?,
    })
}

/// libpq waits for ever by default; a server that is gone should be noticed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

fn hosts(names: &str, ports: &str) -> Result<Vec<Host>, Error> {
    let names: Vec<&str> = names.split(',').collect();
    let ports: Vec<u16> = ports
        .split(',')
        .map(|port| match port {
            "" => Some(5432),
            port => port.parse().ok().filter(|port| *port > 0),
        })
        .collect::<Option<_>>()
        .ok_or_else(|| {
            problem("a port is not a number from 1 to 65535; a : or / of the password is written %3A or %2F")
        })?;
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(problem(format!("there are {} hosts and {} ports", names.len(), ports.len())));
    }
    Ok(names
        .iter()
        .zip(ports.iter().cycle())
        .map(|(name, port)| Host {
            place: match *name {
                "" => Place::Tcp("localhost".to_owned()),
                folder if folder.starts_with('/') => Place::Unix(folder.into()),
                name => Place::Tcp(name.to_owned()),
            },
            port: *port,
        })
        .collect())
}

fn tls(parameters: &mut Parameters) -> Result<TlsConfig, Error> {
    let root = parameters.take("sslrootcert").map(|value| match value.as_str() {
        "system" => RootCertificates::System,
        path => RootCertificates::File(path.into()),
    });
    let system = root == Some(RootCertificates::System);
    let mode = parameters.take_choice(
        "sslmode",
        &[
            ("disable", SslMode::Disable),
            ("allow", SslMode::Allow),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ],
        if system { SslMode::VerifyFull } else { SslMode::Prefer },
    )?;
    // Anybody can have a certificate from one of the system's authorities: only the name makes it worth something.
    if system && mode != SslMode::VerifyFull {
        return Err(problem("sslrootcert=system goes with sslmode=verify-full alone"));
    }
    if mode == SslMode::VerifyCa && root.is_none() {
        return Err(problem("sslmode=verify-ca needs sslrootcert, the file of the authority to trust"));
    }
    let client = match (parameters.take_path("sslcert"), parameters.take_path("sslkey")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(problem("sslcert and sslkey go together")),
    };
    Ok(TlsConfig { mode, root, client })
}

fn liveness(parameters: &mut Parameters) -> Result<Liveness, Error> {
    let default = Liveness::default();
    // 0 means the system's default, as in libpq.
    let seconds = |given: Option<u32>, default| match given {
        None => default,
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds.into())),
    };
    Ok(Liveness {
        keepalives: parameters.take_number::<u32>("keepalives")?.is_none_or(|value| value != 0),
        idle: seconds(parameters.take_number("keepalives_idle")?, default.idle),
        interval: seconds(parameters.take_number("keepalives_interval")?, default.interval),
        count: match parameters.take_number("keepalives_count")? {
            None => default.count,
            given => given.filter(|count| *count > 0),
        },
        user_timeout: match parameters.take_number::<u32>("tcp_user_timeout")? {
            None => default.user_timeout,
            Some(0) => None,
            Some(milliseconds) => Some(Duration::from_millis(milliseconds.into())),
        },
    })
}

#[cfg(test)]
mod tests;

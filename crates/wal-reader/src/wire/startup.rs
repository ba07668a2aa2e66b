use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::config::Config;
use super::connection::Connection;
use crate::error::{Doing, Error};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Queries and COPY.
    Sql,
    /// The same, and the replication commands (`replication=database`).
    Replication,
}

/// Session settings that decide how values look as text, and that no `ALTER DATABASE`, `ALTER ROLE` or
/// `postgresql.conf` may change under us. Given at startup they rank above all of those, and hold in a walsender,
/// whose output functions obey them too.
const PINS: &[(&str, &str)] = &[
    ("DateStyle", "ISO"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    // Shortest text that reads back as the same float; any value above 0 means that since 12.
    ("extra_float_digits", "3"),
    ("client_encoding", "UTF8"),
    // Names of tables and functions as values.
    ("quote_all_identifiers", "off"),
    // A loss may be told by a warning only.
    ("client_min_messages", "warning"),
    // Literals in our own statements are written for this.
    ("standard_conforming_strings", "on"),
    // A load waits and reads as long as it takes.
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
];

/// Since this version there is one more timeout, which older servers would refuse to hear of at startup.
const TRANSACTION_TIMEOUT_SINCE: u32 = 170_000;

/// Puts the startup packet together.
pub(super) fn write_packet(connection: &mut Connection, config: &Config, mode: Mode) -> Result<(), Error> {
    let options = options(config);
    let mut parameters = vec![
        ("user", config.user.as_str()),
        ("database", config.database.as_str()),
        ("application_name", config.application_name.as_str()),
        ("options", options.as_str()),
    ];
    if mode == Mode::Replication {
        parameters.push(("replication", "database"));
    }
    frontend::startup_message(parameters, &mut connection.outgoing)
        .map_err(|error| connection.not_understood(&DOING, error))
}

/// Reads what the server tells about itself after the login, up to its first ReadyForQuery.
pub(super) async fn finish(connection: &mut Connection) -> Result<(), Error> {
    loop {
        match connection.receive(&DOING).await? {
            Message::BackendKeyData(body) => connection.backend_pid = body.process_id(),
            Message::ReadyForQuery(_) => break,
            _ => return Err(connection.unexpected(&DOING)),
        }
    }
    let version = connection.parameter("server_version").unwrap_or_default();
    connection.server_version_num = version_num(version)
        .ok_or_else(|| connection.not_understood(&DOING, format!("server_version is {version:?}")))?;
    if connection.server_version_num >= TRANSACTION_TIMEOUT_SINCE {
        connection.execute("SET transaction_timeout = 0").await?;
    }
    // Between UTF8 and a database without an encoding the server converts nothing, yet refuses whatever is not UTF-8
    // (`pg_server_to_any` in mbutils.c): no such row could be read. So its text is taken as the bytes that it is.
    if connection.parameter("server_encoding") == Some("SQL_ASCII") {
        connection.execute("SET client_encoding = SQL_ASCII").await?;
    }
    Ok(())
}

pub(super) const DOING: Doing = Doing::Borrowed("logging in");

/// What the user gave comes first, so that the pins win.
fn options(config: &Config) -> String {
    let mut options = config.options.clone().unwrap_or_default();
    for (name, value) in PINS {
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str(&format!("-c {name}={value}"));
    }
    options
}

/// `15.20 (Debian 15.20-1)` is 150020, `18beta1` is 180000, `9.6.24` is 90624.
fn version_num(version: &str) -> Option<u32> {
    let number = version.split_ascii_whitespace().next()?;
    let mut parts = number.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits)?.parse::<u32>().ok()
    });
    let major = parts.next()??;
    let minor = parts.next().flatten().unwrap_or(0);
    let patch = parts.next().flatten().unwrap_or(0);
    if major >= 10 { Some(major * 10_000 + minor) } else { Some(major * 10_000 + minor * 100 + patch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, number) in [
            ("15.20 (Debian 15.20-0+deb12u1)", Some(150_020)),
            ("18.4", Some(180_004)),
            ("18beta1", Some(180_000)),
            ("19devel", Some(190_000)),
            ("9.6.24", Some(90_624)),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(version_num(text), number, "{text}");
        }
    }

    #[test]
    fn pins_come_after_the_user_s_options() {
        let config = Config::parse("postgres://u@h/d?options=-c%20DateStyle%3DSQL").unwrap();
        let options = options(&config);
        assert!(options.starts_with("-c DateStyle=SQL -c DateStyle=ISO -c TimeZone=UTC "), "{options}");
    }
}

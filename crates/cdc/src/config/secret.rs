use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

/// A text that nobody is shown: not in logs, not in errors, not in `cdc config show`.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself, for whoever has to send it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What stands where a secret was.
pub(crate) const BLANK: &str = "***";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLANK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLANK)
    }
}

/// A connection URL, which may hold a password: shown without it.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct SecretUrl(String);

impl SecretUrl {
    /// The whole URL, for whoever connects.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is of MySQL or MariaDB.
    pub(crate) fn is_mysql(&self) -> bool {
        ["mysql:", "mariadb:"].iter().any(|scheme| self.0.starts_with(scheme))
    }
}

impl SecretUrl {
    /// The URL with every password cut out of it, together with what led up to it.
    pub(crate) fn without_password(&self) -> String {
        let mut text = self.0.clone();
        for range in passwords(&self.0).into_iter().rev() {
            let before = self.0.get(..range.start).unwrap_or_default();
            let start = match before.strip_suffix("password=") {
                // `sslpassword=` too.
                Some(rest) => rest.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len(),
                None => before.strip_suffix(':').unwrap_or(before).len(),
            };
            // A parameter goes with the sign that follows it, or else with the one before it.
            let rest = text.get(range.end..).unwrap_or_default();
            let (start, end) = match (before.ends_with("password="), rest.starts_with('&')) {
                (true, true) => (start, range.end + 1),
                (true, false) => (start.saturating_sub(1), range.end),
                (false, _) => (start, range.end),
            };
            text.replace_range(start..end, "");
        }
        text
    }
}

impl From<&str> for SecretUrl {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // From the end, so that the earlier ranges stay true.
        for range in passwords(&self.0).into_iter().rev() {
            shown.replace_range(range, BLANK);
        }
        f.write_str(&shown)
    }
}

/// Whether a key's value must not be shown. A `*_file` key holds a path, which may be.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    !key.ends_with("_file")
        && ["password", "passwd", "secret", "token", "credential", "sasl.jaas", "nkey", "seed", ".pem"]
            .iter()
            .any(|word| key.contains(word))
}

/// A configuration file's text with every secret overwritten by `*`, byte for byte, so that places in it stay true.
/// Errs on the side of blanking: it works line by line, on files that may not even parse.
pub(crate) fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let mut ranges = passwords(body);
        ranges.extend(secret_values(body));
        let blanked = |at: usize| ranges.iter().any(|range| range.contains(&at));
        for (at, character) in body.char_indices() {
            match blanked(at) {
                true => shown.extend(std::iter::repeat_n('*', character.len_utf8())),
                false => shown.push(character),
            }
        }
        shown.push_str(line.get(body.len()..).unwrap_or_default());
    }
    shown
}

/// Where passwords stand in URLs and connection strings: `scheme://user:HERE@host` and `?password=HERE`. Ascending, without overlaps.
fn passwords(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let scheme = text.get(..at).unwrap_or_default();
        found.extend(
            in_authority(scheme, text.get(start..).unwrap_or_default())
                .map(|range| start + range.start..start + range.end),
        );
    }
    // What a web server is told by the query of its address may be a token, whatever that is called.
    for (at, _) in text.match_indices("://") {
        let scheme = text.get(..at).unwrap_or_default();
        let rest = text.get(at..).unwrap_or_default();
        let rest = rest.get(..rest.find(['"', ' ']).unwrap_or(rest.len())).unwrap_or_default();
        if (scheme.ends_with("http") || scheme.ends_with("https"))
            && let Some(query) = rest.find('?')
        {
            found.push(at + query + 1..at + rest.len());
        }
    }
    // Also `sslpassword=`. `password = "…"` of TOML is the business of `secret_values`.
    for (at, name) in text.match_indices("password=") {
        let start = at + name.len();
        let rest = text.get(start..).unwrap_or_default();
        found.push(start..start + rest.find(['&', '"', '\'', ' ']).unwrap_or(rest.len()));
    }
    // In a connection string of ODBC, where a password in braces may hold anything.
    for (at, name) in text.to_ascii_lowercase().match_indices("pwd=") {
        let start = at + name.len();
        let rest = text.get(start..).unwrap_or_default();
        found.push(start..start + rest.find('"').unwrap_or(rest.len()));
    }
    merged(found)
}

/// In what follows `scheme://`. An unescaped `@`, slash or quote may be part of a password, so it ends before the last `@`
/// of all: rather too much is blanked than a part shown.
fn in_authority(scheme: &str, rest: &str) -> Option<Range<usize>> {
    let host = rest.rfind('@')?;
    let user = rest.get(..host).unwrap_or_default();
    match user.find(':') {
        Some(colon) => Some(colon + 1..host),
        // NATS has a token where others have a user.
        None => ["nats", "tls", "ws", "wss"].iter().any(|each| scheme.ends_with(each)).then_some(0..host),
    }
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Where the values of secret keys stand in a line of TOML: `password = HERE`, also in inline tables.
fn secret_values(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (equals, _) in line.match_indices('=') {
        let before = line.get(..equals).unwrap_or_default().trim_end();
        let quoted = before.ends_with(['"', '\'']);
        let key = before.trim_end_matches(['"', '\'']);
        let start = key
            .rfind(|c: char| matches!(c, '{' | ',' | '"' | '\'') || (!quoted && c.is_whitespace()))
            .map_or(0, |at| at + 1);
        if is_secret_key(key.get(start..).unwrap_or_default()) {
            // To the end of the line: commas and quotes may be part of the value.
            found.push(equals + 1..line.len());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_shown_a_secret() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://cdc@h:5432/shop", "postgres://cdc@h:5432/shop"),
            ("postgres://h:5432/shop", "postgres://h:5432/shop"),
            (
                "postgres://cdc:hunter2@h:5432/shop?sslmode=require",
                "postgres://cdc:***@h:5432/shop?sslmode=require",
            ),
            ("postgres://cdc:hun@ter2@h/shop", "postgres://cdc:***@h/shop"),
            ("postgres://cdc:hun/ter2@h/shop", "postgres://cdc:***@h/shop"),
            (
                "postgres://cdc@h/shop?password=hunter2&sslmode=require",
                "postgres://cdc@h/shop?password=***&sslmode=require",
            ),
            ("postgres://cdc:hunter2@a:1,b:2/shop", "postgres://cdc:***@a:1,b:2/shop"),
            ("nats://hunter2@h:4222", "nats://***@h:4222"),
            ("nats://u:hunter2@h:4222", "nats://u:***@h:4222"),
            ("host=h password=hunter2 user=cdc", "host=h password=*** user=cdc"),
            ("https://h/in?key=hunter2&x=hunter2", "https://h/in?***"),
            ("https://h/in", "https://h/in"),
        ] {
            assert_eq!(SecretUrl::from(url).to_string(), shown, "{url}");
            assert_eq!(format!("{:?}", SecretUrl::from(url)), shown, "{url}");
        }
    }

    #[test]
    fn a_url_can_be_written_down_without_its_password() {
        for (url, without) in [
            ("postgres://cdc@h/shop?sslmode=require", "postgres://cdc@h/shop?sslmode=require"),
            ("postgres://cdc:hunter2@h:5432/shop", "postgres://cdc@h:5432/shop"),
            (
                "postgres://cdc@h/shop?password=hunter2&sslmode=require",
                "postgres://cdc@h/shop?sslmode=require",
            ),
            (
                "postgres://cdc@h/shop?sslmode=require&password=hunter2",
                "postgres://cdc@h/shop?sslmode=require",
            ),
            ("postgres://cdc@h/shop?password=hunter2", "postgres://cdc@h/shop"),
            ("postgres://cdc:a@h/shop?sslpassword=b&x=y", "postgres://cdc@h/shop?x=y"),
        ] {
            assert_eq!(SecretUrl::from(url).without_password(), without, "{url}");
        }
    }

    #[test]
    fn a_redacted_file_keeps_every_place() {
        let text = "[source.postgres]\nurl = \"postgres://cdc:hünter2@h/shop\" # ünicode\npassword = \"hunter2\"\n\
                    password_file = \"/run/secrets/pg\"\r\nproperties = { \"sasl.password\" = \"hunter2\", x = \"y\" }\n\
                    url = \"https://h/in?key=hünter2&x='hünter2\" # and on\nbroken password = 'hunter2";
        let shown = redact(text);
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("nter2"), "{shown}");
        assert!(shown.contains("password_file = \"/run/secrets/pg\"\r\n"), "{shown}");
        assert!(shown.contains("# ünicode"), "{shown}");
        assert!(shown.contains("https://h/in?*") && shown.contains("# and on"), "{shown}");
    }

    proptest::proptest! {
        /// However URLs are strung together: no panic, and the file's places stay true.
        #[test]
        fn any_text_can_be_shown(text in "(a|é|nats|://|:|@|/|\"|password=| |&|\n){0,24}") {
            let _ = SecretUrl::from(text.as_str()).to_string();
            proptest::prop_assert_eq!(redact(&text).len(), text.len());
        }

        #[test]
        fn no_password_is_shown(password in "[a-z0-9:@/]{1,12}hunter2[a-z0-9:@/]{0,12}") {
            let url = format!("postgres://cdc:{password}@h:5432/shop");
            proptest::prop_assert!(!SecretUrl::from(url.as_str()).to_string().contains("hunter2"));
            let text = format!("url = \"{url}\"");
            proptest::prop_assert!(!redact(&text).contains("hunter2"));
        }
    }
}

use std::fmt;
use std::path::Path;

use serde::Deserialize;

/// A text that nobody is shown: not in logs, not in errors, not in `cdc config show`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself, for whoever has to send it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What a `*_file` key names. One line end at the end is not part of the secret: editors and `echo` add it.
    pub(crate) fn from_file(path: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Self(text.strip_suffix('\r').unwrap_or(text).to_owned()))
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
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretUrl(String);

impl SecretUrl {
    /// The whole URL, for whoever connects.
    pub(crate) fn expose(&self) -> &str {
        &self.0
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

/// Where passwords stand in URLs: `scheme://user:HERE@host` and `?password=HERE`.
fn passwords(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from + at + "://".len();
        let rest = text.get(start..).unwrap_or_default();
        let authority =
            rest.get(..rest.find(['/', '"', '\'', ' ']).unwrap_or(rest.len())).unwrap_or_default();
        // The last @: an unescaped one in a password must not show its second half.
        if let (Some(colon), Some(host)) = (authority.find(':'), authority.rfind('@'))
            && colon < host
        {
            found.push(start + colon + 1..start + host);
        } else if let Some(colon) = authority.find(':')
            && let Some(host) = rest.rfind('@')
            && colon < host
        {
            // An unescaped slash or quote in the password: whatever it is, it ends before the last @.
            found.push(start + colon + 1..start + host);
        }
        from = start;
    }
    for name in ["password=", "sslpassword="] {
        for (at, _) in text.match_indices(name) {
            let start = at + name.len();
            let rest = text.get(start..).unwrap_or_default();
            let end = rest.find(['&', '"', '\'', ' ']).unwrap_or(rest.len());
            // `password = "…"` of TOML is the business of `secret_values`.
            found.push(start..start + end);
        }
    }
    found.sort_by_key(|range| range.start);
    found.dedup();
    found
}

/// Where the values of secret keys stand in a line of TOML: `password = HERE`, also in inline tables.
fn secret_values(line: &str) -> Vec<std::ops::Range<usize>> {
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
            ("host=h password=hunter2 user=cdc", "host=h password=*** user=cdc"),
        ] {
            assert_eq!(SecretUrl::from(url).to_string(), shown, "{url}");
            assert_eq!(format!("{:?}", SecretUrl::from(url)), shown, "{url}");
        }
    }

    #[test]
    fn a_redacted_file_keeps_every_place() {
        let text = "[source.postgres]\nurl = \"postgres://cdc:hünter2@h/shop\" # ünicode\npassword = \"hunter2\"\n\
                    password_file = \"/run/secrets/pg\"\r\nproperties = { \"sasl.password\" = \"hunter2\", x = \"y\" }\n\
                    broken password = 'hunter2";
        let shown = redact(text);
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("nter2"), "{shown}");
        assert!(shown.contains("password_file = \"/run/secrets/pg\"\r\n"), "{shown}");
        assert!(shown.contains("# ünicode"), "{shown}");
    }

    #[test]
    fn the_line_end_of_a_secret_file_is_not_part_of_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " hunter 2 \n").unwrap();
        assert_eq!(Secret::from_file(file.path()).unwrap().expose(), " hunter 2 ");
    }
}

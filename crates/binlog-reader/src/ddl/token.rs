use super::Dialect;

/// A piece of a statement. Comments are gone, and what a versioned one says to this server is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Unquoted: a keyword, or a name.
    Word(String),
    /// A quoted name.
    Name(String),
    /// A quoted text.
    Text(String),
    Number(String),
    Symbol(char),
}

/// Bits of `sql_mode`, the same in MySQL and MariaDB.
const ANSI_QUOTES: u64 = 4;
const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

/// Takes a statement apart as the server's lexer does; none if a quote or a comment has no end.
pub(super) fn tokens(statement: &str, dialect: &Dialect) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = statement;
    let mut is_in_versioned = false;
    let has_escapes = dialect.sql_mode & NO_BACKSLASH_ESCAPES == 0;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if rest.starts_with("*/") && is_in_versioned {
            is_in_versioned = false;
            rest = rest.get(2..)?;
        } else if let Some(after) = rest.strip_prefix("/*") {
            match executed(after, dialect) {
                Some(inner) => {
                    is_in_versioned = true;
                    rest = inner;
                }
                None => rest = after.split_once("*/")?.1,
            }
        } else if first == '#' || is_dash_comment(rest) {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if first == '`' || first == '"' || first == '\'' {
            let is_name = first == '`' || first == '"' && dialect.sql_mode & ANSI_QUOTES != 0;
            let (text, after) = quoted(rest.get(1..)?, first, has_escapes && !is_name)?;
            rest = after;
            match (is_name, tokens.last_mut()) {
                (true, _) => tokens.push(Token::Name(text)),
                // Texts side by side are one.
                (false, Some(Token::Text(before))) => before.push_str(&text),
                (false, _) => tokens.push(Token::Text(text)),
            }
        } else if is_word(first) {
            let end = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
            tokens.push(if is_number {
                Token::Number(word.to_owned())
            } else {
                Token::Word(word.to_owned())
            });
        } else {
            tokens.push(Token::Symbol(first));
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    Some(tokens)
}

/// What follows the head of a comment that this server executes. MariaDB passes over those of MySQL 5.7 and later.
fn executed<'s>(comment: &'s str, dialect: &Dialect) -> Option<&'s str> {
    let (body, is_own) = match comment.strip_prefix("M!") {
        Some(body) if dialect.is_mariadb => (body, true),
        _ => (comment.strip_prefix('!')?, false),
    };
    let digits = body.bytes().take(6).take_while(u8::is_ascii_digit).count();
    // Six only where the server has them: MySQL's fifth is followed by a space, of late.
    let digits = if digits < 5 { 0 } else { digits };
    let (version, inner) = body.split_at(digits);
    let version: u32 = if version.is_empty() { 0 } else { version.parse().ok()? };
    let is_mysqls = dialect.is_mariadb && !is_own && (50_700..=99_999).contains(&version);
    (version <= dialect.version && !is_mysqls).then_some(inner)
}

fn is_dash_comment(rest: &str) -> bool {
    rest.strip_prefix("--").is_some_and(|after| {
        after.is_empty() || after.starts_with(|next: char| next.is_whitespace() || next.is_control())
    })
}

/// Up to the closing quote, which stands for itself where it is doubled.
fn quoted(rest: &str, quote: char, has_escapes: bool) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, next)) = chars.next() {
        if next == '\\' && has_escapes {
            text.push(match chars.next()?.1 {
                '0' => '\0',
                'b' => '\u{8}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'Z' => '\u{1A}',
                other => other,
            });
        } else if next != quote {
            text.push(next);
        } else if rest.get(at + 1..)?.starts_with(quote) {
            text.push(quote);
            chars.next();
        } else {
            return Some((text, rest.get(at + 1..)?));
        }
    }
    None
}

fn is_word(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_' || next == '$' || !next.is_ascii()
}

use event::TableName;

use super::Dialect;
use super::token::Token;

/// Goes through a statement. What returns nothing has not moved, or the statement is not understood.
#[derive(Clone)]
pub(super) struct Reader<'t> {
    tokens: &'t [Token],
    database: &'t str,
    pub(super) dialect: &'t Dialect,
}

impl<'t> Reader<'t> {
    pub(super) fn new(tokens: &'t [Token], database: &'t str, dialect: &'t Dialect) -> Self {
        Self { tokens, database, dialect }
    }

    /// A statement's end may have a semicolon.
    pub(super) fn is_at_end(&self) -> bool {
        self.tokens.iter().all(|token| *token == Token::Symbol(';'))
    }

    pub(super) fn peek(&self) -> Option<&'t Token> {
        self.tokens.first()
    }

    pub(super) fn skip(&mut self) -> Option<&'t Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// An unquoted word.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        match self.peek()? {
            Token::Word(word) => {
                self.skip();
                Some(word)
            }
            _ => None,
        }
    }

    pub(super) fn is_word(&self, expected: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(expected))
    }

    pub(super) fn take_word(&mut self, expected: &str) -> bool {
        let is = self.is_word(expected);
        if is {
            self.skip();
        }
        is
    }

    /// All of them, or none.
    pub(super) fn take_words(&mut self, expected: &[&str]) -> bool {
        let mut ahead = self.clone();
        let are = expected.iter().all(|word| ahead.take_word(word));
        if are {
            *self = ahead;
        }
        are
    }

    pub(super) fn expect_word(&mut self, expected: &str) -> Option<()> {
        self.take_word(expected).then_some(())
    }

    pub(super) fn is_symbol(&self, expected: char) -> bool {
        self.peek() == Some(&Token::Symbol(expected))
    }

    pub(super) fn take_symbol(&mut self, expected: char) -> bool {
        let is = self.is_symbol(expected);
        if is {
            self.skip();
        }
        is
    }

    pub(super) fn expect_symbol(&mut self, expected: char) -> Option<()> {
        self.take_symbol(expected).then_some(())
    }

    /// A name, quoted or not; unquoted it may be a keyword as well.
    pub(super) fn name(&mut self) -> Option<String> {
        match self.skip()? {
            Token::Word(name) | Token::Name(name) => Some(name.clone()),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<String> {
        match self.skip()? {
            Token::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        match self.skip()? {
            Token::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn database_name(&mut self) -> Option<String> {
        let name = self.name()?;
        Some(self.cased(name))
    }

    /// The database that an `ALTER DATABASE` names, or means.
    pub(super) fn altered_database(&mut self) -> Option<String> {
        let mut ahead = self.clone();
        let is_option =
            ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "COMMENT", "ENCRYPTION", "READ", "UPGRADE"]
                .iter()
                .any(|word| ahead.take_word(word));
        if is_option { Some(self.cased(self.database.to_owned())) } else { self.database_name() }
    }

    /// A table's name, with or without its database's.
    pub(super) fn table(&mut self) -> Option<TableName> {
        let first = self.name()?;
        let (schema, table) = match self.take_symbol('.') {
            true => (first, self.name()?),
            false => (self.database.to_owned(), first),
        };
        (!schema.is_empty()).then(|| TableName::new(self.cased(schema), self.cased(table)))
    }

    fn cased(&self, name: String) -> String {
        if self.dialect.lowers_names { name.to_lowercase() } else { name }
    }

    /// Passes over what stands between parentheses, which open here.
    pub(super) fn skip_parentheses(&mut self) -> Option<()> {
        self.expect_symbol('(')?;
        let mut depth = 1;
        while depth > 0 {
            match self.skip()? {
                Token::Symbol('(') => depth += 1,
                Token::Symbol(')') => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }

    /// Passes over one token, or all that stands between parentheses that open here.
    pub(super) fn skip_element(&mut self) -> Option<()> {
        if self.is_symbol('(') { self.skip_parentheses() } else { self.skip().map(|_| ()) }
    }

    /// The columns of a key between parentheses; a beginning of one counts as the column.
    pub(super) fn key_columns(&mut self) -> Option<Vec<String>> {
        self.expect_symbol('(')?;
        let mut columns = Vec::new();
        loop {
            columns.push(self.name()?);
            if self.is_symbol('(') {
                self.skip_parentheses()?;
            }
            let _is_ordered = self.take_word("ASC") || self.take_word("DESC");
            if self.take_symbol(')') {
                return Some(columns);
            }
            self.expect_symbol(',')?;
        }
    }
}

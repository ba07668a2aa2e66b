use std::borrow::Cow;

use super::charset::Charset;
use super::compressed::inflate;
use super::cursor::Cursor;
use crate::Error;

/// A statement that is logged as text, and what its text is to be understood by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The session that executed it.
    pub thread_id: u32,
    /// The session's default database; empty for none.
    pub database: &'a str,
    /// In the session's character set.
    pub text: Cow<'a, [u8]>,
    /// What else is known of the session.
    pub variables: QueryVariables<'a>,
}

/// Settings of the session that executed a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryVariables<'a> {
    /// Bits of `sql_mode`, which servers number each in their own way.
    pub sql_mode: Option<u64>,
    /// The collation of the text's characters.
    pub client_collation: Option<u16>,
    /// The collation that the server gives to what has none of its own.
    pub server_collation: Option<u16>,
    /// The collation of the default database.
    pub database_collation: Option<u16>,
    /// The collation that `utf8mb4` means alone (MySQL).
    pub default_utf8mb4_collation: Option<u16>,
    /// The session's time zone.
    pub time_zone: Option<&'a [u8]>,
    /// The number that a DDL statement is committed under.
    pub xid: Option<u64>,
}

impl<'a> Query<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body, "query");
        let thread_id = cursor.u32("a session's id")?;
        cursor.u32("an execution's time")?;
        let database_len = cursor.u8("a length")?;
        cursor.u16("an error's number")?;
        let variables_len = cursor.u16("a length")?;
        let variables = QueryVariables::parse(cursor.bytes(variables_len.into(), "variables")?)?;
        let database = cursor.str(database_len.into(), "a database's name")?;
        cursor.zero("the name's end")?;
        Ok(Self { thread_id, database, text: cursor.take_rest().into(), variables })
    }

    pub(super) fn parse_compressed(body: &'a [u8]) -> Result<Self, Error> {
        let mut query = Self::parse(body)?;
        query.text = inflate(&query.text, "compressed query")?.into();
        Ok(query)
    }

    /// The text, unless it is in a character set that nobody here knows.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let charset = self.variables.client_collation.map_or(Charset::Utf8, Charset::of_collation);
        charset.decode(&self.text)
    }
}

impl<'a> QueryVariables<'a> {
    /// Each has its number before it, and its form from its number: what follows an unknown one can't be read, and is
    /// passed over, as servers do (`Query_event`'s constructor).
    fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        const MANY_DATABASES: u8 = 254;
        let mut cursor = Cursor::new(bytes, "query");
        let mut read = Self::default();
        while !cursor.is_at_end() {
            match cursor.u8("a variable")? {
                0 => drop(cursor.u32("flags")?),
                1 => read.sql_mode = Some(cursor.u64("an SQL mode")?),
                2 => {
                    let len = cursor.u8("a length")?;
                    cursor.bytes(usize::from(len) + 1, "a catalog")?;
                }
                3 => drop(cursor.u32("increments")?),
                4 => {
                    read.client_collation = Some(cursor.u16("a collation")?);
                    cursor.u16("a collation")?;
                    read.server_collation = Some(cursor.u16("a collation")?);
                }
                5 => {
                    let len = cursor.u8("a length")?;
                    read.time_zone = Some(cursor.bytes(len.into(), "a time zone")?);
                }
                6 => {
                    let len = cursor.u8("a length")?;
                    cursor.bytes(len.into(), "a catalog")?;
                }
                7 => drop(cursor.u16("a language")?),
                8 => read.database_collation = Some(cursor.u16("a collation")?),
                9 => drop(cursor.u64("a bitmap of tables")?),
                10 => drop(cursor.u32("a length")?),
                11 => {
                    for part in ["a user", "a host"] {
                        let len = cursor.u8("a length")?;
                        cursor.bytes(len.into(), part)?;
                    }
                }
                12 => {
                    let count = cursor.u8("a count")?;
                    for _ in (0..count).take_while(|_| count != MANY_DATABASES) {
                        cursor.until_zero("a database's name")?;
                    }
                }
                13 => drop(cursor.bytes(3, "microseconds")?),
                16 | 19 | 20 => drop(cursor.u8("a setting")?),
                // MariaDB's has the same meaning under another number.
                17 | 129 => read.xid = Some(cursor.u64("a number")?),
                18 => read.default_utf8mb4_collation = Some(cursor.u16("a collation")?),
                128 => drop(cursor.bytes(3, "microseconds")?),
                _ => break,
            }
        }
        Ok(read)
    }
}

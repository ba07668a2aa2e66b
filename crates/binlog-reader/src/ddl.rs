//! What a statement in the log does to tables.
//!
//! Only what a shape is made of is read: tables, columns, their types and keys. The rest is passed over by its form, as
//! far as its form is known; where it is not, the tables that the statement names are not known any more. Nothing is
//! guessed.

mod alter;
mod charset;
mod column;
mod create;
mod reader;
mod token;

use event::TableName;

use self::reader::Reader;

pub(crate) use charset::collation_of;

/// How a server reads a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// MariaDB's and not MySQL's.
    pub is_mariadb: bool,
    /// As versioned comments have it: 8.4.3 is 80403, 11.8.2 is 110802.
    pub version: u32,
    /// The session's `sql_mode`.
    pub sql_mode: u64,
    /// Whether tables' names are the same in whatever case they are written (`lower_case_table_names` is not 0), and the
    /// log has them in lower case.
    pub lowers_names: bool,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A table comes to be.
    Create {
        /// Its name.
        table: TableName,
        /// How it looks.
        created: Created,
        /// Nothing happens if there is one already.
        if_absent: bool,
        /// One that is there goes.
        or_replace: bool,
    },
    /// A table goes, if it is there.
    Drop {
        /// Its name.
        table: TableName,
    },
    /// All rows of a table go.
    Truncate {
        /// Its name.
        table: TableName,
    },
    /// A table is called otherwise.
    Rename {
        /// What it was called.
        from: TableName,
        /// What it is called.
        to: TableName,
    },
    /// A table looks otherwise.
    Alter {
        /// Its name.
        table: TableName,
        /// In what; none: that was not understood.
        changes: Option<Vec<Change>>,
    },
    /// Rows of a table are others, without a word on each.
    Rewritten {
        /// Its name.
        table: TableName,
    },
    /// A database comes to be.
    CreateDatabase {
        /// Its name.
        name: String,
        /// How text of its tables is written that says nothing else.
        text: Text,
        /// Nothing happens if there is one already.
        if_absent: bool,
    },
    /// New tables of a database are written otherwise.
    AlterDatabase {
        /// Its name.
        name: String,
        /// How.
        text: Text,
    },
    /// A database goes, with all its tables.
    DropDatabase {
        /// Its name.
        name: String,
    },
    /// Rows change, by a statement.
    Rows,
    /// Nobody knows: any table may be concerned.
    Unknown,
}

/// The characters of what says nothing of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// As the server has them.
    AsServer,
    /// A collation of the character set that the statement says; none: it is not known.
    As(Option<u16>),
}

/// How a table looks that came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// As another one.
    Like(TableName),
    /// As said.
    As(Vec<Change>),
    /// That was not understood.
    NotUnderstood,
}

/// One step from a shape to the next. All names of columns that are there are those of before the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Change {
    Add {
        column: ColumnSpec,
        place: Place,
        if_absent: bool,
    },
    /// A column of this name becomes another one. Without a place it stays where it is.
    Change {
        name: String,
        column: ColumnSpec,
        place: Option<Place>,
        if_present: bool,
    },
    Rename {
        from: String,
        to: String,
        if_present: bool,
    },
    Drop {
        name: String,
        if_present: bool,
    },
    SetVisible {
        name: String,
        is_visible: bool,
    },
    SetKey(Vec<String>),
    DropKey,
    /// A unique key comes or a key goes: without a primary key, another one may be taken for it.
    Keys,
    /// All text is in this character set from now on; none: in one that is not known.
    Convert(Option<u16>),
    /// New text is.
    Collation(Option<u16>),
}

/// Where a column comes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Place {
    First,
    After(String),
    Last,
}

/// A column as a statement has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// With everything that does not depend on the table.
    pub(crate) column: crate::shape::ShapeColumn,
    /// Whether it holds text, which has a character set.
    pub(crate) is_text: bool,
    /// Whether the statement says which; else it has the table's.
    pub(crate) says_charset: bool,
    /// The labels of an `ENUM` or `SET`, in UTF-8.
    pub(crate) labels: Vec<String>,
}

/// Reads a statement. `database`: the session's default.
pub fn parse(statement: &str, database: &str, dialect: &Dialect) -> Vec<Effect> {
    let Some(tokens) = token::tokens(statement, dialect) else { return vec![Effect::Unknown] };
    let mut reader = Reader::new(&tokens, database, dialect);
    effects(&mut reader).unwrap_or_else(|| vec![Effect::Unknown])
}

fn effects(reader: &mut Reader<'_>) -> Option<Vec<Effect>> {
    // MariaDB's settings for one statement.
    if reader.take_words(&["SET", "STATEMENT"]) {
        while !reader.is_at_end() && !reader.take_word("FOR") {
            reader.skip();
        }
    }
    let Some(verb) = reader.word() else { return Some(Vec::new()) };
    match &*verb.to_ascii_uppercase() {
        "CREATE" => create::create(reader),
        "DROP" => drop_statement(reader),
        "ALTER" => alter::alter(reader),
        "RENAME" => rename(reader),
        "TRUNCATE" => {
            reader.take_word("TABLE");
            Some(vec![Effect::Truncate { table: reader.table()? }])
        }
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "WITH" | "SELECT" | "DO" | "VALUES"
        | "CALL" | "TABLE" | "IMPORT" => Some(vec![Effect::Rows]),
        _ => Some(Vec::new()),
    }
}

fn drop_statement(reader: &mut Reader<'_>) -> Option<Vec<Effect>> {
    if reader.take_word("TEMPORARY") {
        return Some(Vec::new());
    }
    if reader.take_word("DATABASE") || reader.take_word("SCHEMA") {
        reader.take_words(&["IF", "EXISTS"]);
        return Some(vec![Effect::DropDatabase { name: reader.database_name()? }]);
    }
    if reader.take_word("TABLE") || reader.take_word("TABLES") {
        reader.take_words(&["IF", "EXISTS"]);
        let mut effects = vec![Effect::Drop { table: reader.table()? }];
        while reader.take_symbol(',') {
            effects.push(Effect::Drop { table: reader.table()? });
        }
        return Some(effects);
    }
    if reader.take_word("INDEX") {
        reader.take_words(&["IF", "EXISTS"]);
        let key = reader.name()?;
        reader.expect_word("ON")?;
        let change = if key.eq_ignore_ascii_case("PRIMARY") { Change::DropKey } else { Change::Keys };
        return Some(vec![Effect::Alter { table: reader.table()?, changes: Some(vec![change]) }]);
    }
    Some(Vec::new())
}

fn rename(reader: &mut Reader<'_>) -> Option<Vec<Effect>> {
    if !reader.take_word("TABLE") && !reader.take_word("TABLES") {
        return Some(Vec::new());
    }
    reader.take_words(&["IF", "EXISTS"]);
    let mut effects = Vec::new();
    loop {
        let from = reader.table()?;
        if reader.take_word("WAIT") {
            reader.skip();
        }
        reader.take_word("NOWAIT");
        reader.expect_word("TO")?;
        effects.push(Effect::Rename { from, to: reader.table()? });
        if !reader.take_symbol(',') {
            return Some(effects);
        }
    }
}

#[cfg(test)]
mod tests;

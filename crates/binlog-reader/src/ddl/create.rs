//! CREATE of a table or a database.

use super::alter::{self, spec};
use super::column::{self, charset_name};
use super::reader::Reader;
use super::{Change, Created, Effect, Place, Text, collation_of};

/// Behind `CREATE`.
pub(super) fn create(reader: &mut Reader<'_>) -> Option<Vec<Effect>> {
    let or_replace = reader.take_words(&["OR", "REPLACE"]);
    if reader.take_word("TEMPORARY") {
        return Some(Vec::new());
    }
    if reader.take_word("DATABASE") || reader.take_word("SCHEMA") {
        let if_absent = reader.take_words(&["IF", "NOT", "EXISTS"]);
        let name = reader.database_name()?;
        let text = database_text(reader).unwrap_or(Text::AsServer);
        let mut effects = vec![Effect::CreateDatabase { name: name.clone(), text, if_absent }];
        if or_replace {
            effects.insert(0, Effect::DropDatabase { name });
        }
        return Some(effects);
    }
    if !reader.take_word("TABLE") {
        return index(reader);
    }
    let if_absent = reader.take_words(&["IF", "NOT", "EXISTS"]);
    let table = reader.table()?;
    let created = created(reader).unwrap_or(Created::NotUnderstood);
    Some(vec![Effect::Create { table, created, if_absent, or_replace }])
}

/// What a database's options say of its text; none: nothing.
pub(super) fn database_text(reader: &mut Reader<'_>) -> Option<Text> {
    let mut changes = Vec::new();
    while !reader.is_at_end() {
        if option(reader, &mut changes).is_none() {
            return Some(Text::As(None));
        }
    }
    changes.into_iter().rev().find_map(|change| match change {
        Change::Collation(collation) => Some(Text::As(collation)),
        _ => None,
    })
}

/// `CREATE UNIQUE INDEX`; other things that are created have no rows.
fn index(reader: &mut Reader<'_>) -> Option<Vec<Effect>> {
    let is_unique = reader.take_word("UNIQUE");
    if !is_unique || !reader.take_word("INDEX") {
        return Some(Vec::new());
    }
    reader.take_words(&["IF", "NOT", "EXISTS"]);
    while !reader.take_word("ON") {
        reader.skip()?;
    }
    Some(vec![Effect::Alter { table: reader.table()?, changes: Some(vec![Change::Keys]) }])
}

fn created(reader: &mut Reader<'_>) -> Option<Created> {
    if reader.take_word("LIKE") {
        return Some(Created::Like(reader.table()?));
    }
    reader.expect_symbol('(')?;
    if reader.take_word("LIKE") {
        return Some(Created::Like(reader.table()?));
    }
    let mut changes = Vec::new();
    loop {
        element(reader, &mut changes)?;
        if reader.take_symbol(')') {
            break;
        }
        reader.expect_symbol(',')?;
    }
    // What a table has by default comes before its columns: they are in it.
    let mut defaults = Vec::new();
    options(reader, &mut defaults)?;
    if !reader.is_at_end() {
        return None;
    }
    defaults.append(&mut changes);
    Some(Created::As(defaults))
}

/// A column, a key or a check.
fn element(reader: &mut Reader<'_>, changes: &mut Vec<Change>) -> Option<()> {
    if spec::constraint(reader, changes)? {
        return Some(());
    }
    let name = reader.name()?;
    let defined = column::definition(name, reader)?;
    alter::add(defined, Place::Last, false, changes)
}

/// A table's options, as far as they say something of its rows.
fn options(reader: &mut Reader<'_>, changes: &mut Vec<Change>) -> Option<()> {
    loop {
        let _is_separated = reader.take_symbol(',');
        if reader.is_at_end() {
            return Some(());
        }
        // Where rows are kept: the rest of the statement.
        if reader.take_words(&["PARTITION", "BY"]) {
            while reader.skip().is_some() {}
            return Some(());
        }
        // MySQL's CREATE TABLE … SELECT in the log: the rows follow.
        if !reader.take_words(&["START", "TRANSACTION"]) {
            option(reader, changes)?;
        }
    }
}

/// One of them.
pub(super) fn option(reader: &mut Reader<'_>, changes: &mut Vec<Change>) -> Option<()> {
    reader.take_word("DEFAULT");
    let word = reader.word()?.to_ascii_uppercase();
    match &*word {
        "CHARACTER" | "CHARSET" | "COLLATE" => {
            if word == "CHARACTER" {
                reader.expect_word("SET")?;
            }
            reader.take_symbol('=');
            let collation =
                if reader.take_word("DEFAULT") { None } else { collation_of(&charset_name(reader)?) };
            changes.push(Change::Collation(collation));
        }
        "UNION" => {
            reader.take_symbol('=');
            reader.skip_parentheses()?;
        }
        "DATA" | "INDEX" => {
            reader.expect_word("DIRECTORY")?;
            reader.take_symbol('=');
            reader.skip()?;
        }
        "ENGINE"
        | "AUTO_INCREMENT"
        | "AVG_ROW_LENGTH"
        | "CHECKSUM"
        | "TABLE_CHECKSUM"
        | "COMMENT"
        | "COMPRESSION"
        | "CONNECTION"
        | "DELAY_KEY_WRITE"
        | "ENCRYPTION"
        | "ENCRYPTED"
        | "ENCRYPTION_KEY_ID"
        | "ENGINE_ATTRIBUTE"
        | "SECONDARY_ENGINE_ATTRIBUTE"
        | "SECONDARY_ENGINE"
        | "INSERT_METHOD"
        | "KEY_BLOCK_SIZE"
        | "MAX_ROWS"
        | "MIN_ROWS"
        | "PACK_KEYS"
        | "PAGE_CHECKSUM"
        | "PAGE_COMPRESSED"
        | "PAGE_COMPRESSION_LEVEL"
        | "PASSWORD"
        | "ROW_FORMAT"
        | "STATS_AUTO_RECALC"
        | "STATS_PERSISTENT"
        | "STATS_SAMPLE_PAGES"
        | "TABLESPACE"
        | "TRANSACTIONAL"
        | "TYPE"
        | "AUTOEXTEND_SIZE"
        | "STORAGE"
        | "ITEF_QUOTES" => {
            reader.take_symbol('=');
            reader.skip()?;
        }
        _ => return None,
    }
    Some(())
}

use super::super::column::{self, charset_name};
use super::super::create::option;
use super::super::reader::Reader;
use super::super::token::Token;
use super::super::{Change, Place, collation_of};
use super::{Steps, add};

/// All that follows the table's name.
pub(super) fn specs(reader: &mut Reader<'_>, steps: &mut Steps) -> Option<()> {
    while !reader.is_at_end() {
        if one(reader, steps)? {
            // Of partitions there is one step alone, and it is the last.
            return Some(());
        }
        if !reader.take_symbol(',') && !reader.is_at_end() {
            // Options stand side by side, and where rows are kept behind all else.
            if reader.take_words(&["PARTITION", "BY"]) || reader.take_words(&["REMOVE", "PARTITIONING"]) {
                return Some(());
            }
            option(reader, &mut steps.changes)?;
        }
    }
    Some(())
}

/// One step; whether it takes the rest of the statement with it.
fn one(reader: &mut Reader<'_>, steps: &mut Steps) -> Option<bool> {
    let before = reader.clone();
    let word = reader.word()?;
    match &*word.to_ascii_uppercase() {
        "ADD" => return added(reader, steps),
        "DROP" => return dropped(reader, steps),
        "CHANGE" => {
            reader.take_word("COLUMN");
            let if_present = reader.take_words(&["IF", "EXISTS"]);
            let (name, new) = (reader.name()?, reader.name()?);
            changed(name, new, if_present, reader, steps)?;
        }
        "MODIFY" => {
            reader.take_word("COLUMN");
            let if_present = reader.take_words(&["IF", "EXISTS"]);
            let name = reader.name()?;
            changed(name.clone(), name, if_present, reader, steps)?;
        }
        "ALTER" => altered(reader, steps)?,
        "RENAME" => renamed(reader, steps)?,
        "CONVERT" => {
            if reader.take_word("PARTITION") {
                reader.name()?;
                reader.expect_word("TO")?;
                reader.expect_word("TABLE")?;
                return of_partitions(reader, steps);
            }
            if reader.take_word("TABLE") {
                return of_partitions(reader, steps);
            }
            reader.expect_word("TO")?;
            if !reader.take_word("CHARSET") {
                reader.expect_word("CHARACTER")?;
                reader.expect_word("SET")?;
            }
            let mut collation =
                if reader.take_word("DEFAULT") { None } else { collation_of(&charset_name(reader)?) };
            if reader.take_word("COLLATE") {
                reader.take_symbol('=');
                let name = charset_name(reader)?;
                collation = collation.or_else(|| collation_of(&name));
            }
            steps.changes.push(Change::Convert(collation));
        }
        "ORDER" => {
            // Rows lie in another order: columns, and nothing but columns, follow.
            reader.expect_word("BY")?;
            while let Some(token) = reader.skip() {
                if !matches!(token, Token::Word(_) | Token::Name(_) | Token::Symbol(',' | '.')) {
                    return None;
                }
            }
            return Some(true);
        }
        "DISCARD" | "IMPORT" => {
            steps.is_rewritten = true;
            return Some(true);
        }
        "TRUNCATE" => {
            reader.expect_word("PARTITION")?;
            steps.is_rewritten = true;
            return Some(true);
        }
        "EXCHANGE" => {
            reader.expect_word("PARTITION")?;
            reader.name()?;
            reader.expect_word("WITH")?;
            reader.expect_word("TABLE")?;
            return of_partitions(reader, steps);
        }
        "PARTITION" | "COALESCE" | "REORGANIZE" | "ANALYZE" | "CHECK" | "OPTIMIZE" | "REBUILD" | "REPAIR"
        | "REMOVE" | "UPGRADE" => return Some(true),
        "ALGORITHM" | "LOCK" => {
            reader.take_symbol('=');
            reader.skip()?;
        }
        "FORCE" | "SECONDARY_LOAD" | "SECONDARY_UNLOAD" => {}
        "WITH" | "WITHOUT" => reader.expect_word("VALIDATION")?,
        "ENABLE" | "DISABLE" => reader.expect_word("KEYS")?,
        _ => {
            *reader = before;
            option(reader, &mut steps.changes)?;
        }
    }
    Some(false)
}

/// Rows move between this table and another one.
fn of_partitions(reader: &mut Reader<'_>, steps: &mut Steps) -> Option<bool> {
    steps.rewritten.push(reader.table()?);
    steps.is_rewritten = true;
    Some(true)
}

fn added(reader: &mut Reader<'_>, steps: &mut Steps) -> Option<bool> {
    if reader.take_word("PARTITION") {
        return Some(true);
    }
    if constraint(reader, &mut steps.changes)? {
        return Some(false);
    }
    let mut ahead = reader.clone();
    // What keeps a history of its rows is another kind of table.
    if ahead.take_words(&["SYSTEM", "VERSIONING"]) || ahead.take_words(&["PERIOD", "FOR"]) {
        return None;
    }
    reader.take_word("COLUMN");
    let if_absent = reader.take_words(&["IF", "NOT", "EXISTS"]);
    if !reader.take_symbol('(') {
        let name = reader.name()?;
        add(column::definition(name, reader)?, Place::Last, if_absent, &mut steps.changes)?;
        return Some(false);
    }
    loop {
        if !constraint(reader, &mut steps.changes)? {
            let name = reader.name()?;
            add(column::definition(name, reader)?, Place::Last, if_absent, &mut steps.changes)?;
        }
        if reader.take_symbol(')') {
            return Some(false);
        }
        reader.expect_symbol(',')?;
    }
}

/// A key or a check in the place of a column; whether there is one.
pub(in crate::ddl) fn constraint(reader: &mut Reader<'_>, changes: &mut Vec<Change>) -> Option<bool> {
    if reader.take_word("CONSTRAINT") {
        let is_named = !["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|word| reader.is_word(word));
        if is_named {
            reader.take_words(&["IF", "NOT", "EXISTS"]);
            reader.name()?;
        }
    }
    if reader.take_word("PRIMARY") {
        reader.expect_word("KEY")?;
        while !reader.is_symbol('(') {
            reader.skip()?;
        }
        changes.push(Change::SetKey(reader.key_columns()?));
    } else if reader.take_word("UNIQUE") {
        changes.push(Change::Keys);
    } else {
        let mut ahead = reader.clone();
        let is_vector = ahead.take_word("VECTOR") && (ahead.is_word("INDEX") || ahead.is_word("KEY"));
        let words = ["INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"];
        if !is_vector && !words.iter().any(|word| reader.take_word(word)) {
            return Some(false);
        }
    }
    // How it is kept, or what it refers to: up to the next step.
    while !(reader.is_at_end() || reader.is_symbol(',') || reader.is_symbol(')')) {
        reader.skip_element()?;
    }
    Some(true)
}

fn dropped(reader: &mut Reader<'_>, steps: &mut Steps) -> Option<bool> {
    if reader.take_words(&["PRIMARY", "KEY"]) {
        steps.changes.push(Change::DropKey);
        return Some(false);
    }
    if reader.take_word("PARTITION") {
        steps.is_rewritten = true;
        return Some(true);
    }
    if reader.take_words(&["SYSTEM", "VERSIONING"]) || reader.take_words(&["PERIOD", "FOR"]) {
        return None;
    }
    if reader.take_words(&["FOREIGN", "KEY"]) || reader.take_word("CHECK") {
        reader.take_words(&["IF", "EXISTS"]);
        reader.name()?;
        return Some(false);
    }
    if reader.take_word("INDEX") || reader.take_word("KEY") || reader.take_word("CONSTRAINT") {
        reader.take_words(&["IF", "EXISTS"]);
        let is_primary = reader.name()?.eq_ignore_ascii_case("PRIMARY");
        steps.changes.push(if is_primary { Change::DropKey } else { Change::Keys });
        return Some(false);
    }
    reader.take_word("COLUMN");
    let if_present = reader.take_words(&["IF", "EXISTS"]);
    steps.changes.push(Change::Drop { name: reader.name()?, if_present });
    let _is_said = reader.take_word("RESTRICT") || reader.take_word("CASCADE");
    Some(false)
}

fn changed(
    name: String,
    new: String,
    if_present: bool,
    reader: &mut Reader<'_>,
    steps: &mut Steps,
) -> Option<()> {
    let defined = column::definition(new.clone(), reader)?;
    steps.changes.push(Change::Change { name, column: defined.spec, place: defined.place, if_present });
    if defined.is_primary {
        steps.changes.push(Change::SetKey(vec![new]));
    }
    if defined.is_unique {
        steps.changes.push(Change::Keys);
    }
    Some(())
}

fn altered(reader: &mut Reader<'_>, steps: &mut Steps) -> Option<()> {
    let is_of_key = ["INDEX", "KEY", "CHECK", "CONSTRAINT"].iter().any(|word| reader.take_word(word));
    reader.take_word("COLUMN");
    reader.take_words(&["IF", "EXISTS"]);
    let name = reader.name()?;
    let is_visible = if reader.take_words(&["SET", "VISIBLE"]) {
        Some(true)
    } else if reader.take_words(&["SET", "INVISIBLE"]) {
        Some(false)
    } else {
        None
    };
    match is_visible {
        Some(is_visible) if !is_of_key && !reader.dialect.is_mariadb => {
            steps.changes.push(Change::SetVisible { name, is_visible });
        }
        Some(_) => {}
        // A default, or whether a check or a key counts.
        None => {
            while !(reader.is_at_end() || reader.is_symbol(',')) {
                reader.skip_element()?;
            }
        }
    }
    Some(())
}

fn renamed(reader: &mut Reader<'_>, steps: &mut Steps) -> Option<()> {
    if reader.take_word("INDEX") || reader.take_word("KEY") {
        reader.take_words(&["IF", "EXISTS"]);
        reader.name()?;
        reader.expect_word("TO")?;
        return reader.name().map(drop);
    }
    if reader.take_word("COLUMN") {
        let if_present = reader.take_words(&["IF", "EXISTS"]);
        let from = reader.name()?;
        reader.expect_word("TO")?;
        steps.changes.push(Change::Rename { from, to: reader.name()?, if_present });
        return Some(());
    }
    let _is_said = reader.take_word("TO") || reader.take_word("AS") || reader.take_symbol('=');
    steps.renamed_to = Some(reader.table()?);
    Some(())
}

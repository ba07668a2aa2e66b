//! ALTER of a table or a database.

pub(super) mod spec;

use event::TableName;

use super::column::Defined;
use super::reader::Reader;
use super::{Change, Effect, Place, create};

/// What the steps of an ALTER TABLE come to.
#[derive(Default)]
pub(super) struct Steps {
    changes: Vec<Change>,
    renamed_to: Option<TableName>,
    /// Other tables whose rows it changes, and whether it does its own.
    rewritten: Vec<TableName>,
    is_rewritten: bool,
}

/// Behind `ALTER`.
pub(super) fn alter(reader: &mut Reader<'_>) -> Option<Vec<Effect>> {
    reader.take_word("ONLINE");
    if reader.take_word("DATABASE") || reader.take_word("SCHEMA") {
        let name = reader.altered_database()?;
        let text = create::database_text(reader);
        return Some(
            text.into_iter().map(|text| Effect::AlterDatabase { name: name.clone(), text }).collect(),
        );
    }
    let ignores = reader.take_word("IGNORE");
    if !reader.take_word("TABLE") {
        return Some(Vec::new());
    }
    reader.take_words(&["IF", "EXISTS"]);
    let table = reader.table()?;
    if reader.take_word("WAIT") {
        reader.skip()?;
    }
    reader.take_word("NOWAIT");
    let mut steps = Steps { is_rewritten: ignores, ..Steps::default() };
    let mut ahead = reader.clone();
    let is_understood = spec::specs(&mut ahead, &mut steps).is_some();
    let mut effects = Vec::new();
    if !is_understood {
        // It may as well be called otherwise now, or have other rows.
        return Some(vec![Effect::Alter { table, changes: None }]);
    }
    if !steps.changes.is_empty() {
        effects.push(Effect::Alter { table: table.clone(), changes: Some(steps.changes) });
    }
    if steps.is_rewritten {
        effects.push(Effect::Rewritten { table: table.clone() });
    }
    effects.extend(steps.rewritten.into_iter().map(|table| Effect::Rewritten { table }));
    effects.extend(steps.renamed_to.map(|to| Effect::Rename { from: table, to }));
    Some(effects)
}

/// A column that comes, with what it says of the table's keys.
pub(super) fn add(defined: Defined, place: Place, if_absent: bool, changes: &mut Vec<Change>) -> Option<()> {
    let Defined { spec, is_primary, is_unique, place: said } = defined;
    let name = spec.column.name.clone();
    changes.push(Change::Add { column: spec, place: said.unwrap_or(place), if_absent });
    if is_primary {
        changes.push(Change::SetKey(vec![name]));
    }
    if is_unique {
        changes.push(Change::Keys);
    }
    Some(())
}

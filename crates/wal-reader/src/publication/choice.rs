use std::collections::{BTreeMap, BTreeSet};

use event::TableName;

use super::{Plan, Taking, add_sql, plan};
use crate::catalog::Candidate;
use crate::identity::Identity;
use crate::sql::quote_text;
use crate::wire::Connection;
use crate::{Error, Options};

/// A plan, with what is not to be sent taken out of it.
pub(super) struct Choice<'c> {
    /// Whether there is a publication.
    pub(super) exists: bool,
    /// Tables that it holds.
    pub(super) published: BTreeSet<TableName>,
    /// Tables that it lacks.
    pub(super) missing: Vec<&'c Candidate>,
    /// And why others are not to be sent.
    pub(super) left_out: BTreeMap<TableName, String>,
}

pub(super) async fn choose<'c>(
    connection: &mut Connection,
    options: &Options,
    candidates: &'c [Candidate],
    taking: Taking<'_>,
) -> Result<Choice<'c>, Error> {
    let Plan { exists, published, missing, .. } = plan(connection, options, candidates).await?;
    let mut choice = Choice { exists, published, missing, left_out: BTreeMap::new() };
    let Taking::Known { is_known, and_new } = taking else { return Ok(choice) };
    let Choice { published, missing, left_out, .. } = &mut choice;
    if !and_new {
        let new = |name: &TableName| {
            (name.clone(), format!("it is new; `cdc snapshot --tables {name}` takes it in"))
        };
        let names = published.iter().chain(missing.iter().map(|candidate| &candidate.name));
        left_out.extend(names.filter(|name| !is_known(name)).map(new));
        published.retain(|name| is_known(name));
        missing.retain(|candidate| is_known(&candidate.name));
    }
    let not_addable = match exists {
        true => not_addable(connection, options, missing).await?,
        // Without a publication there is nothing at all: that is refused.
        false => BTreeSet::new(),
    };
    missing.retain(|candidate| match obstacle(candidate, options, &not_addable) {
        Some(why) => {
            left_out.insert(candidate.name.clone(), why);
            false
        }
        None => true,
    });
    Ok(choice)
}

/// What keeps a table from being published.
fn obstacle(candidate: &Candidate, options: &Options, not_addable: &BTreeSet<TableName>) -> Option<String> {
    if let (Identity::None(why), Some(mend)) = (candidate.identity, candidate.mend()) {
        return Some(format!(
            "it has no replica identity ({why}), so publishing it would make its UPDATE and DELETE fail. Give it a primary \
             key, or: {mend}"
        ));
    }
    not_addable.contains(&candidate.name).then(|| {
        format!(
            "this role may not publish it. As its owner, on the primary: {}",
            add_sql(&options.publication, true, &[candidate])
        )
    })
}

/// Those that this role may not add to the publication: it must own both. On a standby nobody may.
async fn not_addable(
    connection: &mut Connection,
    options: &Options,
    missing: &[&Candidate],
) -> Result<BTreeSet<TableName>, Error> {
    if missing.is_empty() {
        return Ok(BTreeSet::new());
    }
    let names: Vec<String> = missing
        .iter()
        .map(|candidate| {
            format!("({}, {})", quote_text(&candidate.name.schema), quote_text(&candidate.name.table))
        })
        .collect();
    let rows = connection
        .query(&format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE (n.nspname, c.relname) IN ({}) AND NOT (NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.pg_has_role(c.relowner, 'USAGE') \
               AND (SELECT pg_catalog.pg_has_role(pubowner, 'USAGE') FROM pg_catalog.pg_publication WHERE pubname = {}))",
            names.join(", "),
            quote_text(&options.publication)
        ))
        .await?;
    rows.iter().map(|row| Ok(TableName::new(row.required(0)?, row.required(1)?))).collect()
}

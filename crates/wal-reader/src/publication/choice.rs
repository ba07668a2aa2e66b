use std::collections::{BTreeMap, BTreeSet};

use event::TableName;

use super::{Plan, Taking, add_sql, plan};
use crate::catalog::Candidate;
use crate::identity::Identity;
use crate::sql::{name_rows, quote_text};
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
    let not_ours = match exists {
        true => not_publishable(connection, options, exists, missing).await?,
        // Without a publication there is nothing at all: that is refused.
        false => BTreeSet::new(),
    };
    missing.retain(|candidate| match obstacle(candidate, options, &not_ours) {
        Some(why) => {
            left_out.insert(candidate.name.clone(), why);
            false
        }
        None => true,
    });
    Ok(choice)
}

/// What keeps a table from being published.
fn obstacle(candidate: &Candidate, options: &Options, not_ours: &BTreeSet<TableName>) -> Option<String> {
    if let (Identity::None(why), Some(mend)) = (candidate.identity, candidate.mend()) {
        return Some(format!(
            "it has no replica identity ({why}), so publishing it would make its UPDATE and DELETE fail. Give it a primary \
             key, or: {mend}"
        ));
    }
    not_ours.contains(&candidate.name).then(|| {
        format!(
            "this role may not publish it. As its owner, on the primary: {}",
            add_sql(&options.publication, true, &[candidate])
        )
    })
}

/// Those that this role may not publish. Creating a publication wants CREATE on the database; adding to one wants to own
/// it; both want to own the tables. On a standby nobody may.
pub(crate) async fn not_publishable(
    connection: &mut Connection,
    options: &Options,
    exists: bool,
    missing: &[&Candidate],
) -> Result<BTreeSet<TableName>, Error> {
    if missing.is_empty() {
        return Ok(BTreeSet::new());
    }
    let right = if exists {
        format!(
            "(SELECT pg_catalog.pg_has_role(pubowner, 'USAGE') FROM pg_catalog.pg_publication WHERE pubname = {})",
            quote_text(&options.publication)
        )
    } else {
        "pg_catalog.has_database_privilege(current_database(), 'CREATE')".to_owned()
    };
    let rows = connection
        .query(&format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE (n.nspname, c.relname) IN ({}) AND (NOT pg_catalog.pg_is_in_recovery() AND {right} \
               AND pg_catalog.pg_has_role(c.relowner, 'USAGE')) IS NOT TRUE",
            name_rows(missing.iter().map(|candidate| &candidate.name))
        ))
        .await?;
    rows.iter().map(|row| Ok(TableName::new(row.required(0)?, row.required(1)?))).collect()
}

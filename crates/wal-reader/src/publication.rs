//! The publication decides which tables' changes the server decodes at all.

use std::collections::{BTreeMap, BTreeSet};

use event::{TableName, list_names};

use crate::catalog::{self, Candidate};
use crate::refusal::Refusal;
use crate::sql::{quote_name, quote_table};
use crate::wire::Connection;
use crate::{Error, Options};

mod choice;
mod shown;
mod state;
mod watch;

use self::choice::choose;
pub(crate) use self::choice::not_publishable;
pub use self::shown::Shown;
pub use self::state::{Publication, state};
pub use self::watch::{Change, Watch};

/// The tables that are sent, and what of each.
pub type Published = BTreeMap<TableName, Shown>;

/// Which of the wanted tables are to be sent.
#[derive(Clone, Copy)]
pub enum Taking<'a> {
    /// All of them, and one that can't be is refused: for a pipeline that begins.
    All,
    /// Those that can be, of the known ones or of all: for a pipeline that goes on. What somebody does to one table
    /// must not stop what goes well; it is loaded once it can be sent (again).
    Known {
        /// Whether it was sent before.
        is_known: &'a (dyn Fn(&TableName) -> bool + Sync),
        /// Whether new ones are taken in.
        and_new: bool,
    },
}

/// What is sent and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The tables that are sent.
    pub tables: Published,
    /// Those that would be, and why they are not: for people.
    pub left_out: BTreeMap<TableName, String>,
}

/// Makes the publication hold all tables that are to be sent, as far as this role may, and says which those are.
///
/// # Errors
/// A [`Refusal`] with the SQL that a DBA must run where this role may not, or with what would break the application.
pub async fn ensure(
    connection: &mut Connection,
    options: &Options,
    taking: Taking<'_>,
) -> Result<Survey, Error> {
    // Both asking for a publication's tables (since 16) and adding to them wait for whoever locks one of them. Rather
    // fail and say so, again and again, than wait without a word.
    connection.execute("SET lock_timeout = '10s'").await?;
    let (names, left_out) = loop {
        match complete(connection, options, taking).await {
            // Undefined table or schema.
            Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => {
                tracing::info!(%error, "a table was renamed or dropped just then: the catalog is asked again");
            }
            completed => break completed?,
        }
    };
    let mut shown = shown::shown(connection, &options.publication).await?;
    // Creating a slot waits for transactions by their locks, as long as they take.
    connection.execute("SET lock_timeout = DEFAULT").await?;
    let tables = names.into_iter().map(|name| (name.clone(), shown.remove(&name).unwrap_or_default()));
    Ok(Survey { tables: tables.collect(), left_out })
}

/// Adds what the publication lacks; what it holds then, and what is left out.
async fn complete(
    connection: &mut Connection,
    options: &Options,
    taking: Taking<'_>,
) -> Result<(BTreeSet<TableName>, BTreeMap<TableName, String>), Error> {
    let candidates = catalog::candidates(connection).await?;
    let choice = choose(connection, options, &candidates, taking).await?;
    if !choice.missing.is_empty() {
        refuse_without_identity(&choice.missing)?;
        add(connection, &options.publication, choice.exists, &choice.missing).await?;
    }
    let mut names = choice.published;
    names.extend(choice.missing.into_iter().map(|candidate| candidate.name.clone()));
    Ok((names, choice.left_out))
}

/// The wanted tables that the publication holds, changing nothing.
///
/// # Errors
/// A [`Refusal`] with the SQL that creates the publication, if it does not exist; or if it holds none of the tables.
pub async fn existing(connection: &mut Connection, options: &Options) -> Result<Published, Error> {
    let Some(state) = state(connection, &options.publication).await? else {
        let candidates = catalog::candidates(connection).await?;
        let plan = plan(connection, options, &candidates).await?;
        let why = "nothing is created here";
        return Err(refused(&options.publication, plan.exists, &plan.missing, why).into());
    };
    let mut shown = shown::shown(connection, &options.publication).await?;
    let wanted: Published = state
        .tables
        .iter()
        .filter(|name| (options.wanted)(name))
        .map(|name| (name.clone(), shown.remove(name).unwrap_or_default()))
        .collect();
    if wanted.is_empty() {
        let (publication, published) = (options.publication.clone(), list_names(&state.tables));
        return Err(Refusal::NotPublished { publication, published }.into());
    }
    Ok(wanted)
}

/// What is to be done to a publication.
pub(crate) struct Plan<'c> {
    /// Whether there is one.
    pub(crate) exists: bool,
    /// Wanted tables that it holds.
    pub(crate) published: BTreeSet<TableName>,
    /// Wanted tables that it lacks.
    pub(crate) missing: Vec<&'c Candidate>,
    /// Both.
    pub(crate) all: BTreeSet<TableName>,
}

pub(crate) async fn plan<'c>(
    connection: &mut Connection,
    options: &Options,
    candidates: &'c [Candidate],
) -> Result<Plan<'c>, Error> {
    let state = state(connection, &options.publication).await?;
    if let Some(state) = &state {
        state.check_operations(&options.publication)?;
    }
    let wanted = |name: &TableName| (options.wanted)(name);
    let is_published = |name: &TableName| state.as_ref().is_some_and(|state| state.holds(name));
    let missing: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| wanted(&candidate.name) && !is_published(&candidate.name))
        .collect();
    let published: BTreeSet<TableName> =
        state.iter().flat_map(|state| &state.tables).filter(|name| wanted(name)).cloned().collect();
    let all: BTreeSet<TableName> =
        published.iter().cloned().chain(missing.iter().map(|candidate| candidate.name.clone())).collect();
    if all.is_empty() {
        let seen = list_names(candidates.iter().map(|candidate| &candidate.name));
        return Err(Refusal::NoTables { database: options.connection.database().to_owned(), seen }.into());
    }
    Ok(Plan { exists: state.is_some(), published, missing, all })
}

/// Publishing a table without one would make the application's own UPDATE and DELETE fail.
pub(crate) fn refuse_without_identity(tables: &[&Candidate]) -> Result<(), Error> {
    let without: Vec<&&Candidate> = tables.iter().filter(|candidate| candidate.identity.is_none()).collect();
    if without.is_empty() {
        return Ok(());
    }
    let sql = without.iter().filter_map(|candidate| candidate.mend()).collect();
    Err(Refusal::NoReplicaIdentity { tables: list_names(without), sql }.into())
}

async fn add(
    connection: &mut Connection,
    publication: &str,
    exists: bool,
    tables: &[&Candidate],
) -> Result<(), Error> {
    tracing::info!(publication, tables = tables.len(), "publishing tables");
    match connection.execute(&add_sql(publication, exists, tables)).await {
        // Insufficient privilege; a standby, which is read-only.
        Err(error) if matches!(error.sqlstate(), Some("42501" | "25006")) => {
            let server = error.server_error().map(|error| error.message.clone()).unwrap_or_default();
            Err(refused(publication, exists, tables, &format!("this role may not change that ({server})"))
                .into())
        }
        done => done,
    }
}

fn add_sql(publication: &str, exists: bool, tables: &[&Candidate]) -> String {
    let tables: Vec<String> =
        tables.iter().map(|candidate| format!("ONLY {}", quote_table(&candidate.name))).collect();
    let (name, tables) = (quote_name(publication), tables.join(", "));
    if exists {
        format!("ALTER PUBLICATION {name} ADD TABLE {tables};")
    } else {
        format!("CREATE PUBLICATION {name} FOR TABLE {tables};")
    }
}

/// What to say where it is not done.
pub(crate) fn refused(publication: &str, exists: bool, tables: &[&Candidate], why: &str) -> Refusal {
    Refusal::Publication {
        publication: publication.to_owned(),
        problem: if exists { "lacks tables" } else { "does not exist" }.to_owned(),
        why: why.to_owned(),
        sql: add_sql(publication, exists, tables),
    }
}

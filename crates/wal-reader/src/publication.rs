//! The publication decides which tables' changes the server decodes at all.

use std::collections::{BTreeMap, BTreeSet};

use event::TableName;

use crate::catalog::{self, Candidate};
use crate::refusal::{Refusal, list};
use crate::sql::{quote_name, quote_table, quote_text};
use crate::wire::{Connection, Rows};
use crate::{Error, Options};

/// The tables that are sent, each with what its publication shows of it: the row filter and the column list, as text;
/// empty for all of it. Two that are alike show the same.
pub type Published = BTreeMap<TableName, String>;

/// Makes the publication hold all tables that are wanted, as far as this role may, and says which those are.
///
/// # Errors
/// A [`Refusal`] with the SQL that a DBA must run where this role may not, or with what would break the application.
pub async fn ensure(connection: &mut Connection, options: &Options) -> Result<Published, Error> {
    let candidates = catalog::candidates(connection).await?;
    // Both asking for a publication's tables (since 16) and adding to them wait for whoever locks one of them. Rather
    // fail and say so, again and again, than wait without a word.
    connection.execute("SET lock_timeout = '10s'").await?;
    let plan = plan(connection, options, &candidates).await?;
    if !plan.missing.is_empty() {
        refuse_without_identity(&plan.missing)?;
        add(connection, &options.publication, plan.exists, &plan.missing).await?;
    }
    let mut limits = limits(connection, &options.publication).await?;
    // Creating a slot waits for transactions by their locks, as long as they take.
    connection.execute("SET lock_timeout = DEFAULT").await?;
    Ok(plan.all.into_iter().map(|name| (name.clone(), limits.remove(&name).unwrap_or_default())).collect())
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
    let mut limits = limits(connection, &options.publication).await?;
    let wanted: Published = state
        .tables
        .iter()
        .filter(|name| (options.wanted)(name))
        .map(|name| (name.clone(), limits.remove(name).unwrap_or_default()))
        .collect();
    if wanted.is_empty() {
        let (publication, published) = (options.publication.clone(), list(&state.tables));
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
        let seen = list(candidates.iter().map(|candidate| &candidate.name));
        return Err(Refusal::NoTables { database: options.connection.database().to_owned(), seen }.into());
    }
    Ok(Plan { exists: state.is_some(), published, missing, all })
}

/// A publication as it is.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The tables that are published, partitions by themselves unless published via their root.
    pub tables: BTreeSet<TableName>,
    /// Partitions whose changes are published under their root's name.
    via_root: BTreeSet<TableName>,
    /// The kinds of changes that it leaves out.
    left_out: Vec<&'static str>,
}

impl Publication {
    fn holds(&self, name: &TableName) -> bool {
        self.tables.contains(name) || self.via_root.contains(name)
    }

    fn check_operations(&self, publication: &str) -> Result<(), Error> {
        if self.left_out.is_empty() {
            return Ok(());
        }
        let missing = self.left_out.join(", ");
        Err(Refusal::PublishedOperations { publication: publication.to_owned(), missing }.into())
    }
}

/// The publication as it is; none if there is none.
pub async fn state(connection: &mut Connection, publication: &str) -> Result<Option<Publication>, Error> {
    let name = quote_text(publication);
    let rows = connection
        .query(&format!(
            "SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_catalog.pg_publication \
             WHERE pubname = {name}"
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut left_out = Vec::new();
    for (column, operation) in [
        ("pubinsert", "INSERT"),
        ("pubupdate", "UPDATE"),
        ("pubdelete", "DELETE"),
        ("pubtruncate", "TRUNCATE"),
    ] {
        if row.required(column)? != "t" {
            left_out.push(operation);
        }
    }
    let is_via_root = row.required("pubviaroot")? == "t";
    let table_names = |rows: Rows| {
        rows.iter()
            .map(|row| Ok(TableName::new(row.required(0)?, row.required(1)?)))
            .collect::<Result<BTreeSet<_>, Error>>()
    };
    let tables = connection
        .query(&format!(
            "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = {name}"
        ))
        .await
        .and_then(table_names)?;
    let via_root = if is_via_root {
        connection
            .query(&format!(
                "SELECT n.nspname, c.relname FROM pg_catalog.pg_publication_tables p \
                   CROSS JOIN LATERAL pg_catalog.pg_partition_tree((pg_catalog.quote_ident(p.schemaname) || '.' \
                     || pg_catalog.quote_ident(p.tablename))::pg_catalog.regclass) t \
                   JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE p.pubname = {name} AND t.level > 0"
            ))
            .await
            .and_then(table_names)?
    } else {
        BTreeSet::new()
    };
    Ok(Some(Publication { tables, via_root, left_out }))
}

/// The tables of which a publication does not show everything.
async fn limits(connection: &mut Connection, publication: &str) -> Result<Published, Error> {
    if connection.server_version_num() < catalog::LISTS_SINCE {
        return Ok(Published::new());
    }
    let rows = connection
        .query(&format!(
            "SELECT n.nspname, c.relname, pg_catalog.concat_ws(' ', \
               'columns ' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname) \
                 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[])), \
               'rows ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid)) AS shown \
             FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid \
               JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE p.pubname = {} AND (r.prattrs IS NOT NULL OR r.prqual IS NOT NULL)",
            quote_text(publication)
        ))
        .await?;
    rows.iter()
        .map(|row| Ok((TableName::new(row.required(0)?, row.required(1)?), row.required(2)?.to_owned())))
        .collect()
}

/// Publishing a table without one would make the application's own UPDATE and DELETE fail.
pub(crate) fn refuse_without_identity(tables: &[&Candidate]) -> Result<(), Error> {
    let without: Vec<&&Candidate> = tables.iter().filter(|candidate| candidate.identity.is_none()).collect();
    if without.is_empty() {
        return Ok(());
    }
    let sql = without
        .iter()
        .map(|candidate| format!("ALTER TABLE {} REPLICA IDENTITY FULL;", quote_table(&candidate.name)))
        .collect();
    Err(Refusal::NoReplicaIdentity { tables: list(without), sql }.into())
}

async fn add(
    connection: &mut Connection,
    publication: &str,
    exists: bool,
    tables: &[&Candidate],
) -> Result<(), Error> {
    tracing::info!(publication, tables = tables.len(), "publishing tables");
    match connection.execute(&add_sql(publication, exists, tables)).await {
        Err(error) if error.sqlstate() == Some("42501") => {
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

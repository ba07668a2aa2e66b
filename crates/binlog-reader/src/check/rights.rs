use std::collections::BTreeSet;

use event::{BinlogOffset, Explanation, Findings, TableName, TableRules, Use, list_names};

use super::{aside, is_denied};
use crate::catalog::{self, Candidate};
use crate::dump::{Dump, From};
use crate::error::Error;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::session::{Session, quote_name, quote_table};
use crate::system::{self, System};

/// Whether the log can be read, which is found out by reading its end; the server, if it can.
pub(super) async fn log(
    session: &mut Session,
    options: &Options,
    account: &str,
    findings: &mut Findings,
) -> Result<Option<System>, Error> {
    let read = async {
        let system = system::identify(session).await?;
        // A server without a number sends its log to nobody, which is said already.
        if system.server_id != 0 {
            let BinlogOffset { file, offset } = system::position(session, &system).await?.offset;
            let from = From::Place(BinlogOffset { file, offset });
            let reading = Session::open(&options.connection).await?;
            // The server ends it as soon as it notices that nobody reads.
            drop(Dump::open(reading, &aside(options), &system, &from).await?);
        }
        Ok(system)
    };
    match read.await {
        Ok(system) => Ok(Some(system)),
        Err(Error::Refused(refusal)) => {
            match *refusal {
                Refusal::Rights { .. } => {
                    let grant = format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account};");
                    findings.problem(refusal.code(), refusal.explanation().with_sql([grant]));
                }
                _ => findings.push(&*refusal),
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the tables can be read, locked for a moment, and sent as `[[table]]` says.
pub(super) async fn tables(
    session: &mut Session,
    options: &Options,
    candidates: &[Candidate],
    account: &str,
    findings: &mut Findings,
) -> Result<(), Error> {
    if candidates.is_empty() {
        findings.push(&Refusal::NoTables { account: account.to_owned() });
    }
    // A table that somebody is altering can be read later.
    session.execute("SET SESSION lock_wait_timeout = 1").await?;
    for Candidate { name, .. } in candidates {
        let columns = match columns(session, options, name).await {
            Err(Error::Refused(refusal)) => {
                findings.push(&*refusal);
                continue;
            }
            columns => columns?,
        };
        match session.execute(&format!("SELECT {columns} FROM {} LIMIT 0", quote_table(name))).await {
            Err(error) if is_denied(&error) => {
                let grant = format!("GRANT SELECT ON {} TO {account};", quote_table(name));
                let what = format!("the user may not read {name}");
                let explanation = Explanation::new(what, "it can't be loaded", "as an administrator");
                findings.problem("CDC-MY-050", explanation.with_sql([grant]));
            }
            // Locked, or gone by now.
            Err(Error::Server { error, .. }) if [1205, 1146].contains(&error.number) => {}
            read => read?,
        }
    }
    let databases: BTreeSet<&str> =
        candidates.iter().map(|candidate| candidate.name.schema.as_str()).collect();
    let mut unlockable = Vec::new();
    for database in databases {
        if !may_lock(session, database).await? {
            unlockable.push(database);
        }
    }
    if !unlockable.is_empty() {
        let explanation = Explanation::new(
            format!("the user may not lock tables in {}", list_names(&unlockable)),
            "a table is locked for some milliseconds while its rows are looked at: else nobody could say which changes \
             they contain",
            "as an administrator",
        );
        let grant =
            |database: &&str| format!("GRANT LOCK TABLES ON {}.* TO {account};", quote_name(database));
        findings.problem("CDC-MY-050", explanation.with_sql(unlockable.iter().map(grant)));
    }
    Ok(())
}

/// What a load selects.
async fn columns(session: &mut Session, options: &Options, name: &TableName) -> Result<String, Error> {
    let rules = (options.rules)(name);
    if rules == TableRules::default() {
        return Ok("*".to_owned());
    }
    let Some(shape) = catalog::shape(session, name).await? else { return Ok("*".to_owned()) };
    let schema = shape.schema(name);
    let sent = rules.apply(&schema);
    let sent = sent.map_err(|error| Refusal::Rules { table: name.clone(), problem: error.to_string() })?;
    let used = schema.columns.iter().zip(&sent.uses).filter(|(_, used)| **used != Use::Excluded);
    Ok(used.map(|(column, _)| quote_name(&column.name)).collect::<Vec<_>>().join(", "))
}

/// Asked by a table that is not there, so that nobody waits for a lock: the right to lock in its database is looked at
/// first (`check_table_access`).
async fn may_lock(session: &mut Session, database: &str) -> Result<bool, Error> {
    const NO_DATABASE_RIGHT: u16 = 1044;
    let nonesuch = quote_table(&TableName::new(database, "there is no such table"));
    let tried = session.execute(&format!("LOCK TABLES {nonesuch} READ")).await;
    match tried {
        Ok(()) => session.execute("UNLOCK TABLES").await.map(|()| true),
        Err(error) => match error.number() {
            Some(number) => Ok(number != NO_DATABASE_RIGHT),
            None => Err(error),
        },
    }
}

use std::collections::BTreeSet;

use event::{Explanation, Findings, list_names};
use mysql_async::Row;

use super::is_denied;
use super::settings::Settings;
use crate::error::Error;
use crate::options::Options;
use crate::session::Session;
use crate::system::{self, System};
use crate::{catalog, system::Flavour};

/// What never comes into this server's log.
pub(super) async fn check(
    session: &mut Session,
    system: &System,
    settings: &Settings,
    options: &Options,
    findings: &mut Findings,
) -> Result<(), Error> {
    let logs_applied = settings.is("log_slave_updates", "ON") || settings.is("log_replica_updates", "ON");
    if !logs_applied && is_replica(session, system).await? {
        let explanation = Explanation::new(
            "the server is a replica, and does not log what it applies (log_replica_updates, log_slave_updates)".to_owned(),
            "changes that are made at its source are never sent",
            "set it in the server's configuration file and restart it, or point the URL at its source",
        );
        findings.problem("CDC-MY-068", explanation);
    }
    filters(session, options, findings).await
}

/// Whether it applies another server's log, as far as this user may ask.
async fn is_replica(session: &mut Session, system: &System) -> Result<bool, Error> {
    let sql = match system.flavour {
        Flavour::Mysql => "SHOW REPLICA STATUS",
        Flavour::Mariadb => "SHOW ALL SLAVES STATUS",
    };
    match session.rows::<Row>(sql).await {
        Ok(rows) => Ok(!rows.is_empty()),
        // Before 8.0.22 it has another name.
        Err(error) if error.number() == Some(1064) => {
            Ok(session.first_row("SHOW SLAVE STATUS").await?.is_some())
        }
        Err(error) if is_denied(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Databases that are left out of the log (`binlog_do_db`, `binlog_ignore_db`).
async fn filters(session: &mut Session, options: &Options, findings: &mut Findings) -> Result<(), Error> {
    let Some(filters) = system::log_filters(session).await? else { return Ok(()) };
    let candidates = catalog::candidates(session).await?;
    let wanted = candidates.into_iter().map(|candidate| candidate.name).filter(|name| (options.wanted)(name));
    let hidden: BTreeSet<String> =
        wanted.map(|name| name.schema).filter(|database| filters.hide(database)).collect();
    if !hidden.is_empty() {
        let explanation = Explanation::new(
            format!(
                "databases are left out of the log (binlog_do_db, binlog_ignore_db): {}",
                list_names(hidden)
            ),
            "what is changed in their tables is never sent",
            "take them out of the filter in the server's configuration file and restart it, or out of [source.mysql] tables",
        );
        findings.problem("CDC-MY-069", explanation);
    }
    Ok(())
}

use event::{Explanation, Findings, TableName, list_names};

use super::settings::Settings;
use crate::catalog::Candidate;
use crate::error::Error;
use crate::load::LOCKED_BYTES;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::session::{Session, quote_table};

/// What tables keep from the log, or from a load.
pub(super) async fn check(
    session: &mut Session,
    options: &Options,
    candidates: &[Candidate],
    settings: &Settings,
    findings: &mut Findings,
) -> Result<(), Error> {
    let keyless: Vec<&Candidate> = candidates.iter().filter(|candidate| !candidate.has_key).collect();
    let keyless: Vec<&TableName> = keyless
        .into_iter()
        .map(|candidate| &candidate.name)
        .filter(|name| (options.rules)(name).key.is_none())
        .collect();
    if !keyless.is_empty() {
        let explanation = Explanation::new(
            format!("tables without a primary key: {}", list_names(&keyless)),
            "their events have no key, so that consumers can't tell which row is meant, and a broker keeps no order of them",
            "give them one, or name its columns ([[table]] key)",
        );
        findings.warning("CDC-MY-066", explanation);
    }
    let without_snapshots = candidates.iter().filter(|candidate| !candidate.has_snapshots());
    let (large, small): (Vec<_>, Vec<_>) =
        without_snapshots.partition(|candidate| candidate.bytes > LOCKED_BYTES);
    for Candidate { name, engine, .. } in large {
        findings.push(&Refusal::NoSnapshot { table: name.clone(), engine: engine.clone() });
    }
    if !small.is_empty() {
        let names = small.iter().map(|candidate| format!("{} ({})", candidate.name, candidate.engine));
        let explanation = Explanation::new(
            format!("tables whose engine has no snapshots: {}", list_names(names)),
            "each is locked against writing for as long as it is loaded, and what a rolled back transaction did to it stays",
            "give them another engine",
        );
        let alter =
            |candidate: &&Candidate| format!("ALTER TABLE {} ENGINE = InnoDB;", quote_table(&candidate.name));
        findings.warning("CDC-MY-053", explanation.with_sql(small.iter().map(alter)));
    }
    if cascades_below_the_log(settings) {
        cascades(session, options, findings).await?;
    }
    Ok(())
}

/// Since 9.6 MySQL itself changes the rows that refer to one, and logs them; before, and in MariaDB, the engine does
/// (`innodb_native_foreign_keys` brings that back).
fn cascades_below_the_log(settings: &Settings) -> bool {
    settings.is_mariadb || settings.version() < (9, 6) || settings.is("innodb_native_foreign_keys", "ON")
}

async fn cascades(session: &mut Session, options: &Options, findings: &mut Findings) -> Result<(), Error> {
    const SQL: &str = "SELECT DISTINCT constraint_schema, table_name FROM information_schema.referential_constraints \
        WHERE update_rule IN ('CASCADE', 'SET NULL') OR delete_rule IN ('CASCADE', 'SET NULL') ORDER BY 1, 2";
    let rows: Vec<(String, String)> = session.rows(SQL).await?;
    let tables = rows.into_iter().map(|(schema, table)| TableName { schema, table });
    let tables: Vec<TableName> = tables.filter(|name| (options.wanted)(name)).collect();
    if !tables.is_empty() {
        let explanation = Explanation::new(
            format!(
                "foreign keys change rows of {} (ON DELETE, ON UPDATE: CASCADE, SET NULL)",
                list_names(tables)
            ),
            "this server does so below its log: consumers never hear of it",
            "let the application change those rows itself, with keys that RESTRICT; MySQL 9.6 and later log them. Until then \
             `cdc snapshot --tables` reads such a table again",
        );
        findings.warning("CDC-MY-067", explanation);
    }
    Ok(())
}

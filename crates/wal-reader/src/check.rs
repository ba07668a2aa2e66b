//! What would fail or lose rows later, asked beforehand and all at once. Changes nothing.

use std::collections::BTreeSet;

use event::{Lsn, TableName};

use crate::catalog::{self, Candidate};
use crate::refusal::{Explanation, Refusal, list};
use crate::sql::{quote_name, quote_table, quote_text};
use crate::wire::{self, Connection, Mode};
use crate::{Error, Options, publication, rules, slot, system};

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// As the running program would say it: docs/errors.md explains it.
    pub code: &'static str,
    /// Whether the pipeline can run in spite of it.
    pub is_warning: bool,
    /// What was found, why it matters, and the statement or key that mends it.
    pub explanation: Explanation,
}

/// What a checkpoint says of the slot, if there is one.
#[derive(Clone, Debug)]
pub struct Known {
    /// Where the checkpoint stands; none if nothing was ever saved.
    pub position: Option<Lsn>,
    /// Whether the pipeline is running just now, so that its slot has a reader.
    pub is_running: bool,
    /// Where the checkpoint is kept.
    pub state: String,
}

/// Looks at the server, the role, the tables, the publication and the slot.
///
/// # Errors
/// When the server can't be asked at all.
pub async fn check(options: &Options, known: Known) -> Result<Vec<Finding>, Error> {
    let mut findings = Findings::default();
    match identify(options).await {
        Err(Error::Refused(refusal)) => {
            findings.refusal(&refusal);
            // All else can be asked without that right.
            if !matches!(*refusal, Refusal::NoReplicationRight { .. }) {
                return Ok(findings.0);
            }
        }
        identified => identified?,
    }
    let mut sql = wire::connect(&options.connection, Mode::Sql).await?;
    check_server(&mut sql, &mut findings).await?;
    let tables = check_publication(&mut sql, options, &mut findings).await?;
    check_rights(&mut sql, options, &tables, &mut findings).await?;
    findings.keep(rules::check(&mut sql, options, &tables).await)?;
    check_slot(&mut sql, options, &known, &mut findings).await?;
    Ok(findings.0)
}

async fn identify(options: &Options) -> Result<(), Error> {
    let mut replication = wire::connect(&options.connection, Mode::Replication).await?;
    system::identify(&mut replication).await.map(drop)
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn refusal(&mut self, refusal: &Refusal) {
        self.0.push(Finding { code: refusal.code(), is_warning: false, explanation: refusal.explain() });
    }

    fn warning(&mut self, code: &'static str, explanation: Explanation) {
        self.0.push(Finding { code, is_warning: true, explanation });
    }

    /// A refusal becomes a finding, any other error stays one; whether it went well.
    fn keep(&mut self, result: Result<(), Error>) -> Result<bool, Error> {
        match result {
            Ok(()) => Ok(true),
            Err(Error::Refused(refusal)) => {
                self.refusal(&refusal);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

async fn check_server(sql: &mut Connection, findings: &mut Findings) -> Result<(), Error> {
    if sql.server_version_num() < 140_000 {
        let found = sql.server_version_num() / 10_000;
        let what = format!("the server is PostgreSQL {found}");
        let why = "tested are 14 to 18";
        findings.warning("CDC-PG-036", Explanation::new(what, why, "upgrade it, or test with care"));
    }
    let rows = sql
        .query(
            "SELECT current_setting('wal_level') AS wal_level, \
               current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS slots, \
               current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS senders, \
               (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_mb, \
               (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'idle_replication_slot_timeout') AS idle",
        )
        .await?;
    let row = rows.single()?;
    let found = row.required("wal_level")?;
    if found != "logical" {
        findings.refusal(&Refusal::WalLevel { found: found.to_owned() });
    }
    for (column, setting, why) in [
        ("slots", "max_replication_slots", "the pipeline's slot can't be created"),
        ("senders", "max_wal_senders", "the server takes no further reader of its log"),
    ] {
        if row.parse::<i64>(column)? < 1 {
            let mend =
                "drop slots that nobody reads (`cdc slot list`), or raise the setting and restart the server";
            let what = format!("all of {setting} are taken");
            findings.warning("CDC-PG-037", Explanation::new(what, why, mend));
        }
    }
    if row.get("keep_mb")? == Some("-1") {
        let explanation = Explanation::new(
            "max_slot_wal_keep_size is unlimited".to_owned(),
            "while the pipeline is down its slot can fill the server's disk",
            "watch the WAL that the slot holds (`cdc slot list`), or set a limit, which loses the slot instead",
        );
        let sql = ["ALTER SYSTEM SET max_slot_wal_keep_size = '100GB';", "SELECT pg_reload_conf();"];
        findings.warning("CDC-PG-038", explanation.with_sql(sql.map(str::to_owned)));
    }
    if row.get("idle")?.is_some_and(|idle| idle != "0") {
        let explanation = Explanation::new(
            "idle_replication_slot_timeout is set".to_owned(),
            "a pipeline that is down for so long loses its slot, and with it the changes since",
            "as a superuser",
        );
        let sql = ["ALTER SYSTEM SET idle_replication_slot_timeout = 0;", "SELECT pg_reload_conf();"];
        findings.warning("CDC-PG-038", explanation.with_sql(sql.map(str::to_owned)));
    }
    Ok(())
}

/// Returns the tables that will be read.
async fn check_publication(
    sql: &mut Connection,
    options: &Options,
    findings: &mut Findings,
) -> Result<BTreeSet<TableName>, Error> {
    let candidates = catalog::candidates(sql).await?;
    let plan = publication::plan(sql, options, &candidates).await;
    let plan = match plan {
        Ok(plan) => plan,
        Err(Error::Refused(refusal)) => {
            findings.refusal(&refusal);
            return Ok(BTreeSet::new());
        }
        Err(error) => return Err(error),
    };
    if !plan.missing.is_empty() {
        if let Err(Error::Refused(refusal)) = publication::refuse_without_identity(&plan.missing) {
            findings.refusal(&refusal);
        }
        if !may_publish(sql, options, plan.exists, &plan.missing).await? {
            findings.refusal(&publication::refused(
                &options.publication,
                plan.exists,
                &plan.missing,
                "this role may not change that",
            ));
        }
    }
    let published_without_identity: Vec<&TableName> = candidates
        .iter()
        .filter(|candidate| !candidate.has_replica_identity && plan.published.contains(&candidate.name))
        .map(|candidate| &candidate.name)
        .collect();
    if !published_without_identity.is_empty() {
        let sql = published_without_identity
            .iter()
            .map(|name| format!("ALTER TABLE {} REPLICA IDENTITY FULL;", quote_table(name)))
            .collect::<Vec<_>>();
        let explanation = Explanation::new(
            format!("published without a replica identity: {}", list(published_without_identity)),
            "the application's own UPDATE and DELETE fail there",
            "give them a primary key, or as their owner",
        );
        findings.warning("CDC-PG-031", explanation.with_sql(sql));
    }
    Ok(plan.all)
}

/// Creating a publication wants CREATE on the database; adding to one wants to own it; both want to own the tables.
async fn may_publish(
    sql: &mut Connection,
    options: &Options,
    exists: bool,
    missing: &[&Candidate],
) -> Result<bool, Error> {
    let right = if exists {
        format!(
            "(SELECT pg_catalog.pg_has_role(pubowner, 'USAGE') FROM pg_catalog.pg_publication WHERE pubname = {})",
            quote_text(&options.publication)
        )
    } else {
        "pg_catalog.has_database_privilege(current_database(), 'CREATE')".to_owned()
    };
    let tables: Vec<String> = missing
        .iter()
        .map(|candidate| format!("{}::pg_catalog.regclass", quote_text(&quote_table(&candidate.name))))
        .collect();
    let rows = sql
        .query(&format!(
            "SELECT {right} AND (SELECT pg_catalog.bool_and(pg_catalog.pg_has_role(relowner, 'USAGE')) \
               FROM pg_catalog.pg_class WHERE oid IN ({}))",
            tables.join(", ")
        ))
        .await?;
    Ok(rows.single()?.get(0)? == Some("t"))
}

async fn check_rights(
    sql: &mut Connection,
    options: &Options,
    tables: &BTreeSet<TableName>,
    findings: &mut Findings,
) -> Result<(), Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let values: Vec<String> = tables
        .iter()
        .map(|name| format!("({}, {})", quote_text(&name.schema), quote_text(&name.table)))
        .collect();
    let rows = sql
        .query(&format!(
            "SELECT n.nspname, c.relname, \
               pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                 AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') \
                   OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT')) AS may_read, \
               pg_catalog.row_security_active(c.oid) AS has_policy \
             FROM (VALUES {}) AS wanted (nspname, relname) \
               JOIN pg_catalog.pg_namespace n USING (nspname) \
               JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname",
            values.join(", ")
        ))
        .await?;
    let user = quote_name(options.connection.user());
    for row in rows.iter() {
        let table = TableName::new(row.required(0)?, row.required(1)?);
        if row.required("may_read")? != "t" {
            let sql = vec![
                format!("GRANT USAGE ON SCHEMA {} TO {user};", quote_name(&table.schema)),
                format!("GRANT SELECT ON {} TO {user};", quote_table(&table)),
            ];
            let (problem, mend) = ("no right to SELECT".to_owned(), "as the owner".to_owned());
            findings.refusal(&Refusal::Unreadable { table, problem, mend, sql });
        } else if row.required("has_policy")? == "t" {
            let sql = vec![format!("ALTER ROLE {user} BYPASSRLS;")];
            let problem = "row-level security would hide rows from it".to_owned();
            let mend = "as a superuser".to_owned();
            findings.refusal(&Refusal::Unreadable { table, problem, mend, sql });
        }
    }
    Ok(())
}

async fn check_slot(
    sql: &mut Connection,
    options: &Options,
    known: &Known,
    findings: &mut Findings,
) -> Result<(), Error> {
    let found = slot::find(sql, &options.slot).await?;
    if let Some(pid) = found.as_ref().and_then(|slot| slot.active_pid).filter(|_| !known.is_running) {
        let reader = slot::reader(sql, pid).await?;
        findings.refusal(&Refusal::SlotActive { slot: options.slot.clone(), reader });
    }
    let none: [&str; 0] = [];
    match (found, known.position) {
        (Some(slot), Some(position)) => {
            if let Err(refusal) = slot.check(options.connection.database(), position, none) {
                findings.refusal(&refusal);
            }
        }
        (Some(slot), None) => findings.refusal(&Refusal::SlotUnknown {
            slot: slot.name,
            confirmed: slot.confirmed.unwrap_or(Lsn::ZERO),
            state: known.state.clone(),
        }),
        (None, Some(checkpoint)) => {
            let tables = "all tables".to_owned();
            findings.refusal(&Refusal::SlotMissing { slot: options.slot.clone(), checkpoint, tables });
        }
        (None, None) => {
            if let Some(blockers) = crate::blockers(sql).await? {
                let what = format!("transactions are open: {blockers}");
                let why = "creating the slot waits until they are over";
                findings.warning("CDC-PG-039", Explanation::new(what, why, "end them, or wait"));
            }
        }
    }
    Ok(())
}

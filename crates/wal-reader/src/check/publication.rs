use std::collections::BTreeSet;

use event::{Explanation, Findings, TableName, list_names};

use crate::catalog::{self, Candidate};
use crate::wire::Connection;
use crate::{Error, Options, publication};

/// What is published, and what is not yet. Returns the tables that will be read.
pub(super) async fn check(
    sql: &mut Connection,
    options: &Options,
    findings: &mut Findings,
) -> Result<BTreeSet<TableName>, Error> {
    let candidates = catalog::candidates(sql).await?;
    let plan = match publication::plan(sql, options, &candidates).await {
        Ok(plan) => plan,
        Err(Error::Refused(refusal)) => {
            findings.push(&*refusal);
            return Ok(BTreeSet::new());
        }
        Err(error) => return Err(error),
    };
    if !plan.missing.is_empty() {
        if let Err(Error::Refused(refusal)) = publication::refuse_without_identity(&plan.missing) {
            findings.push(&*refusal);
        }
        if !publication::not_publishable(sql, options, plan.exists, &plan.missing).await?.is_empty() {
            findings.push(&publication::refused(
                &options.publication,
                plan.exists,
                &plan.missing,
                "this role may not change that",
            ));
        }
    }
    let without_identity: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.identity.is_none() && plan.published.contains(&candidate.name))
        .collect();
    if !without_identity.is_empty() {
        let sql = without_identity.iter().filter_map(|candidate| candidate.mend()).collect::<Vec<_>>();
        let explanation = Explanation::new(
            format!("published without a replica identity: {}", list_names(without_identity)),
            "the application's own UPDATE and DELETE fail there",
            "give them a primary key, or as their owner",
        );
        findings.warning("CDC-PG-031", explanation.with_sql(sql));
    }
    Ok(plan.all)
}

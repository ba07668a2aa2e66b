use super::Session;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::options::Relation;

/// Longer than any plan.
const PLAN_TEXT_BYTES: usize = 4 << 20;

impl Session {
    /// PostgreSQL fixes the view of a transaction at its first query, before that waits for the table. One that was
    /// rewritten in between (ALTER TABLE … TYPE) shows no rows at all, without an error. `LOCK TABLE` takes no view: so it
    /// comes first. Neither servers that refuse such a reading nor those that lock by themselves need this.
    pub(super) fn lock_statement<'r>(
        &self,
        relations: impl Iterator<Item = &'r Relation>,
    ) -> Result<Option<String>, Error> {
        let mut tables = Vec::new();
        for relation in relations {
            match relation {
                Relation::Table(parts) => tables.push(self.dialect.table(parts)),
                Relation::Query(query) => {
                    let plan =
                        self.texts_of(&format!("EXPLAIN (VERBOSE, FORMAT JSON) {query}"), PLAN_TEXT_BYTES)?;
                    let lines = plan.into_iter().flatten().flatten().collect::<Vec<_>>().join("\n");
                    scanned_tables(
                        &serde_json::from_str(&lines).unwrap_or_default(),
                        self.dialect,
                        &mut tables,
                    );
                }
            }
        }
        let mut lockable = Vec::new();
        for table in tables {
            let query = format!(
                "SELECT 1 FROM pg_class WHERE oid = to_regclass({}) AND relkind IN ('r', 'p', 'v')",
                self.dialect.literal(&table)
            );
            if !lockable.contains(&table) && !self.texts(&query)?.is_empty() {
                lockable.push(table);
            }
        }
        Ok((!lockable.is_empty()).then(|| format!("LOCK TABLE {} IN ACCESS SHARE MODE", lockable.join(", "))))
    }
}

/// The tables that a plan reads.
fn scanned_tables(plan: &serde_json::Value, dialect: Dialect, tables: &mut Vec<String>) {
    match plan {
        serde_json::Value::Array(parts) => {
            parts.iter().for_each(|part| scanned_tables(part, dialect, tables))
        }
        serde_json::Value::Object(node) => {
            let name = |key: &str| node.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
            if let (Some(schema), Some(table)) = (name("Schema"), name("Relation Name")) {
                tables.push(dialect.table(&[schema, table]));
            }
            node.values().for_each(|part| scanned_tables(part, dialect, tables));
        }
        _ => {}
    }
}

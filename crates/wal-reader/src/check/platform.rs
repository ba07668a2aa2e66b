//! Whose server it is. Managed ones have no superuser to give away, and settings that are made elsewhere: what mends a
//! finding is another thing there. Recognised by roles that each creates in every database cluster of its own; what to
//! do is from their documentation of logical replication.

use event::Explanation;

use crate::Error;
use crate::refusal::Refusal;
use crate::sql::quote_name;
use crate::wire::Connection;

/// Who runs the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Platform {
    /// Somebody who may be a superuser.
    Own,
    /// Amazon RDS for PostgreSQL.
    Rds,
    /// Amazon Aurora PostgreSQL.
    Aurora,
    /// Google Cloud SQL.
    CloudSql,
    /// Azure Database for PostgreSQL.
    Azure,
    /// Supabase.
    Supabase,
    /// Neon.
    Neon,
}

impl Platform {
    /// Asks which roles there are.
    pub(super) async fn recognise(sql: &mut Connection) -> Result<Self, Error> {
        let rows = sql
            .query(
                "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('rds_superuser', 'cloudsqlsuperuser', \
                   'azure_pg_admin', 'supabase_admin', 'neon_superuser') \
                 UNION ALL SELECT proname FROM pg_catalog.pg_proc WHERE proname = 'aurora_version'",
            )
            .await?;
        let found = rows.iter().map(|row| row.required(0)).collect::<Result<Vec<_>, Error>>()?;
        let recognised = [
            // Aurora has the roles of RDS too.
            ("aurora_version", Self::Aurora),
            ("rds_superuser", Self::Rds),
            ("cloudsqlsuperuser", Self::CloudSql),
            ("azure_pg_admin", Self::Azure),
            ("supabase_admin", Self::Supabase),
            ("neon_superuser", Self::Neon),
        ];
        let known = recognised.iter().find(|(name, _)| found.contains(name));
        Ok(known.map_or(Self::Own, |(_, platform)| *platform))
    }

    /// How a setting of the server is changed.
    pub(super) fn setting(self, what: String, why: &str, name: &str, value: &str) -> Explanation {
        // What turns logical decoding on has a name of its own here and there.
        let (name, value) = match (self, name) {
            (Self::Rds | Self::Aurora, "wal_level") => ("rds.logical_replication", "1"),
            (Self::CloudSql, "wal_level") => ("cloudsql.logical_decoding", "on"),
            setting => (setting.1, value),
        };
        let mend = match self {
            Self::Own => {
                let apply = if name == "wal_level" {
                    "as a superuser, and then restart the server"
                } else {
                    "as a superuser"
                };
                let reload = (name != "wal_level").then(|| "SELECT pg_reload_conf();".to_owned());
                let set = format!("ALTER SYSTEM SET {name} = '{value}';");
                return Explanation::new(what, why, apply).with_sql([set].into_iter().chain(reload));
            }
            Self::Rds => {
                format!("on Amazon RDS, set {name} = {value} in the instance's parameter group and reboot it")
            }
            Self::Aurora => {
                format!(
                    "on Amazon Aurora, set {name} = {value} in the cluster's parameter group and reboot the writer"
                )
            }
            Self::CloudSql => {
                format!("on Cloud SQL, set the instance's flag {name}={value}, which restarts it")
            }
            Self::Azure => {
                format!(
                    "on Azure, set the server parameter {name} to {value} (portal, or az postgres flexible-server \
                         parameter set), and restart the server if it says so"
                )
            }
            Self::Supabase => {
                format!(
                    "on Supabase, set {name} to {value} (supabase postgres-config update) and restart the project"
                )
            }
            Self::Neon if name == "wal_level" => {
                "on Neon, enable logical replication in the project's settings, which restarts its computes"
                    .to_owned()
            }
            Self::Neon => format!("on Neon, {name} is the service's: ask its support for {value}"),
        };
        Explanation::new(what, why, mend)
    }

    /// How a role comes to read the log.
    pub(super) fn replication_right(self, refusal: &Refusal, role: &str) -> Explanation {
        let explanation = refusal.explain();
        let role = quote_name(role);
        let (mend, statement) = match self {
            Self::Own => return explanation,
            Self::Rds | Self::Aurora => {
                ("as a member of rds_superuser", format!("GRANT rds_replication TO {role};"))
            }
            Self::CloudSql => ("as a member of cloudsqlsuperuser", format!("ALTER ROLE {role} REPLICATION;")),
            Self::Azure => ("as a member of azure_pg_admin", format!("ALTER ROLE {role} REPLICATION;")),
            Self::Supabase => ("as the role postgres", format!("ALTER ROLE {role} REPLICATION;")),
            Self::Neon => ("as a member of neon_superuser", format!("ALTER ROLE {role} REPLICATION;")),
        };
        Explanation::new(explanation.what, explanation.why, mend).with_sql([statement])
    }
}

//! Managed servers are recognised by what they create in each cluster; here it is created on an ordinary one.

use super::{found, is_gone, never_ran};
use crate::world::World;

/// What each creates, and what is to be done there that would be `ALTER SYSTEM` elsewhere.
const PLATFORMS: [(&str, &str, &[&str]); 6] = [
    (
        "CREATE ROLE rds_superuser",
        "DROP ROLE rds_superuser",
        &["Amazon RDS", "rds.logical_replication = 1", "parameter group"],
    ),
    (
        "CREATE ROLE rds_superuser; CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS 'SELECT ''x'''",
        "DROP ROLE rds_superuser; DROP FUNCTION aurora_version()",
        &["Amazon Aurora", "rds.logical_replication = 1", "cluster's parameter group"],
    ),
    (
        "CREATE ROLE cloudsqlsuperuser",
        "DROP ROLE cloudsqlsuperuser",
        &["Cloud SQL", "cloudsql.logical_decoding=on"],
    ),
    ("CREATE ROLE azure_pg_admin", "DROP ROLE azure_pg_admin", &["Azure", "wal_level to logical", "portal"]),
    ("CREATE ROLE supabase_admin", "DROP ROLE supabase_admin", &["Supabase", "wal_level to logical"]),
    ("CREATE ROLE neon_superuser", "DROP ROLE neon_superuser", &["Neon", "enable logical replication"]),
];

#[tokio::test]
async fn a_managed_server_has_remedies_of_its_own() {
    let world = World::own(16, &[("wal_level", "replica")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    for (create, drop, words) in PLATFORMS {
        world.run(create).await;
        let level = found(&world, &never_ran(), "CDC-PG-020", words).await;
        let limit = found(&world, &never_ran(), "CDC-PG-038", &words[..1]).await;
        for finding in [level, limit] {
            assert!(finding.explanation.sql.is_empty(), "nobody is a superuser there: {finding:?}");
        }
        world.run(drop).await;
        assert!(is_gone(&world, &never_ran(), "CDC-PG-020", words).await);
    }
    found(&world, &never_ran(), "CDC-PG-020", &["ALTER SYSTEM SET wal_level = 'logical';"]).await;
}

#[tokio::test]
async fn the_right_to_read_the_log_is_a_role_on_amazon_s() {
    let mut world = World::own(16, &[]).await;
    world
        .run("CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE rds_superuser; CREATE ROLE rds_replication")
        .await;
    let role = super::as_role(&mut world, "").await;
    let grant = format!("GRANT rds_replication TO \"{role}\";");
    let finding = found(&world, &never_ran(), "CDC-PG-043", &["as a member of rds_superuser"]).await;
    assert_eq!(finding.explanation.sql, std::slice::from_ref(&grant));
    world.run(&grant).await;
}

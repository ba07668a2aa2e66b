//! What `cdc check` finds, each on a real server; and that the statements it gives mend it: once they are run, the
//! finding is gone.

mod limits;
mod platform;
mod proxy;
mod publication;
mod rights;
mod server;
mod slot;
mod standbys;
mod tables;
mod transactions;

use event::{Finding, Lsn};
use wal_reader::Known;
use wal_reader::wire::Mode;

use crate::world::{World, soon};

/// Of a pipeline that never ran.
fn never_ran() -> Known {
    Known { position: None, is_running: false, state: "a folder".to_owned() }
}

/// Of one that is down, and was saved here.
fn saved_at(position: Lsn) -> Known {
    Known { position: Some(position), ..never_ran() }
}

async fn findings(world: &World, known: &Known) -> Vec<Finding> {
    soon("the check", wal_reader::check(&world.options, known.clone())).await.unwrap()
}

/// The one finding with this code and these words.
async fn found(world: &World, known: &Known, code: &str, words: &[&str]) -> Finding {
    let all = findings(world, known).await;
    let mut fitting = all.iter().filter(|finding| fits(finding, code, words));
    let (Some(finding), None) = (fitting.next(), fitting.next()) else {
        panic!("not one {code} with {words:?} in {all:#?}")
    };
    assert!(finding.explanation.why.len() > 10 && finding.explanation.mend.len() > 3, "{finding:?}");
    finding.clone()
}

async fn is_gone(world: &World, known: &Known, code: &str, words: &[&str]) -> bool {
    !findings(world, known).await.iter().any(|finding| fits(finding, code, words))
}

fn fits(finding: &Finding, code: &str, words: &[&str]) -> bool {
    let said = finding.explanation.to_string();
    finding.code == code && words.iter().all(|word| said.contains(word))
}

/// Finds it, runs what it says, and finds it no more.
async fn is_mended(world: &World, known: &Known, code: &str, words: &[&str]) {
    let finding = found(world, known, code, words).await;
    assert!(!finding.explanation.sql.is_empty(), "no statement: {finding:?}");
    for statement in &finding.explanation.sql {
        world.run(statement).await;
    }
    until_gone(world, known, code, words).await;
}

/// A setting takes a moment to be known to all.
async fn until_gone(world: &World, known: &Known, code: &str, words: &[&str]) {
    soon("the finding to go", async {
        while !is_gone(world, known, code, words).await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// The reader connects as another role from now on.
async fn as_role(world: &mut World, attributes: &str) -> String {
    let role = format!("reader_{}", world.options.connection.database());
    world.run(&format!("CREATE ROLE {role} LOGIN {attributes}")).await;
    let database = world.options.connection.database();
    let url = format!("postgres://{role}@127.0.0.1:{}/{database}", world.postgres().port());
    world.options.connection = wal_reader::wire::Config::parse(&url).unwrap();
    role
}

/// A server that is as it should be leaves nothing to say.
#[tokio::test]
async fn nothing_is_found_where_all_is_well() {
    let world = World::own(18, &[("max_slot_wal_keep_size", "1GB")]).await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, note text)").await;
    assert_eq!(findings(&world, &never_ran()).await, []);
    let start = world.begin().await;
    assert_eq!(findings(&world, &saved_at(start)).await, []);
    drop(world.wire(Mode::Sql).await);
}

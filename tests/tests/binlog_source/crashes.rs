//! A server that dies while it writes its log.

use std::collections::BTreeSet;
use std::time::Duration;

use end_to_end::random::{Random, seed};
use end_to_end::servers::{Release, Stop};

use crate::world::World;

/// A file may end in the middle of a transaction then, which is rolled back: it is not sent, and nothing after it is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_transaction_at_the_end_of_a_file() {
    for release in [Release::Mysql, Release::Mariadb("10.11"), Release::Mariadb("11.8")] {
        let mut random = Random::new(seed(&format!("crashes on {release:?}")));
        let mut world = World::new(release);
        world.run("CREATE TABLE mark (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, b longblob)");
        let mut reader = world.reader().await;
        for round in 1..5 {
            let mut session = world.session().await;
            let writer = tokio::spawn(async move {
                let mut id = round * 1_000_000;
                loop {
                    // Many times what is written at once.
                    let rows: Vec<_> =
                        (0..40).map(|row| format!("({}, REPEAT('x', 500000))", id + row)).collect();
                    if session
                        .execute(&format!("INSERT INTO shop.t VALUES {}", rows.join(", ")))
                        .await
                        .is_err()
                    {
                        return;
                    }
                    id += 40;
                }
            });
            tokio::time::sleep(Duration::from_millis(random.within(300..1500))).await;
            world.mysql.stop(Stop::Kill);
            writer.await.unwrap();
            world.mysql.start_again();
            world.run(&format!("DELETE FROM t WHERE id < 0; INSERT INTO mark VALUES ({round})"));
            reader = reader.reopen(&world.options).await.unwrap();
            let events = reader.until_mark(round).await;
            let sent: Vec<i64> = events
                .iter()
                .filter(|event| event["op"] == "insert")
                .map(|event| event["after"]["id"].as_i64().unwrap())
                .collect();
            let is_there = world.mysql.query("SELECT id FROM shop.t ORDER BY id");
            let is_there: BTreeSet<i64> = is_there.iter().map(|row| row[0].parse().unwrap()).collect();
            assert_eq!(BTreeSet::from_iter(sent), is_there, "{release:?}, round {round}");
            world.run("TRUNCATE t");
        }
    }
}

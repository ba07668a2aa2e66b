//! A standby before version 16 is refused; and a promoted server is one whose log branched off.

use end_to_end::servers::Stop;
use event::Lsn;
use wal_reader::system::{self, System};
use wal_reader::wire::Mode;

use crate::world::World;

#[tokio::test]
async fn is_refused_until_it_is_promoted() {
    let mut world = World::own(15, &[]).await;
    let before = system::identify(&mut world.wire(Mode::Replication).await).await.unwrap();
    assert_eq!(before.timeline, 1);
    world.postgres_mut().stop(Stop::Fast);
    world.postgres().write_file("standby.signal", "");
    world.postgres_mut().start_again();
    let mut replication = world.wire(Mode::Replication).await;
    let refused = system::identify(&mut replication).await.unwrap_err();
    assert_eq!(refused.code(), "CDC-PG-034", "{refused}");
    assert!(!refused.is_retryable());
    assert!(refused.to_string().contains("target_session_attrs=primary"), "{refused}");

    world.reconnect().await;
    let switch = world.lsn("SELECT pg_last_wal_replay_lsn()").await;
    assert_eq!(world.text("SELECT pg_promote()").await, "t");
    let mut replication = world.wire(Mode::Replication).await;
    let now = system::identify(&mut replication).await.unwrap();
    assert_eq!(now, System { timeline: 2, ..before.clone() });
    let tables = ["public.t"];
    system::check(&mut replication, &now, &before, switch, tables).await.unwrap();
    let beyond = Lsn::from(u64::from(switch) + 1);
    let diverged = system::check(&mut replication, &now, &before, beyond, tables).await.unwrap_err();
    assert_eq!(diverged.code(), "CDC-PG-029", "{diverged}");
    assert!(diverged.to_string().contains("public.t"), "{diverged}");

    let other = System { identifier: "1".to_owned(), ..before };
    let foreign = system::check(&mut replication, &now, &other, switch, tables).await.unwrap_err();
    assert_eq!(foreign.code(), "CDC-PG-028", "{foreign}");
    assert!(foreign.to_string().contains(&now.identifier), "{foreign}");
}

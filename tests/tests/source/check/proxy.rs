//! A pooler in between that speaks no replication.

use end_to_end::servers::{Pgbouncer, Postgres};
use wal_reader::wire::{self, Config, Mode};

use super::{found, never_ran};
use crate::world::World;

#[tokio::test]
async fn a_pooler_that_refuses_what_it_does_not_know() {
    let mut world = World::own(15, &[]).await;
    let pooler = Pgbouncer::in_front_of(world.postgres(), &[]);
    world.options.connection = Config::parse(&pooler.url()).unwrap();
    for mode in [Mode::Replication, Mode::Sql] {
        let error = wire::connect(&world.options.connection, mode).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-055", false), "{error}");
    }
    found(&world, &never_ran(), "CDC-PG-055", &["does not speak replication", "the database's own address"])
        .await;
}

/// As people set it up to let drivers in.
#[tokio::test]
async fn a_pooler_that_ignores_what_it_does_not_know() {
    let postgres = Postgres::start(15);
    let pooler = Pgbouncer::in_front_of(&postgres, &[("ignore_startup_parameters", "options, replication")]);
    let mut world = World::own(15, &[]).await;
    world.options.connection = Config::parse(&pooler.url()).unwrap();
    let said = ["does not speak replication", "queries alone", "pgbouncer", "PgBouncer"];
    found(&world, &never_ran(), "CDC-PG-055", &said[..2]).await;
}

//! Random tables, random writes, random DDL, and everything is killed at random: the program, the database, the broker.
//! Afterwards what came is held against what the source did.
//!
//! A round has a seed, which is printed first and named by every failure; `CDC_SEED` plays it again, as far as sessions
//! of a server and kills can be made to. `CDC_HAVOC_MINUTES` goes on with further rounds for so long.

mod round;
mod source;
mod strict;
mod target;

use std::env;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use end_to_end::random::Random;
use end_to_end::servers::Release;

use self::round::{Outcome, round};
use self::source::Source;

/// Of one round, before everything heals.
const ROUND: Duration = Duration::from_secs(60);

#[test]
fn on_the_oldest_version() {
    run("PostgreSQL 14", |_| Source::Postgres(14));
}

#[test]
fn on_the_newest_version() {
    run("PostgreSQL 18", |_| Source::Postgres(18));
}

#[test]
fn on_mysql() {
    run("MySQL", |_| Source::Mysql(Release::Mysql));
}

#[test]
fn on_mariadb() {
    run("MariaDB", |random| Source::Mysql(*random.pick(&Release::ALL[1..])));
}

/// `source` chooses by a round's seed.
fn run(name: &str, source: impl Fn(&mut Random) -> Source) {
    let minutes: u64 =
        env::var("CDC_HAVOC_MINUTES").map_or(0, |minutes| minutes.parse().expect("CDC_HAVOC_MINUTES"));
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let given = env::var("CDC_SEED").ok().map(|seed| seed.parse().expect("CDC_SEED is a number"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
    let mut seeds = Random::new(now ^ name.len() as u64);
    let mut given_up = 0;
    loop {
        let seed = given.unwrap_or_else(|| seeds.number());
        println!("havoc on {name}: CDC_SEED={seed}");
        let outcome = round(source(&mut Random::new(seed)), seed, ROUND);
        println!("havoc on {name}: CDC_SEED={seed}: {outcome:?}");
        // The server's own trouble says nothing about anything else: another round does.
        let is_told = !matches!(outcome, Outcome::ServerGaveUp { .. });
        given_up = if is_told { 0 } else { given_up + 1 };
        assert!(given_up < 4, "no server can be in trouble that often: {outcome:?}");
        if Instant::now() >= end && (given.is_some() || is_told) {
            break;
        }
    }
}

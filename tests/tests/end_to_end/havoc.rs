//! Random tables, random writes, random DDL, and everything is killed at random: the program, the database, the broker.
//! Afterwards what came is held against what the source did.
//!
//! A round has a seed, which is printed first and named by every failure; `CDC_SEED` plays it again, as far as sessions
//! of a server and kills can be made to. `CDC_HAVOC_MINUTES` goes on with further rounds for so long.

mod round;
mod strict;
mod target;

use std::env;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use end_to_end::random::Random;

use self::round::{Outcome, round};

/// What a pipeline may be set to: each round takes one of them.
const SOURCE_OPTIONS: &[&str] = &["", "streaming = true"];

/// Of one round, before everything heals.
const ROUND: Duration = Duration::from_secs(60);

#[test]
fn on_the_oldest_version() {
    run(14);
}

#[test]
fn on_the_newest_version() {
    run(18);
}

fn run(version: u32) {
    let minutes: u64 =
        env::var("CDC_HAVOC_MINUTES").map_or(0, |minutes| minutes.parse().expect("CDC_HAVOC_MINUTES"));
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let name = format!("havoc on PostgreSQL {version}");
    let given = env::var("CDC_SEED").ok().map(|seed| seed.parse().expect("CDC_SEED is a number"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
    let mut seeds = Random::new(now ^ u64::from(version));
    loop {
        let seed = given.unwrap_or_else(|| seeds.number());
        println!("{name}: CDC_SEED={seed}");
        let outcome = round(version, seed, ROUND);
        println!("{name}: CDC_SEED={seed}: {outcome:?}");
        // The server's own trouble says nothing about anything else: another round does.
        if Instant::now() >= end && (given.is_some() || !matches!(outcome, Outcome::ServerGaveUp { .. })) {
            break;
        }
    }
}

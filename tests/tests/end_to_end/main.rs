//! The built program against real servers: what it promises, while things break.
//!
//! | module | idea |
//! |---|---|
//! | `chaos` | killed at any moment, under any load: the sink ends up with the source's rows |
//! | `havoc` | random tables, writes, DDL and kills of everything: the sink has what the source did, at each commit |
//! | `memory` | it stays small, however large a transaction or a table is |
//! | `another_decoder` | what a decoder by other people finds in the same binary log |
//! | `outage` | brokers, databases and networks that go and come back: nothing lost, memory bounded, few words |
//! | `http` | receivers that fail, hang, refuse and say no: each event arrives, in its key's order, or is put aside |
//! | `replays` | retained events for one more consumer, beside a pipeline that runs |
//! | `state` | what a pipeline remembers, copied and put back |
//! | `stranger` | wrong input is refused with a code and the remedy, and once mended nothing is missing |
//! | `refusals` | what servers and other programs refuse: who it is, and what mends it |
//! | `strange_mysql` | the same on MySQL and MariaDB |
//! | `first_contact` | from nothing to a pipeline, also one that goes on where another program's slot stands |
//! | `tail` | changes shown to a person, without leaving anything behind |
//! | `stateless` | without a disk of its own, killed and started elsewhere |
//! | `shutdown` | told to end, it drains, saves and leaves, whatever it is doing |
//! | `loads` | loads alone, anew and of added tables, beside changes that go on |
//! | `tables` | what is sent of a table, under which key, to which topic |
//! | `snapshots` | what `cdc snapshot` can be asked for: parts, room first, an estimate |
//! | `parts` | parts of a table read beside writers at random: no key ever goes back |
//! | `danger` | a slot that will be lost is spoken of well before that |
//! | `reloads` | a table read anew, held up at each moment at which that matters |
//! | `commands` | what people and machines ask a pipeline |
//! | `page` | the live page, in a real browser |
//! | `spans` | what an OpenTelemetry collector gets |
//! | `rotation` | passwords that change under a running program need no restart |
//! | `least` | the permissions that docs/security.md lists are enough |
//! | `secrets` | nothing that was ever printed or served holds a secret |
//! | `extremes` | a row of 100 MB and 5,000 tables: bounded memory, and nothing is missing |
//! | `new_tables` | tables that come, go and change places while the pipeline runs |
//! | `publication` | a publication or a slot that somebody makes anew |
//! | `failover` | a standby that took over, a restored copy |
//! | `standby` | a standby's log, while the primary is written to |
//! | `origins` | changes of chosen origins are not sent, and hold nothing up |
#![allow(missing_docs)]

mod another_decoder;
mod chaos;
mod commands;
mod danger;
mod extremes;
mod failover;
mod first_contact;
mod havoc;
mod http;
mod least;
mod loads;
mod memory;
mod new_tables;
mod origins;
mod outage;
mod page;
mod parts;
mod publication;
mod refusals;
mod reloads;
mod replays;
mod rotation;
mod secrets;
mod setup;
mod shutdown;
mod snapshots;
mod spans;
mod standby;
mod state;
mod stateless;
mod strange_mysql;
mod stranger;
mod tables;
mod tail;

//! What leaves the Postgres reader, for schedules in which rows are easily lost, invented or turned back: each test
//! plays one of them against a real server, with second sessions that commit, crash, lock or stall at the worst moment.
//!
//! `world` is a database with a publication, a slot and the reader on it; `replica` is a consumer that does what the
//! envelope's documentation tells it to. All else is one idea a file.

mod altered;
mod check;
mod contained;
mod encodings;
mod forgetting;
mod generated;
mod held;
mod identity;
mod lock;
mod messages;
mod partitions;
mod persistence;
mod position;
mod published;
mod random;
mod ranges;
mod rebuilt;
mod refusals;
mod reload;
mod replica;
mod samples;
mod seed;
mod settle;
mod shapes;
mod stalled;
mod standby;
mod streaming;
mod taken_in;
mod toast;
mod transactions;
mod truncate;
mod undecodable;
mod values;
mod world;
mod writers;

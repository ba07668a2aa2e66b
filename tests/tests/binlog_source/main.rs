//! What leaves the reader of binary logs, for schedules in which rows are easily lost, invented or turned back: each test
//! plays one of them against a real server.
//!
//! `world` is a server with a database and the reader on it. All else is one idea a file.

mod check;
mod connections;
mod crashes;
mod ddl;
mod definitions;
mod images;
mod load_fences;
mod load_units;
mod load_world;
mod lookups;
mod positions;
mod transactions;
mod world;

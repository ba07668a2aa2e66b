//! Databases that are polled, through their real ODBC drivers: what comes out of the built program.

mod aggregates;
mod clocks;
mod copies;
mod crashes;
mod crm;
mod customers;
mod deletes;
mod program;
mod random;
mod scale;
mod steps;
mod values;
mod world;

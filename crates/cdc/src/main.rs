//! x
mod cli;
mod config;
mod diagnostics;
mod exit;
mod logging;
mod shutdown;
fn main() {}

//! A pipeline as a service of the system: what starts it with the machine, and again when it fails.
//!
//! One idea: **a service is its pipeline's name, a program and a configuration**, and the system's own manager does the rest.
//! systemd gets a unit, confined as deploy/systemd/cdc@.service is; Windows gets an entry in its service control
//! manager, under an account of its own that has few rights.

mod error;
#[cfg(unix)]
mod systemd;
#[cfg(windows)]
mod windows;

use std::path::PathBuf;

pub use error::Error;
#[cfg(unix)]
pub use systemd::{install, remove, status, unit};
#[cfg(windows)]
pub use windows::{install, remove, run, status};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Service {
    /// The pipeline's name.
    pub pipeline: String,
    /// The program, by its whole path.
    pub program: PathBuf,
    /// Its configuration, by its whole path.
    pub config: PathBuf,
}

/// What the system says of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it runs.
    pub is_running: bool,
    /// In the manager's own words.
    pub told: String,
}

impl Service {
    /// What the system calls it.
    pub fn name(&self) -> String {
        format!("cdc-{}", self.pipeline)
    }
}

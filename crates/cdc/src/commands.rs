//! One file per command; each takes what it needs and says how the process ends.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod init;
pub(crate) mod replay;
pub(crate) mod resync;
pub(crate) mod run;
pub(crate) mod service;
pub(crate) mod slot;
pub(crate) mod snapshot;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod tail;

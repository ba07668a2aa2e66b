use std::io;
use std::path::PathBuf;

/// Why a service could not be seen to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// CDC-SVC-001
    #[error("can't {action} {}: {source}; installing and removing a service needs the administrator's rights", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// CDC-SVC-002
    #[error("the service manager refused `{command}`: {told}")]
    Refused {
        /// What it was told to do.
        command: String,
        /// What it said.
        told: String,
    },
    /// CDC-SVC-003
    #[error("there is no service {name}; `cdc service install` makes it")]
    Missing {
        /// What it would be called.
        name: String,
    },
}

impl event::Failure for Error {
    fn is_retryable(&self) -> bool {
        false
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "CDC-SVC-001",
            Self::Refused { .. } => "CDC-SVC-002",
            Self::Missing { .. } => "CDC-SVC-003",
        }
    }
}

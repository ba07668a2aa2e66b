use std::io;
use std::path::{Path, PathBuf};

/// Why a checkpoint could not be kept or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("can't {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// Another process works on the same state.
    #[error(
        "{path} is locked: another cdc process runs this pipeline. Stop it first; two would deliver everything twice",
        path = path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// What is there can't be trusted.
    #[error(
        "{place} is not a checkpoint of this program ({why}). It is left as it is. Restore it from a backup, or start \
         over with `cdc snapshot --new-epoch`, which loads all tables again"
    )]
    Untrusted {
        /// Where it is kept.
        place: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl event::Failure for Error {
    fn is_retryable(&self) -> bool {
        // A full disk is emptied, a network file system comes back.
        matches!(self, Self::Io { .. })
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "CDC-CKPT-001",
            Self::Locked { .. } => "CDC-CKPT-002",
            Self::Untrusted { .. } => "CDC-CKPT-003",
        }
    }
}

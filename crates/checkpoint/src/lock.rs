use std::fs::{self, File, OpenOptions};
use std::path::Path;

use rustix::fs::FlockOperation;

use crate::Error;

/// A folder that one process owns for as long as this lives.
#[derive(Debug)]
pub struct FolderLock {
    /// Held, not used: closing it lets go of the lock.
    _file: File,
}

impl FolderLock {
    /// Takes the folder, making it if need be.
    ///
    /// # Errors
    /// When the folder can't be made or written to, or another process has it.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            if errno == rustix::io::Errno::WOULDBLOCK {
                Error::Locked { path: path.clone() }
            } else {
                Error::io("lock", &path)(errno.into())
            }
        })?;
        Ok(Self { _file: file })
    }
}

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::{Checkpoint, Error, FolderLock};

/// A checkpoint in a file, replaced atomically, in a folder that one process owns for as long as this lives.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    folder: PathBuf,
    _lock: FolderLock,
}

impl FileStore {
    /// Takes the folder, making it if need be.
    ///
    /// # Errors
    /// When the folder can't be made or written to, or another process has it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let lock = FolderLock::take(folder)?;
        Ok(Self { path: folder.join("checkpoint"), folder: folder.to_owned(), _lock: lock })
    }

    /// The folder that is owned.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was saved last; none if nothing ever was.
    ///
    /// # Errors
    /// When the file can't be read or trusted.
    pub fn load(&self) -> Result<Option<Checkpoint>, Error> {
        Self::peek(&self.folder)
    }

    /// The same without owning the folder: to show it beside a running pipeline.
    ///
    /// # Errors
    /// When the file can't be read or trusted.
    pub fn peek(folder: &Path) -> Result<Option<Checkpoint>, Error> {
        let path = folder.join("checkpoint");
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        Checkpoint::from_bytes(&content, &path.display().to_string()).map(Some)
    }

    /// Replaces what is saved. When this returns `Ok`, it survives a power cut.
    ///
    /// # Errors
    /// When the disk is full or gone; what was saved before is still there then.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let content = checkpoint.to_bytes(&self.path.display().to_string())?;
        let temporary = self.folder.join(format!("checkpoint.{}.tmp", std::process::id()));
        let written = File::create(&temporary)
            .and_then(|mut file| {
                file.write_all(&content)?;
                file.sync_all()
            })
            .map_err(Error::io("write", &temporary));
        if let Err(error) = written {
            // Best effort: on a full disk every byte counts, and the next save would overwrite it anyway.
            _ = fs::remove_file(&temporary);
            return Err(error);
        }
        fs::rename(&temporary, &self.path).map_err(Error::io("replace", &self.path))?;
        // The rename itself is only durable once the folder is.
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", &self.folder))
    }

    /// Sets what is saved aside, under a name that says when, so that a new history can begin.
    ///
    /// # Errors
    /// When the file can't be renamed.
    pub fn set_aside(&mut self, unix_seconds: u64) -> Result<Option<PathBuf>, Error> {
        let aside = self.folder.join(format!("checkpoint.before-{unix_seconds}"));
        match fs::rename(&self.path, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("set aside", &self.path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use event::{Fence, KeyBound, KeyRange, LoadRequest, Lsn, Position, TableName, XidSnapshot};

    use super::*;
    use crate::{LoadState, SourceIdentity, TableState};

    fn checkpoint() -> Checkpoint {
        let source = SourceIdentity::Postgres {
            system_identifier: "7301".to_owned(),
            timeline: 1,
            database: "shop".to_owned(),
            slot: "cdc_shop".to_owned(),
        };
        let mut checkpoint = Checkpoint::new(source, 5, 9);
        checkpoint.position = Some(Position::Postgres(Lsn::from(0x1A2B)));
        checkpoint.destination = Some("the file /events".to_owned());
        checkpoint.is_streaming = true;
        let orders = TableName::new("public", "orders");
        let load = LoadState::From(Some(KeyBound::Int(7)));
        checkpoint.tables.insert(
            orders.clone(),
            TableState {
                table_seq: 12,
                limits: "rows (id > 5)".to_owned(),
                incarnation: "16384/16399".to_owned(),
                since: Lsn::from(7).into(),
                type_parts: [("label 16401".to_owned(), "sad".to_owned())].into(),
                attached: [(16405, "791".to_owned())].into(),
                load,
                request: LoadRequest::default(),
            },
        );
        let snapshot = XidSnapshot { xmin: 10, xmax: 20, xip: vec![10, 15] };
        let range = Some(KeyRange { from: None, to: Some(KeyBound::Int(7)) });
        let voided = Some((Lsn::from(0x1A00).into(), 3));
        checkpoint
            .fences
            .add(orders, Fence { snapshot: Some(snapshot), limit: Lsn::from(0x1A2C).into(), range, voided });
        checkpoint
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(folder.path()).unwrap();
        store.save(&checkpoint()).unwrap();
        assert_eq!(store.load().unwrap(), Some(checkpoint()));
    }

    #[test]
    fn a_second_process_is_locked_out() {
        let folder = tempfile::tempdir().unwrap();
        let _store = FileStore::open(folder.path()).unwrap();
        assert!(matches!(FileStore::open(folder.path()), Err(Error::Locked { .. })));
    }

    /// Every prefix of the file, and every single flipped byte, must be refused: none may be read as something else.
    #[test]
    fn torn_and_edited_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(folder.path()).unwrap();
        store.save(&checkpoint()).unwrap();
        let path = folder.path().join("checkpoint");
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(matches!(store.load(), Err(Error::Untrusted { .. })), "{length} bytes were accepted");
        }
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(
                matches!(store.load(), Err(Error::Untrusted { .. })),
                "flipped byte {position} was accepted"
            );
        }
    }

    #[test]
    fn a_save_that_fails_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(folder.path()).unwrap();
        store.save(&checkpoint()).unwrap();
        // The temporary file's name is taken by a folder: it can't be created.
        let blocked = folder.path().join(format!("checkpoint.{}.tmp", std::process::id()));
        fs::create_dir(blocked).unwrap();
        let mut later = checkpoint();
        later.position = Some(Position::Postgres(Lsn::from(0xFFFF)));
        assert!(matches!(store.save(&later), Err(Error::Io { .. })));
        assert_eq!(store.load().unwrap(), Some(checkpoint()));
    }
}

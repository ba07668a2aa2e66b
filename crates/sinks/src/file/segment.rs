use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Log, tail};
use crate::{Error, Framing};

/// One of the files, locked against other writers, and how much of it is durable.
#[derive(Debug)]
pub(super) struct Segment {
    first: PathBuf,
    number: u64,
    path: PathBuf,
    file: fs::File,
    len: u64,
    synced_len: u64,
}

impl Segment {
    /// The last file there is, its torn end cut off; a new one if there is none.
    pub(super) fn open_last(first: &Path, framing: Framing) -> Result<Self, Error> {
        loop {
            let Some(number) = last_number(first)? else {
                return match Self::create(first, 0) {
                    // Somebody else was quicker.
                    Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                        continue;
                    }
                    other => other,
                };
            };
            let mut segment = Self::open(first, number)?;
            // Its writer may have gone on to the next one between our looking and our lock.
            if last_number(first)? == Some(number) {
                segment.cut_torn_end(framing)?;
                return Ok(segment);
            }
        }
    }

    fn create(first: &Path, number: u64) -> Result<Self, Error> {
        let path = path_of(first, number);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| error("create", &path, source))?;
        lock(&file, &path)?;
        // A new file can vanish in a crash, synced content and all, until its folder is synced too.
        let folder = folder_of(first);
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| error("sync the folder", folder, source))?;
        Ok(Self { first: first.to_owned(), number, path, file, len: 0, synced_len: 0 })
    }

    fn open(first: &Path, number: u64) -> Result<Self, Error> {
        let path = path_of(first, number);
        let metadata = fs::metadata(&path).map_err(|source| error("look at", &path, source))?;
        if !metadata.is_file() {
            return Err(Error::ForeignFile { path, expected: "events: it is not a regular file" });
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|source| error("open", &path, source))?;
        lock(&file, &path)?;
        let len = file.metadata().map_err(|source| error("look at", &path, source))?.len();
        Ok(Self { first: first.to_owned(), number, path, file, len, synced_len: len })
    }

    fn cut_torn_end(&mut self, framing: Framing) -> Result<(), Error> {
        let whole = tail::whole_len(&self.file, self.len, framing)
            .map_err(|source| error("read", &self.path, source))?
            .ok_or_else(|| Error::ForeignFile { path: self.path.clone(), expected: framing.contents() })?;
        if whole < self.len {
            tracing::warn!(
                path = %self.path.display(),
                cut_bytes = self.len - whole,
                "cut off an event that was not written to its end; it comes again"
            );
            self.file
                .set_len(whole)
                .and_then(|()| self.file.sync_data())
                .map_err(|source| error("cut the torn end off", &self.path, source))?;
        }
        self.len = whole;
        self.synced_len = whole;
        Ok(())
    }
}

impl Log for Segment {
    fn next(&self) -> Result<Self, Error> {
        Self::create(&self.first, self.number + 1)
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn unsynced_bytes(&self) -> u64 {
        self.len - self.synced_len
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| error("write to", &self.path, source))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.file.sync_data().map_err(|source| error("sync", &self.path, source))?;
        // A log rotator or a person may have moved the file away: nobody would find what goes on being written there.
        let here = fs::metadata(&self.path).map(|found| (found.dev(), found.ino()));
        let ours = self.file.metadata().map_err(|source| error("look at", &self.path, source))?;
        if here.ok() != Some((ours.dev(), ours.ino())) {
            return Err(Error::FileGone { path: self.path.clone() });
        }
        self.synced_len = self.len;
        Ok(())
    }

    /// If this fails as well, a later start finds the torn end.
    fn cut_back(&mut self) {
        if let Err(error) = self.file.set_len(self.synced_len).and_then(|()| self.file.sync_data()) {
            tracing::warn!(path = %self.path.display(), %error, "could not cut off what was written in part");
        }
        self.len = self.synced_len;
    }
}

/// The number of the last file; 0 is `first` itself.
fn last_number(first: &Path) -> Result<Option<u64>, Error> {
    let folder = folder_of(first);
    let name = first.file_name().ok_or_else(|| Error::Option {
        option: "sink.file.path",
        reason: format!("{} names no file", first.display()),
    })?;
    let prefix = [name.as_encoded_bytes(), b"."].concat();
    let entries = fs::read_dir(folder).map_err(|source| error("list the folder", folder, source))?;
    let mut last = None;
    for entry in entries {
        let entry = entry.map_err(|source| error("list the folder", folder, source))?.file_name();
        let number = if entry == name { Some(0) } else { number_after(&prefix, entry.as_encoded_bytes()) };
        last = last.max(number);
    }
    Ok(last)
}

fn number_after(prefix: &[u8], name: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(name.strip_prefix(prefix)?).ok()?;
    (digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn path_of(first: &Path, number: u64) -> PathBuf {
    let mut path = first.as_os_str().to_owned();
    if number > 0 {
        path.push(format!(".{number:06}"));
    }
    path.into()
}

/// Where a file is, or is to be.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn lock(file: &fs::File, path: &Path) -> Result<(), Error> {
    file.try_lock().map_err(|refused| match refused {
        TryLockError::WouldBlock => Error::FileInUse { path: path.to_owned() },
        TryLockError::Error(source) => error("lock", path, source),
    })
}

/// What the system said, and whether the disk is full.
pub(crate) fn error(doing: &'static str, path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
        _ => Error::File { doing, path, source },
    }
}

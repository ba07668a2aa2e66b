//! Files in a tar file.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// What a file is to hold.
pub(super) enum Content<'c> {
    Bytes(Vec<u8>),
    /// What another file holds, which may be larger than memory.
    Of(&'c Path),
}

/// A checkpoint of tens of thousands of tables has a few MB.
const LARGEST_IN_MEMORY: u64 = 1 << 30;

/// Never half of it under the file's name, and on the disk when it is there.
pub(super) fn write(file: &Path, unix_seconds: u64, members: &[(&str, Content<'_>)]) -> io::Result<()> {
    let temporary = beside(file, "tmp");
    let written = private(&temporary).and_then(|created| {
        let mut archive = tar::Builder::new(created);
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o600);
            header.set_mtime(unix_seconds);
            match content {
                Content::Bytes(bytes) => {
                    header.set_size(bytes.len() as u64);
                    archive.append_data(&mut header, name, bytes.as_slice())?;
                }
                Content::Of(path) => {
                    let content = File::open(path)?;
                    header.set_size(content.metadata()?.len());
                    archive.append_data(&mut header, name, content)?;
                }
            }
        }
        archive.into_inner()?.sync_all()?;
        fs::rename(&temporary, file)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
    });
    if written.is_err() {
        _ = fs::remove_file(&temporary);
    }
    written
}

/// An empty file that nobody else may read: rows may be in it.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A name in the same folder that nobody else has.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.{ending}", std::process::id()));
    PathBuf::from(name)
}

/// What one of its files holds.
pub(super) fn member(file: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    with(file, name, |entry| entry.take(LARGEST_IN_MEMORY).read_to_end(&mut content).map(drop))?;
    Ok(content)
}

/// Writes what one of its files holds to another file.
pub(super) fn unpack(file: &Path, name: &str, to: &Path) -> io::Result<()> {
    with(file, name, |mut entry| io::copy(&mut entry, &mut private(to)?).map(drop))
}

fn with(
    file: &Path,
    name: &str,
    work: impl FnOnce(tar::Entry<'_, File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(File::open(file)?);
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.path()?.as_os_str() == name {
            return work(entry);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("it holds no {name}")))
}

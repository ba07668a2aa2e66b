use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::cli::StateCommand;
use crate::config::Config;
use crate::diagnostics::Problem;
use crate::exit::ExitStatus;
use crate::store::Store;

/// What a copy says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    format: u32,
    pipeline: String,
    version: String,
    unix_seconds: u64,
}

const FORMAT: u32 = 1;
const LABEL: &str = "cdc-state.json";
const CHECKPOINT: &str = "checkpoint";
/// A checkpoint of tens of thousands of tables has a few MB.
const LARGEST_BYTES: u64 = 1 << 30;

/// Writes a copy of what a pipeline remembers, or puts one in its place.
pub(crate) async fn state(config: &Config, command: &StateCommand) -> Result<ExitStatus, Problem> {
    let done = match command {
        StateCommand::Backup { file } => backup(config, file).await?,
        StateCommand::Restore { file } => restore(config, file).await?,
    };
    // Nobody reads it if the pipe is closed.
    _ = writeln!(io::stdout(), "{done}");
    Ok(ExitStatus::Done)
}

/// A checkpoint is replaced as a whole, so a copy is whole whenever it is made.
async fn backup(config: &Config, file: &Path) -> Result<String, Problem> {
    let name = config.pipeline.name.as_str();
    let Some(checkpoint) = Store::peek(config).await? else {
        let what = format!("there is no state of {name} in {}", config.pipeline.folder().display());
        let help = "it never ran with this state_dir; see --state-dir";
        return Err(Problem::new(ExitStatus::Failed, "CDC-CLI-016", what, help));
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let label = Label { format: FORMAT, pipeline: name.to_owned(), version, unix_seconds: now };
    // A label has nothing that JSON can't hold.
    let label = serde_json::to_vec(&label).unwrap_or_default();
    let content = checkpoint.to_bytes(CHECKPOINT)?;
    write(file, now, &[(LABEL, &label), (CHECKPOINT, &content)]).map_err(|error| unwritable(file, &error))?;
    Ok(format!("{name} at {} is in {}", place(&checkpoint), file.display()))
}

/// Never half of it under the file's name, and on the disk when it is there.
fn write(file: &Path, unix_seconds: u64, members: &[(&str, &[u8])]) -> io::Result<()> {
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = File::create(&temporary).and_then(|created| {
        let mut archive = tar::Builder::new(created);
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(unix_seconds);
            archive.append_data(&mut header, name, *content)?;
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

/// The folder's lock keeps it from a running pipeline.
async fn restore(config: &Config, file: &Path) -> Result<String, Problem> {
    let name = config.pipeline.name.as_str();
    let members = read(file).map_err(|error| unreadable(file, &error.to_string()))?;
    let member =
        |name: &str| members.get(name).ok_or_else(|| unreadable(file, &format!("it holds no {name}")));
    let label: Label =
        serde_json::from_slice(member(LABEL)?).map_err(|error| unreadable(file, &error.to_string()))?;
    if label.format != FORMAT {
        return Err(unreadable(
            file,
            &format!("its format is {}, this program knows {FORMAT}", label.format),
        ));
    }
    if label.pipeline != name {
        return Err(foreign(format!(
            "{} is of the pipeline {}, not of {name}",
            file.display(),
            label.pipeline
        )));
    }
    let copy = Checkpoint::from_bytes(member(CHECKPOINT)?, &file.display().to_string())?;
    let mut store = Store::open(config)?;
    // One that can't be read is what a copy is for.
    let present = store.load().await.ok().flatten();
    if let Some(present) = &present
        && present.source != copy.source
    {
        return Err(foreign(format!(
            "{} is of another database or slot than the state that is there",
            file.display()
        )));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let aside = store.set_aside(now).await?;
    store.save(&copy).await?;
    let was = match (present, aside) {
        (Some(present), Some(aside)) => format!("; it was at {}, which is kept as {aside}", place(&present)),
        (None, Some(aside)) => format!("; what was there is kept as {aside}"),
        _ => String::new(),
    };
    Ok(format!(
        "{name} goes on at {}{was}. What was delivered after that is sent again, under the same IDs, if the database still \
         has it; `cdc check` tells",
        place(&copy)
    ))
}

fn read(file: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = tar::Archive::new(File::open(file)?);
    let mut members = BTreeMap::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.display().to_string();
        let mut content = Vec::new();
        entry.take(LARGEST_BYTES).read_to_end(&mut content)?;
        members.insert(name, content);
    }
    Ok(members)
}

fn place(checkpoint: &Checkpoint) -> String {
    let position = checkpoint.position.as_ref().map(super::status::position);
    format!("{}, epoch {}", position.unwrap_or_else(|| "its beginning".to_owned()), checkpoint.epoch)
}

fn unwritable(file: &Path, error: &io::Error) -> Problem {
    let what = format!("can't write {}", file.display());
    let help = "name a file in a folder that is there, with room on its disk";
    Problem::new(ExitStatus::Failed, "CDC-CLI-017", what, help).caused_by(error)
}

fn unreadable(file: &Path, why: &str) -> Problem {
    let what = format!("{} is no copy of a state: {why}", file.display());
    Problem::new(ExitStatus::Failed, "CDC-CLI-018", what, "name a file that `cdc state backup` wrote")
}

fn foreign(what: String) -> Problem {
    let help = "restore it where it belongs: nothing was changed here";
    Problem::new(ExitStatus::Failed, "CDC-CLI-019", what, help)
}

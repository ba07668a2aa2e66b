mod archive;
mod polled;

use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use self::archive::Content;
use crate::cli::StateCommand;
use crate::config::{Config, Source};
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
    /// Of a polled database's state, which has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

const FORMAT: u32 = 1;
const LABEL: &str = "cdc-state.json";
const CHECKPOINT: &str = "checkpoint";

/// Writes a copy of what a pipeline remembers, or puts one in its place.
pub(crate) async fn state(config: &Config, command: &StateCommand) -> Result<ExitStatus, Problem> {
    let is_polled = matches!(config.source, Source::Odbc(_));
    let done = match command {
        StateCommand::Backup { file } if is_polled => polled::backup(config, file)?,
        StateCommand::Restore { file } if is_polled => polled::restore(config, file)?,
        StateCommand::Backup { file } => backup(config, file).await?,
        StateCommand::Restore { file } => restore(config, file).await?,
    };
    // Nobody reads it if the pipe is closed.
    _ = writeln!(io::stdout(), "{done}");
    Ok(ExitStatus::Done)
}

/// A checkpoint is replaced as a whole, so a copy is whole whenever it is made.
async fn backup(config: &Config, file: &Path) -> Result<String, Problem> {
    let Some(checkpoint) = Store::peek(config).await? else { return Err(nothing(config)) };
    let label = Label::new(config, None);
    let content = checkpoint.to_bytes(CHECKPOINT)?;
    archive::write(
        file,
        label.unix_seconds,
        &[(LABEL, label.content()), (CHECKPOINT, Content::Bytes(content))],
    )
    .map_err(|error| unwritable(file, &error))?;
    Ok(format!("{} at {} is in {}", label.pipeline, place(&checkpoint), file.display()))
}

/// The folder's lock keeps it from a running pipeline.
async fn restore(config: &Config, file: &Path) -> Result<String, Problem> {
    let label = Label::of(file, config)?;
    let content = archive::member(file, CHECKPOINT).map_err(|error| unreadable(file, &error.to_string()))?;
    let copy = Checkpoint::from_bytes(&content, &file.display().to_string())?;
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
    let aside = store.set_aside(now()).await?;
    store.save(&copy).await?;
    let was = match (present, aside) {
        (Some(present), Some(aside)) => format!("; it was at {}, which is kept as {aside}", place(&present)),
        (None, Some(aside)) => format!("; what was there is kept as {aside}"),
        _ => String::new(),
    };
    Ok(format!(
        "{} goes on at {}{was}. What was delivered after that is sent again, under the same IDs, if the database still \
         has it; `cdc check` tells",
        label.pipeline,
        place(&copy)
    ))
}

impl Label {
    fn new(config: &Config, checksum: Option<String>) -> Self {
        Self {
            format: FORMAT,
            pipeline: config.pipeline.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            unix_seconds: now(),
            checksum,
        }
    }

    fn content(&self) -> Content<'static> {
        // A label has nothing that JSON can't hold.
        Content::Bytes(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Of a copy, which must be of this pipeline.
    fn of(file: &Path, config: &Config) -> Result<Self, Problem> {
        let unreadable = |why: String| unreadable(file, &why);
        let content = archive::member(file, LABEL).map_err(|error| unreadable(error.to_string()))?;
        let label: Self = serde_json::from_slice(&content).map_err(|error| unreadable(error.to_string()))?;
        if label.format != FORMAT {
            return Err(unreadable(format!("its format is {}, this program knows {FORMAT}", label.format)));
        }
        let name = config.pipeline.name.as_str();
        if label.pipeline != name {
            let (file, other) = (file.display(), &label.pipeline);
            return Err(foreign(format!("{file} is of the pipeline {other}, not of {name}")));
        }
        Ok(label)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn place(checkpoint: &Checkpoint) -> String {
    let position = checkpoint.position.as_ref().map(super::status::position);
    format!("{}, epoch {}", position.unwrap_or_else(|| "its beginning".to_owned()), checkpoint.epoch)
}

fn nothing(config: &Config) -> Problem {
    let (name, folder) = (config.pipeline.name.as_str(), config.pipeline.folder());
    let what = format!("there is no state of {name} in {}", folder.display());
    Problem::new(ExitStatus::Failed, "CDC-CLI-016", what, "it never ran with this state_dir; see --state-dir")
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

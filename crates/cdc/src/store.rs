//! Where the checkpoint is kept: in the pipeline's folder, or beside the events.

use std::time::Duration;

use checkpoint::{Checkpoint, FileStore, FolderLock};

use crate::config::{CheckpointStore, Config, Sink};
use crate::error::Error;

/// A pipeline's checkpoint, and the right to replace it.
///
/// The folder is taken in either case: it holds the control socket.
#[derive(Debug)]
pub(crate) enum Store {
    File(FileStore),
    Sink { store: sinks::Store, _lock: FolderLock },
}

impl Store {
    /// Takes the pipeline's folder. Asks no broker yet.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let folder = config.pipeline.folder();
        match in_sink(config)? {
            None => Ok(Self::File(FileStore::open(&folder)?)),
            Some(store) => Ok(Self::Sink { store, _lock: FolderLock::take(&folder)? }),
        }
    }

    /// What is saved, without owning it: to show it beside a running pipeline.
    pub(crate) async fn peek(config: &Config) -> Result<Option<Checkpoint>, Error> {
        match in_sink(config)? {
            None => Ok(FileStore::peek(&config.pipeline.folder())?),
            Some(store) => read(store.peek().await?, &store),
        }
    }

    /// What was saved last, to go on from there; none if nothing ever was.
    pub(crate) async fn load(&mut self) -> Result<Option<Checkpoint>, Error> {
        match self {
            Self::File(store) => Ok(store.load()?),
            Self::Sink { store, .. } => read(store.load().await?, store),
        }
    }

    /// Replaces what is saved. When this returns `Ok`, it survives a power cut.
    pub(crate) async fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        match self {
            Self::File(store) => Ok(tokio::task::block_in_place(|| store.save(checkpoint))?),
            Self::Sink { store, .. } => {
                let content = checkpoint.to_bytes(&store.place())?;
                Ok(store.save(&content).await?)
            }
        }
    }

    /// Keeps what is saved under a name that says when, so that a new history can begin; where that is.
    pub(crate) async fn set_aside(&mut self, unix_seconds: u64) -> Result<Option<String>, Error> {
        match self {
            Self::File(store) => Ok(store.set_aside(unix_seconds)?.map(|path| path.display().to_string())),
            Self::Sink { store, .. } => {
                let Some(content) = store.load().await? else { return Ok(None) };
                let name = format!("checkpoint.before-{unix_seconds}");
                store.save_as(&name, &content).await?;
                Ok(Some(format!("{name} in {}", store.place())))
            }
        }
    }

    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::File(store) => store.folder().display().to_string(),
            Self::Sink { store, .. } => store.place(),
        }
    }

    /// How often it is worth saving while events arrive, and while none do: what is not saved is sent again after a
    /// crash, so often enough to keep that small, seldom enough to cost nothing.
    pub(crate) fn intervals(&self) -> (Duration, Duration) {
        match self {
            Self::File(_) => (Duration::from_millis(200), Duration::from_secs(1)),
            Self::Sink { .. } => (Duration::from_secs(1), Duration::from_secs(10)),
        }
    }

    /// Whether a save that failed may simply be tried again. In a sink nobody knows what it has left behind.
    pub(crate) fn can_save_again(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

fn in_sink(config: &Config) -> Result<Option<sinks::Store>, Error> {
    let source = config.pipeline.name.as_str();
    Ok(match (config.checkpoint, &config.sink) {
        (CheckpointStore::Sink, Sink::Kafka(options)) => Some(sinks::Store::in_kafka(options, source)?),
        (CheckpointStore::Sink, Sink::Nats(options)) => Some(sinks::Store::in_nats(options, source)),
        _ => None,
    })
}

fn read(content: Option<Vec<u8>>, store: &sinks::Store) -> Result<Option<Checkpoint>, Error> {
    let content = content.map(|content| Checkpoint::from_bytes(&content, &store.place()));
    Ok(content.transpose()?)
}

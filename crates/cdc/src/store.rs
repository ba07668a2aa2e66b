//! Where the checkpoint is kept: in the pipeline's folder, or beside the events.

use std::future::pending;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use checkpoint::{Checkpoint, FileStore, FolderLock};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::{JoinError, JoinHandle, block_in_place};

use crate::config::{CheckpointStore, Config, Sink};
use crate::error::Error;

/// A pipeline's checkpoint, and the right to replace it.
///
/// The folder is taken in either case: it holds the control socket.
#[derive(Debug)]
pub(crate) struct Store {
    place: String,
    kind: CheckpointStore,
    /// A save holds it from before it begins until it is over: none overtakes another, and whoever loads sees the last.
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
enum Kept {
    File(FileStore),
    Sink { store: sinks::Store, _lock: FolderLock },
}

/// A save that goes on by itself, also when nobody waits for it.
#[derive(Debug)]
pub(crate) struct Saving(JoinHandle<Result<(), Error>>);

impl Store {
    /// Takes the pipeline's folder. Asks no broker yet.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let folder = config.pipeline.folder();
        match in_sink(config)? {
            None => Self::in_folder(&folder),
            Some(store) => {
                let place = store.place();
                let kept = Kept::Sink { store, _lock: FolderLock::take(&folder)? };
                Ok(Self { place, kind: CheckpointStore::Sink, kept: Arc::new(Mutex::new(kept)) })
            }
        }
    }

    /// A file in this folder.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, Error> {
        let kept = Kept::File(FileStore::open(folder)?);
        let place = folder.display().to_string();
        Ok(Self { place, kind: CheckpointStore::File, kept: Arc::new(Mutex::new(kept)) })
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
        match &mut *self.kept.lock().await {
            Kept::File(store) => Ok(store.load()?),
            Kept::Sink { store, .. } => read(store.load().await?, store),
        }
    }

    /// Replaces what is saved. When this returns `Ok`, it survives a power cut.
    pub(crate) async fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.begin_save(checkpoint).await.end().await
    }

    /// Begins to replace what is saved, after any other save that goes on.
    pub(crate) async fn begin_save(&mut self, checkpoint: &Checkpoint) -> Saving {
        let kept = Arc::clone(&self.kept).lock_owned().await;
        Saving(tokio::spawn(save(kept, checkpoint.clone())))
    }

    /// Keeps what is saved under a name that says when, so that a new history can begin; where that is.
    pub(crate) async fn set_aside(&mut self, unix_seconds: u64) -> Result<Option<String>, Error> {
        match &mut *self.kept.lock().await {
            Kept::File(store) => Ok(store.set_aside(unix_seconds)?.map(|path| path.display().to_string())),
            Kept::Sink { store, .. } => {
                let Some(content) = store.load().await? else { return Ok(None) };
                let name = format!("checkpoint.before-{unix_seconds}");
                store.save_as(&name, &content).await?;
                Ok(Some(format!("{name} in {}", store.place())))
            }
        }
    }

    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        self.place.clone()
    }

    /// How often it is worth saving while events arrive, and while none do: what is not saved is sent again after a
    /// crash, so often enough to keep that small, seldom enough to cost nothing.
    pub(crate) fn intervals(&self) -> (Duration, Duration) {
        match self.kind {
            CheckpointStore::File => (Duration::from_millis(200), Duration::from_secs(1)),
            CheckpointStore::Sink => (Duration::from_secs(1), Duration::from_secs(10)),
        }
    }

    /// Whether a save that failed may simply be tried again. In a sink nobody knows what it has left behind.
    pub(crate) fn can_save_again(&self) -> bool {
        self.kind == CheckpointStore::File
    }
}

impl Saving {
    /// Whether [`Saving::end`] would wait no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for its end. When this returns `Ok`, what was saved survives a power cut.
    pub(crate) async fn end(&mut self) -> Result<(), Error> {
        match (&mut self.0).await.map_err(JoinError::try_into_panic) {
            Ok(saved) => saved,
            Err(Ok(panic)) => resume_unwind(panic),
            // Nothing is cancelled but by the end of the program, which nobody outlives.
            Err(Err(_)) => pending().await,
        }
    }
}

async fn save(mut kept: OwnedMutexGuard<Kept>, checkpoint: Checkpoint) -> Result<(), Error> {
    match &mut *kept {
        Kept::File(store) => Ok(block_in_place(|| store.save(&checkpoint))?),
        Kept::Sink { store, .. } => {
            let content = checkpoint.to_bytes(&store.place())?;
            Ok(store.save(&content).await?)
        }
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

//! Events to a file, durable once fsync has returned.
//!
//! The first file is `path`; when it has grown beyond `rotate_mb`, the next ones are `path.000001`, `path.000002` and
//! so on. Only the last is ever written, the ones before it are complete, and no file is ever written over: a start
//! continues the last one. An event that a crash left unfinished at its end is cut off, because its transaction was
//! never acknowledged and comes again.

mod segment;
mod tail;

use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use event::{Batch, Sink};
use serde::Deserialize;
use tokio::sync::mpsc;

use self::segment::Segment;
use crate::progress::{Progress, Reporter, progress};
use crate::{Error, Framing};

/// `[sink.file]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct FileOptions {
    /// The first file. Its folder must exist.
    pub path: PathBuf,
    /// A new file is started when one has reached this many millions of bytes; never, by default.
    #[serde(default)]
    pub rotate_mb: Option<u64>,
}

/// Events to a file.
#[derive(Debug)]
pub struct File {
    batches: Option<mpsc::Sender<Batch>>,
    progress: Progress,
    writing: Option<JoinHandle<()>>,
}

impl File {
    /// Continues the last file, or starts the first.
    pub fn open(options: &FileOptions, framing: Framing) -> Result<Self, Error> {
        let rotate_bytes = match options.rotate_mb {
            None => u64::MAX,
            Some(0) => {
                let reason = "a file of 0 MB holds nothing; leave it out for a single file".to_owned();
                return Err(Error::Option { option: "sink.file.rotate_mb", reason });
            }
            Some(mb) => mb.saturating_mul(1_000_000),
        };
        Self::with_rotation(options.path.clone(), rotate_bytes, framing)
    }

    fn with_rotation(path: PathBuf, rotate_bytes: u64, framing: Framing) -> Result<Self, Error> {
        let segment = Segment::open_last(&path, framing)?;
        let (sender, receiver) = mpsc::channel(1);
        let (reporter, progress) = progress();
        let writer = Writer { segment, framing, rotate_bytes, bytes: Vec::new() };
        let writing = thread::Builder::new()
            .name("file sink".to_owned())
            .spawn(move || writer.run(receiver, reporter))
            .map_err(|source| Error::File { doing: "start a thread for", path, source })?;
        Ok(Self { batches: Some(sender), progress, writing: Some(writing) })
    }
}

impl Sink for File {
    type Error = Error;

    async fn write(&mut self, batch: Batch) -> Result<(), Error> {
        let Some(batches) = &self.batches else { return Err(Error::Stopped) };
        batches.send(batch).await.map_err(|_| self.progress.failure())
    }

    async fn durable(&mut self) -> Result<u64, Error> {
        self.progress.durable().await
    }
}

/// Waits until what was being written is, so that a successor finds the file free.
impl Drop for File {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(writing) = self.writing.take() {
            _ = writing.join();
        }
    }
}

/// Lives on its own thread, so that the next batch is filled while this one is written and synced.
struct Writer {
    segment: Segment,
    framing: Framing,
    rotate_bytes: u64,
    bytes: Vec<u8>,
}

/// A batch that arrives while one is written shares its fsync, up to this much.
const BURST_LIMIT_BYTES: u64 = 8 << 20;

impl Writer {
    fn run(mut self, mut batches: mpsc::Receiver<Batch>, reporter: Reporter) {
        let mut written = 0;
        while let Some(batch) = batches.blocking_recv() {
            match self.write_burst(batch, &mut batches) {
                Ok(count) => {
                    written += count;
                    reporter.durable(written);
                }
                Err(error) => {
                    // What is not told durable comes again. Were it left here, every attempt on a full disk would
                    // leave another copy, and a failed fsync may have dropped it anyway.
                    self.segment.cut_back();
                    return reporter.fail(error);
                }
            }
        }
    }

    fn write_burst(&mut self, first: Batch, batches: &mut mpsc::Receiver<Batch>) -> Result<u64, Error> {
        let mut count = 0;
        let mut next = Some(first);
        while let Some(batch) = next {
            self.append(&batch)?;
            count += 1;
            next = None;
            if self.segment.unsynced_bytes() < BURST_LIMIT_BYTES {
                next = batches.try_recv().ok();
            }
        }
        self.segment.sync()?;
        Ok(count)
    }

    fn append(&mut self, batch: &Batch) -> Result<(), Error> {
        self.bytes.clear();
        self.framing.append(batch, &mut self.bytes);
        if self.segment.len() >= self.rotate_bytes && !self.bytes.is_empty() {
            self.segment.sync()?;
            self.segment = self.segment.next()?;
        }
        self.segment.append(&self.bytes)
    }
}

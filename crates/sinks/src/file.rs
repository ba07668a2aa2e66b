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
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;

use self::segment::Segment;
pub(crate) use self::segment::{error, folder_of};
pub(crate) use self::tail::whole_len;
use crate::progress::{Progress, Reporter, progress};
use crate::{Error, Framing};

/// `[sink.file]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
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
    path: PathBuf,
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
        let last = Segment::open_last(&options.path, framing)?;
        Self::writing_to(last, options.path.clone(), rotate_bytes, framing)
    }

    fn writing_to(log: impl Log, path: PathBuf, rotate_bytes: u64, framing: Framing) -> Result<Self, Error> {
        let path = std::path::absolute(&path).unwrap_or(path);
        let (sender, receiver) = mpsc::channel(1);
        let (reporter, progress) = progress();
        let writer = Writer { log, framing, rotate_bytes, bytes: Vec::new() };
        let writing = thread::Builder::new()
            .name("file sink".to_owned())
            .spawn(move || writer.run(receiver, reporter))
            .map_err(|source| Error::File { doing: "start a thread for", path: path.clone(), source })?;
        Ok(Self { path, batches: Some(sender), progress, writing: Some(writing) })
    }
}

impl Sink for File {
    type Error = Error;

    fn destination(&self) -> String {
        format!("the file {}", self.path.display())
    }

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

/// What a writer needs of the file it writes: [`Segment`], or a test's own.
trait Log: Sized + Send + 'static {
    fn len(&self) -> u64;
    /// How much of it a crash could still take.
    fn unsynced_bytes(&self) -> u64;
    fn append(&mut self, bytes: &[u8]) -> Result<(), Error>;
    /// Makes durable what was appended.
    fn sync(&mut self) -> Result<(), Error>;
    /// Removes what is not durable.
    fn cut_back(&mut self);
    /// Starts the file after this one.
    fn next(&self) -> Result<Self, Error>;
}

/// Lives on its own thread, so that the next batch is filled while this one is written and synced.
struct Writer<L> {
    log: L,
    framing: Framing,
    rotate_bytes: u64,
    bytes: Vec<u8>,
}

/// A batch that arrives while one is written shares its fsync, up to this much.
const BURST_LIMIT_BYTES: u64 = 8 << 20;

impl<L: Log> Writer<L> {
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
                    self.log.cut_back();
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
            if self.log.unsynced_bytes() < BURST_LIMIT_BYTES {
                next = batches.try_recv().ok();
            }
        }
        self.log.sync()?;
        Ok(count)
    }

    fn append(&mut self, batch: &Batch) -> Result<(), Error> {
        self.bytes.clear();
        self.framing.append(batch, &mut self.bytes);
        if self.log.len() >= self.rotate_bytes && !self.bytes.is_empty() {
            self.log.sync()?;
            self.log = self.log.next()?;
        }
        self.log.append(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::testing::Maker;

    /// Notes what is done to it; the sync with the number `fails_at` fails.
    #[derive(Clone)]
    struct Noted {
        steps: Arc<Mutex<Vec<&'static str>>>,
        fails_at: usize,
    }

    impl Noted {
        fn note(&self, step: &'static str) -> usize {
            let mut steps = self.steps.lock().unwrap();
            steps.push(step);
            steps.iter().filter(|noted| **noted == step).count()
        }

        fn file(&self) -> File {
            File::writing_to(self.clone(), "noted".into(), 3, Framing::LengthDelimited).unwrap()
        }
    }

    impl Log for Noted {
        /// Three appends fill it.
        fn len(&self) -> u64 {
            let steps = self.steps.lock().unwrap();
            steps.iter().rev().take_while(|step| **step != "next").filter(|step| **step == "append").count()
                as u64
        }

        fn unsynced_bytes(&self) -> u64 {
            0
        }

        fn append(&mut self, _bytes: &[u8]) -> Result<(), Error> {
            self.note("append");
            Ok(())
        }

        fn sync(&mut self) -> Result<(), Error> {
            if self.note("sync") == self.fails_at {
                return Err(Error::DiskFull { path: "noted".into() });
            }
            Ok(())
        }

        fn cut_back(&mut self) {
            self.note("cut back");
        }

        fn next(&self) -> Result<Self, Error> {
            self.note("next");
            Ok(self.clone())
        }
    }

    #[tokio::test]
    async fn nothing_is_durable_before_it_is_synced() {
        let log = Noted { steps: Arc::default(), fails_at: usize::MAX };
        let mut file = log.file();
        let maker = Maker::protobuf();
        for number in 1..=50 {
            file.write(maker.inserts([number])).await.unwrap();
            let durable = file.durable().await.unwrap() as usize;
            let steps = log.steps.lock().unwrap();
            let last_sync = steps.iter().rposition(|step| *step == "sync").unwrap();
            let synced = steps[..last_sync].iter().filter(|step| **step == "append").count();
            assert!(synced >= durable, "{durable} of {steps:?}");
        }
        let steps = log.steps.lock().unwrap();
        for (position, _) in steps.iter().enumerate().filter(|(_, step)| **step == "next") {
            assert_eq!(steps[position - 1], "sync", "a file is complete before the next one is there");
        }
        assert!(steps.contains(&"next"));
    }

    #[tokio::test]
    async fn what_could_not_be_synced_is_cut_off_before_anybody_hears_of_it() {
        let log = Noted { steps: Arc::default(), fails_at: 2 };
        let mut file = log.file();
        let maker = Maker::protobuf();
        file.write(maker.inserts([1])).await.unwrap();
        assert_eq!(file.durable().await.unwrap(), 1);
        file.write(maker.inserts([2])).await.unwrap();
        assert!(matches!(file.durable().await, Err(Error::DiskFull { .. })));
        assert_eq!(*log.steps.lock().unwrap(), ["append", "sync", "append", "sync", "cut back"]);
    }
}

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event::{Batch, Op, Route};
use tokio::sync::mpsc;

use super::{RetainOptions, record};
use crate::file::error;
use crate::progress::{Progress, Reporter, progress};
use crate::{Error, Limit};

/// Writes batches into files, each durable when it says so.
#[derive(Debug)]
pub(super) struct Keeper {
    batches: Option<mpsc::Sender<Records>>,
    progress: Progress,
    writing: Option<JoinHandle<()>>,
}

/// What is written of a batch.
#[derive(Debug, Default)]
struct Records {
    bytes: Vec<u8>,
    /// The schemas among them: of which table, and the records that tell it.
    schemas: Vec<(String, Vec<u8>)>,
}

impl Keeper {
    /// Makes sure of the folder. `kind` stands at the beginning of each file.
    pub(super) fn open(options: &RetainOptions, kind: &'static str) -> Result<Self, Error> {
        let folder = &options.folder;
        fs::create_dir_all(folder).map_err(|source| error("create", folder, source))?;
        let (sender, receiver) = mpsc::channel(1);
        let (reporter, progress) = progress();
        let writer = Writer { options: options.clone(), kind, current: None, schemas: BTreeMap::new() };
        let writing = thread::Builder::new()
            .name("retention".to_owned())
            .spawn(move || writer.run(receiver, reporter))
            .map_err(|source| error("start a thread for", folder, source))?;
        Ok(Self { batches: Some(sender), progress, writing: Some(writing) })
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        let kept_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let mut records = Records::default();
        records.bytes.reserve(batch.len_bytes() + 64 * batch.len());
        for message in batch.messages() {
            let start = records.bytes.len();
            record::write(&message, kept_ms, &mut records.bytes).ok_or_else(|| Error::TooLarge {
                table: crate::framing::table_of(&message),
                size_bytes: message.payload.map_or(0, <[u8]>::len),
                destination: "the retained events".to_owned(),
                limit: Limit(Some(u32::MAX as usize)),
                remedy: "leave [retain] out",
            })?;
            if message.op == Op::Schema {
                let record = records.bytes.get(start..).unwrap_or_default();
                match &**message.route {
                    Route::Table(table) => records.schemas.push((table.to_string(), record.to_vec())),
                    // Its copy by fingerprint comes right behind it.
                    _ => {
                        if let Some((_, records)) = records.schemas.last_mut() {
                            records.extend_from_slice(record);
                        }
                    }
                }
            }
        }
        let Some(sender) = &self.batches else { return Err(Error::Stopped) };
        sender.send(records).await.map_err(|_| self.progress.failure())
    }

    pub(super) async fn durable(&mut self) -> Result<u64, Error> {
        self.progress.durable().await
    }
}

/// Waits until what was being written is, so that a successor does not write beside it.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(writing) = self.writing.take() {
            _ = writing.join();
        }
    }
}

/// Lives on its own thread, so that the sink sends the batch meanwhile.
struct Writer {
    options: RetainOptions,
    kind: &'static str,
    current: Option<Current>,
    /// Each table's last: the rows of a file are to be read without the files before it.
    schemas: BTreeMap<String, Vec<u8>>,
}

/// The file that is being written.
struct Current {
    path: PathBuf,
    file: File,
    len: u64,
    begun: Instant,
}

/// How many files the limits are divided into: the oldest goes as a whole.
const FILES: u64 = 16;

impl Writer {
    fn run(mut self, mut batches: mpsc::Receiver<Records>, reporter: Reporter) {
        let mut written = 0;
        while let Some(records) = batches.blocking_recv() {
            if let Err(error) = self.append(records) {
                return reporter.fail(error);
            }
            written += 1;
            reporter.durable(written);
        }
    }

    fn append(&mut self, records: Records) -> Result<(), Error> {
        if self.current.as_ref().is_some_and(|current| self.is_full(current)) {
            self.current = None;
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => {
                prune(&self.options)?;
                let mut head = head(self.kind);
                self.schemas.values().for_each(|schema| head.extend_from_slice(schema));
                none.insert(Current::begin(&self.options.folder, &head)?)
            }
        };
        let written = current.file.write_all(&records.bytes).and_then(|()| current.file.sync_data());
        if let Err(source) = written {
            // It would be taken for the end of the file.
            _ = current.file.set_len(current.len);
            return Err(error("write to", &current.path, source));
        }
        current.len += records.bytes.len() as u64;
        self.schemas.extend(records.schemas);
        Ok(())
    }

    fn is_full(&self, current: &Current) -> bool {
        let age = Duration::from_secs(u64::from(self.options.hours) * 3600 / FILES);
        current.len >= self.options.max_bytes / FILES || current.begun.elapsed() >= age
    }
}

impl Current {
    fn begin(folder: &Path, head: &[u8]) -> Result<Self, Error> {
        let number = files(folder)?.last().map_or(1, |(number, _)| number + 1);
        let path = folder.join(format!("{number:012}"));
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| error("create", &path, source))?;
        file.write_all(head).map_err(|source| error("write to", &path, source))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| error("sync the folder", folder, source))?;
        Ok(Self { path, file, len: head.len() as u64, begun: Instant::now() })
    }
}

/// What a file begins with.
fn head(kind: &str) -> Vec<u8> {
    format!("{}{kind}\n", super::reader::MARK).into_bytes()
}

/// All files in their order, with their numbers.
pub(super) fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| error("list the folder", folder, source))? {
        let entry = entry.map_err(|source| error("list the folder", folder, source))?;
        let name = entry.file_name();
        let digits =
            name.to_str().filter(|name| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
            files.push((number, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Removes the oldest files as far as they are beyond the limits, with room for one more.
fn prune(options: &RetainOptions) -> Result<(), Error> {
    let mut sized = Vec::new();
    for (_, path) in files(&options.folder)? {
        let found = fs::metadata(&path).map_err(|source| error("look at", &path, source))?;
        let written = found.modified().map_err(|source| error("look at", &path, source))?;
        sized.push((path, found.len(), written));
    }
    let room = options.max_bytes - options.max_bytes / FILES;
    let oldest = Duration::from_secs(u64::from(options.hours) * 3600);
    let mut total: u64 = sized.iter().map(|(_, len, _)| len).sum();
    for (path, len, written) in sized {
        let is_old = written.elapsed().is_ok_and(|age| age > oldest);
        if !is_old && total <= room {
            break;
        }
        fs::remove_file(&path).map_err(|source| error("remove", &path, source))?;
        total -= len;
    }
    Ok(())
}

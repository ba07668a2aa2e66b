//! Transactions that the server sends while they are still running. Nobody knows yet whether they will commit, so they
//! are kept on disk until they do; then they are read back as if they had come in one piece.
//!
//! A message within a stream names its subtransaction. One that is rolled back takes its rows along, but not what it
//! told of tables and types: the server tells that once a transaction, not once a subtransaction (`maybe_send_schema`
//! in pgoutput.c), and tells it again where a rollback changed a shape back.
//!
//! A message of `pg_logical_emit_message` names the whole transaction even where it belongs to a part that was rolled back
//! (`pgoutput_message`). Where both came in one transaction that has to be read again, in one piece.
//!
//! It also bears the position of its end (`logicalmsg_decode`), which is that of the record after it. If that is of
//! another subtransaction the server merges the two in either order, and in another one in one piece: such a transaction
//! is read again too, or its changes would be numbered otherwise the next time.
//!
//! Nothing here outlives the process: what had not committed by then is sent again.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use decoder::pgoutput::{InStream, Message};
use event::Lsn;

use crate::Error;
use crate::refusal::Refusal;

/// The transactions that are being streamed.
pub(crate) struct Spools {
    folder: Option<PathBuf>,
    running: HashMap<u32, Spool>,
    /// Whose piece is being received.
    current: Option<u32>,
}

/// What a message was.
pub(crate) enum Taken {
    /// Nothing that concerns a running transaction: it is to be handled now.
    NotOurs,
    /// Kept, or the frame around what is kept.
    Kept,
    /// The end of a running transaction: this is to be handled now.
    Committed(Box<Replay>),
}

/// One running transaction.
struct Spool {
    file: SpoolFile,
    writer: BufWriter<File>,
    /// Subtransactions that were rolled back.
    aborted: HashSet<u32>,
    /// Whether there are messages in it.
    has_messages: bool,
    /// Whether a message and a change bear the same position.
    has_ties: bool,
    /// Whether there are changes of subtransactions.
    has_parts: bool,
    /// The position of the last change or message, and whether it was a message.
    last: Option<(Lsn, bool)>,
}

/// Goes with whoever has it.
struct SpoolFile {
    path: PathBuf,
}

/// A streamed transaction that has committed, read back message by message.
pub(crate) struct Replay {
    file: SpoolFile,
    reader: BufReader<File>,
    aborted: HashSet<u32>,
    begin: Message<'static>,
    commit: Message<'static>,
    step: Step,
    own: Lsn,
    /// The message that was read last.
    body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Begin,
    /// The next message is to be read.
    Between,
    /// One was read, and not yet handled.
    Body,
    Commit,
    Over,
}

/// Reading and writing in pieces of this size.
const BUFFER_BYTES: usize = 128 << 10;

impl Spools {
    /// Keeps them in this folder, which it empties. Without one none are expected: they were not asked for.
    pub(crate) fn open(folder: Option<PathBuf>) -> Result<Self, Error> {
        if let Some(folder) = &folder {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(folder)(error)),
                _ => {}
            }
        }
        Ok(Self { folder, running: HashMap::new(), current: None })
    }

    /// Whether a piece of a running transaction is being received.
    pub(crate) fn is_receiving(&self) -> bool {
        self.current.is_some()
    }

    /// Takes in one message's body, as far as it concerns a running transaction. `reached`: what was handled before.
    pub(crate) fn take(&mut self, own: Lsn, body: &[u8], reached: Lsn) -> Result<Taken, Error> {
        let kind = body.first();
        if let (Some(xid), false) = (self.current, kind == Some(&b'E')) {
            self.spool(xid)?.keep(xid, own, body)?;
            return Ok(Taken::Kept);
        }
        if !matches!(kind, Some(b'S' | b'E' | b'c' | b'A')) {
            return Ok(Taken::NotOurs);
        }
        match parse(body, InStream::No, reached)? {
            Message::StreamStart { xid, .. } => {
                self.spool(xid)?;
                self.current = Some(xid);
            }
            Message::StreamStop => self.current = None,
            Message::StreamAbort { xid, subxid, .. } if xid == subxid => drop(self.running.remove(&xid)),
            Message::StreamAbort { xid, subxid, .. } => {
                // Of a transaction of which nothing was streamed there is nothing to drop (18 sends such ones, also to
                // readers that did not ask for streams).
                if let Some(spool) = self.running.get_mut(&xid) {
                    spool.aborted.insert(subxid);
                }
            }
            Message::StreamCommit { xid, commit_lsn, end_lsn, commit_time_us } => {
                self.spool(xid)?;
                let Some(spool) = self.running.remove(&xid) else { return Ok(Taken::Kept) };
                if spool.is_in_doubt() {
                    return Err(Error::MessagesInDoubt { xid });
                }
                let begin = Message::Begin { final_lsn: commit_lsn, commit_time_us, xid };
                let commit = Message::Commit { commit_lsn, end_lsn, commit_time_us };
                return Ok(Taken::Committed(Box::new(Replay::new(spool, begin, commit)?)));
            }
            _ => return Ok(Taken::NotOurs),
        }
        Ok(Taken::Kept)
    }

    fn spool(&mut self, xid: u32) -> Result<&mut Spool, Error> {
        match self.running.entry(xid) {
            Entry::Occupied(spool) => Ok(spool.into_mut()),
            Entry::Vacant(place) => {
                let Some(folder) = &self.folder else {
                    return Err(Error::Stream {
                        what: "a running transaction, which was not asked for".to_owned(),
                    });
                };
                Ok(place.insert(Spool::create(folder, xid)?))
            }
        }
    }
}

impl Spool {
    fn create(folder: &Path, xid: u32) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let path = folder.join(xid.to_string());
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = BufWriter::with_capacity(BUFFER_BYTES, file.map_err(failed(&path))?);
        Ok(Self {
            file: SpoolFile { path },
            writer: file,
            aborted: HashSet::new(),
            has_messages: false,
            has_ties: false,
            has_parts: false,
            last: None,
        })
    }

    /// As `length own-LSN body`.
    fn keep(&mut self, xid: u32, own: Lsn, body: &[u8]) -> Result<(), Error> {
        if let [kind @ (b'I' | b'U' | b'D' | b'T' | b'M'), a, b, c, d, ..] = *body {
            let is_message = kind == b'M';
            self.has_messages |= is_message;
            self.has_parts |= u32::from_be_bytes([a, b, c, d]) != xid;
            self.has_ties |= self.last == Some((own, !is_message));
            self.last = Some((own, is_message));
        }
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut write = || {
            self.writer.write_all(&length.to_le_bytes())?;
            self.writer.write_all(&u64::from(own).to_le_bytes())?;
            self.writer.write_all(body)
        };
        write().map_err(failed(&self.file.path))
    }

    /// Whether it is not told which messages count, or where among the changes they belong.
    fn is_in_doubt(&self) -> bool {
        self.has_messages && !self.aborted.is_empty() || self.has_ties && self.has_parts
    }
}

impl Replay {
    fn new(spool: Spool, begin: Message<'static>, commit: Message<'static>) -> Result<Self, Error> {
        let Spool { file, writer, aborted, .. } = spool;
        let rewound = writer.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut written| {
            written.rewind()?;
            Ok(written)
        });
        let reader = BufReader::with_capacity(BUFFER_BYTES, rewound.map_err(failed(&file.path))?);
        Ok(Self { file, reader, aborted, begin, commit, step: Step::Begin, own: Lsn::ZERO, body: Vec::new() })
    }

    /// The message that is to be handled now, and its own place in the log; none: that was all. The same one again and
    /// again, until it is consumed.
    pub(crate) fn message(&mut self, reached: Lsn) -> Result<Option<(Lsn, Message<'_>)>, Error> {
        if self.step == Step::Between {
            self.step = if self.read_on(reached)? { Step::Body } else { Step::Commit };
        }
        Ok(match self.step {
            Step::Begin => Some((self.own, self.begin.clone())),
            Step::Body => Some((self.own, parse(&self.body, InStream::Yes, reached)?)),
            Step::Commit => Some((self.own, self.commit.clone())),
            Step::Between | Step::Over => None,
        })
    }

    /// The message was handled.
    pub(crate) fn consume(&mut self) {
        self.step = match self.step {
            Step::Begin | Step::Between | Step::Body => Step::Between,
            Step::Commit | Step::Over => Step::Over,
        };
    }

    /// Reads the next message that was not rolled back; whether there was one.
    fn read_on(&mut self, reached: Lsn) -> Result<bool, Error> {
        loop {
            let mut head = [0; 12];
            match self.reader.read_exact(&mut head) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                read => read.map_err(failed(&self.file.path))?,
            }
            let [a, b, c, d, own @ ..] = head;
            self.own = Lsn::from(u64::from_le_bytes(own));
            self.body.resize(u32::from_le_bytes([a, b, c, d]) as usize, 0);
            self.reader.read_exact(&mut self.body).map_err(failed(&self.file.path))?;
            if !self.is_rolled_back(reached)? {
                return Ok(true);
            }
        }
    }

    fn is_rolled_back(&self, reached: Lsn) -> Result<bool, Error> {
        if self.aborted.is_empty() {
            return Ok(false);
        }
        Ok(match parse(&self.body, InStream::Yes, reached)? {
            Message::Insert { xid, .. }
            | Message::Update { xid, .. }
            | Message::Delete { xid, .. }
            | Message::Truncate { xid, .. } => xid.is_some_and(|xid| self.aborted.contains(&xid)),
            _ => false,
        })
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "a spool file stays behind until the next start");
        }
    }
}

fn parse(body: &[u8], in_stream: InStream, reached: Lsn) -> Result<Message<'_>, Error> {
    Message::parse(body, in_stream).map_err(|error| Refusal::Decoding { position: reached, error }.into())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Spool { path, source: Arc::new(source) }
}

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::{Batch, LogOrder, Op, Route};

use super::framing;
use super::keeper::files;
use super::record::{self, Record};
use crate::file::error;
use crate::{Error, Framing};

/// What every file begins with, before the kind of its events.
pub(super) const MARK: &str = "cdc-retained 1 ";

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest that there is.
    Beginning,
    /// With what was kept then, in milliseconds since 1970, or later.
    Time(u64),
    /// With this event.
    Event(String),
}

/// The events that are kept, from a start up to those that are there now.
#[derive(Debug)]
pub struct Retention {
    folder: PathBuf,
    kind: String,
    files: VecDeque<PathBuf>,
    current: Option<BufReader<File>>,
    /// Reading has not come to it yet.
    start: Option<Start>,
    /// The greatest place in the log that was handed over, and whether it was the tombstone there.
    last: Option<(LogOrder, bool)>,
    routes: HashSet<Arc<Route>>,
    /// Whose schemas were handed over, and under which ID.
    schemas: HashSet<(Route, Vec<u8>)>,
    /// Read, and not handed over yet.
    waiting: VecDeque<Record>,
}

impl Retention {
    /// Of a folder that a pipeline keeps events in, which may be running.
    pub fn open(folder: &Path, start: Start) -> Result<Self, Error> {
        let files: VecDeque<PathBuf> = match files(folder) {
            Ok(files) => files.into_iter().map(|(_, path)| path).collect(),
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => VecDeque::new(),
            Err(error) => return Err(error),
        };
        let mut retention = Self {
            folder: folder.to_owned(),
            kind: String::new(),
            files,
            current: None,
            start: Some(start),
            last: None,
            routes: HashSet::new(),
            schemas: HashSet::new(),
            waiting: VecDeque::new(),
        };
        // The first one, which says what kind they are.
        if let Some(first) = retention.next()? {
            retention.waiting.push_front(first);
        }
        Ok(retention)
    }

    /// How the events are written, as the configuration says it; empty if there are none.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// How they stand in files and requests.
    pub fn framing(&self) -> Framing {
        framing(&self.kind).unwrap_or(Framing::Lines)
    }

    /// Appends events until the batch is full or there are no more; false when there are no more.
    pub fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        while !batch.is_full() {
            let Some(record) = self.next()? else { return Ok(false) };
            let route = self.route(record.route);
            batch.push_encoded(
                record.op,
                &route,
                &record.id,
                record.key.as_deref(),
                record.payload.as_deref(),
            );
        }
        Ok(true)
    }

    /// The next one that is meant, without what a crash had sent again. Rows that come first need schemas of before.
    fn next(&mut self) -> Result<Option<Record>, Error> {
        if let Some(record) = self.waiting.pop_front() {
            return Ok(Some(record));
        }
        let mut schemas = VecDeque::new();
        while let Some(record) = self.read()? {
            let has_begun = match &self.start {
                None | Some(Start::Beginning) => true,
                Some(Start::Time(from_ms)) => record.kept_ms >= *from_ms,
                Some(Start::Event(id)) => record.id == id.as_bytes(),
            };
            if !has_begun && record.op != Op::Schema {
                continue;
            }
            if self.is_repeated(&record) {
                continue;
            }
            schemas.push_back(record);
            if has_begun {
                self.start = None;
                self.waiting = schemas;
                return Ok(self.waiting.pop_front());
            }
        }
        match self.start.take() {
            Some(Start::Event(id)) => Err(Error::NotRetained { id, folder: self.folder.clone() }),
            _ => Ok(None),
        }
    }

    /// Places in the log only grow, but for schemas, which stand at the beginning of each file again. A delete and its
    /// tombstone follow each other under one ID.
    fn is_repeated(&mut self, record: &Record) -> bool {
        if record.op == Op::Schema {
            return !self.schemas.insert((record.route.clone(), record.id.clone()));
        }
        let Some(order) = LogOrder::of_id(&record.id) else { return false };
        let place = Some((order, record.payload.is_none()));
        let is_repeated = place <= self.last;
        if !is_repeated {
            self.last = place;
        }
        is_repeated
    }

    fn read(&mut self) -> Result<Option<Record>, Error> {
        loop {
            if self.current.is_none() {
                let Some(path) = self.files.front() else { return Ok(None) };
                let Some(file) = open(path, &mut self.kind, self.start.is_none())? else {
                    self.files.pop_front();
                    continue;
                };
                self.current = Some(file);
            }
            let (Some(file), Some(path)) = (&mut self.current, self.files.front()) else { return Ok(None) };
            match record::read(file).map_err(|source| error("read", path, source))? {
                Some(record) => return Ok(Some(record)),
                None => {
                    self.current = None;
                    self.files.pop_front();
                }
            }
        }
    }

    fn route(&mut self, route: Route) -> Arc<Route> {
        if let Some(known) = self.routes.get(&route) {
            return Arc::clone(known);
        }
        let route = Arc::new(route);
        self.routes.insert(Arc::clone(&route));
        route
    }
}

/// A file behind its first line, if that is there already. All files from the start on must be of one kind.
fn open(path: &Path, kind: &mut String, is_begun: bool) -> Result<Option<BufReader<File>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Overtaken { path: path.to_owned() });
        }
        Err(source) => return Err(error("open", path, source)),
    };
    let mut file = BufReader::with_capacity(1 << 18, file);
    let mut head = Vec::new();
    file.read_until(b'\n', &mut head).map_err(|source| error("read", path, source))?;
    let text = String::from_utf8_lossy(&head);
    let Some(line) = text.strip_suffix('\n') else { return Ok(None) };
    let found = line
        .strip_prefix(MARK)
        .filter(|kind| framing(kind).is_some())
        .ok_or_else(|| Error::ForeignFile { path: path.to_owned(), expected: "retained events" })?;
    if !is_begun {
        found.clone_into(kind);
    } else if kind != found {
        return Err(Error::MixedRetention {
            path: path.to_owned(),
            before: kind.clone(),
            found: found.to_owned(),
        });
    }
    Ok(Some(file))
}

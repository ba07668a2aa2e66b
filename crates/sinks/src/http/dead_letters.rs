use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::Message;
use hyper::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::spawn_blocking;

use crate::file::{error, folder_of, whole_len};
use crate::framing::table_of;
use crate::{Error, Framing};

/// A file of events that the receiver refuses for good, one JSON object a line, the event as it was sent within it.
///
/// It is opened for each and let go of again: there are few, and whoever looks after it may move it away at any time.
#[derive(Clone, Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    framing: Framing,
    /// How many there were.
    count: Arc<AtomicU64>,
}

impl DeadLetters {
    pub(super) fn new(path: PathBuf, framing: Framing, count: Arc<AtomicU64>) -> Self {
        Self { path, framing, count }
    }

    /// Makes sure that there is a file that can be written to.
    pub(super) async fn open(&self) -> Result<(), Error> {
        let path = self.path.clone();
        blocking(move || open(&path).map(drop)).await
    }

    /// When this returns `Ok`, the event is on the disk.
    pub(super) async fn put(&self, message: &Message<'_>, status: StatusCode) -> Result<(), Error> {
        let line = line(message, status, self.framing, SystemTime::now());
        let path = self.path.clone();
        blocking(move || append(&path, line.as_bytes())).await?;
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

async fn blocking(work: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
    // It ends with the program, and otherwise only by a defect.
    spawn_blocking(work).await.unwrap_or(Err(Error::Stopped))
}

fn line(message: &Message<'_>, status: StatusCode, framing: Framing, now: SystemTime) -> String {
    let payload = message.payload.unwrap_or_default();
    let text = || Value::String(String::from_utf8_lossy(payload).into_owned());
    let event = match framing {
        Framing::Lines => serde_json::from_slice(payload).unwrap_or_else(|_| text()),
        Framing::LengthDelimited => Value::String(STANDARD.encode(payload)),
    };
    let line = json!({
        "refused_at": OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default(),
        "status": status.as_u16(),
        "reason": status.canonical_reason(),
        "id": String::from_utf8_lossy(message.id),
        "table": table_of(message),
        "event": event,
    });
    format!("{line}\n")
}

fn append(path: &Path, line: &[u8]) -> Result<(), Error> {
    let (mut file, len) = open(path)?;
    let written = file.write_all(line).and_then(|()| file.sync_data());
    written.map_err(|source| {
        // What stands there in part would be cut off by the next one; sooner is better on a full disk.
        _ = file.set_len(len);
        error("write to", path, source)
    })
}

/// The file, for us alone while it is held, and how long it is without what a crash left unfinished.
fn open(path: &Path) -> Result<(File, u64), Error> {
    let is_new = !path.exists();
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(|source| error("open", path, source))?;
    file.lock().map_err(|source| error("lock", path, source))?;
    if is_new {
        let folder = folder_of(path);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| error("sync the folder", folder, source))?;
    }
    let len = file.metadata().map_err(|source| error("look at", path, source))?.len();
    let whole = whole_len(&file, len, Framing::Lines)
        .map_err(|source| error("read", path, source))?
        .ok_or_else(|| Error::ForeignFile { path: path.to_owned(), expected: "dead letters, one a line" })?;
    if whole < len {
        file.set_len(whole).map_err(|source| error("cut the torn end off", path, source))?;
    }
    Ok((file, whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Maker;

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn each_says_what_was_refused_and_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused");
        let batch = Maker::json().inserts(1..3);
        let letters = DeadLetters::new(path.clone(), Framing::Lines, Arc::default());
        letters.put(&batch.message(0).unwrap(), StatusCode::BAD_REQUEST).await.unwrap();
        // A crash in the middle of the next.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"status\":4").unwrap();
        letters.put(&batch.message(1).unwrap(), StatusCode::UNPROCESSABLE_ENTITY).await.unwrap();
        let found = lines(&path);
        assert_eq!(found.len(), 2);
        assert_eq!((&found[0]["status"], &found[1]["status"]), (&json!(400), &json!(422)));
        assert_eq!(found[1]["reason"], "Unprocessable Entity");
        assert_eq!(found[1]["table"], "public.orders");
        assert_eq!(found[1]["id"], found[1]["event"]["id"]);
        assert_eq!(letters.count.load(Ordering::Relaxed), 2);

        let protobuf = Maker::protobuf().inserts(1..2);
        let letters = DeadLetters::new(path.clone(), Framing::LengthDelimited, Arc::default());
        letters.put(&protobuf.message(0).unwrap(), StatusCode::BAD_REQUEST).await.unwrap();
        let decoded = STANDARD.decode(lines(&path)[2]["event"].as_str().unwrap()).unwrap();
        assert_eq!(decoded, protobuf.message(0).unwrap().payload.unwrap());
    }

    #[tokio::test]
    async fn a_file_of_something_else_and_a_folder_that_is_not_there_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = folder.path().join("foreign");
        std::fs::write(&foreign, "something else\n").unwrap();
        let open =
            |path: PathBuf| async { DeadLetters::new(path, Framing::Lines, Arc::default()).open().await };
        assert!(matches!(open(foreign).await, Err(Error::ForeignFile { .. })));
        assert!(matches!(open(folder.path().join("no/such")).await, Err(Error::File { .. })));
    }
}

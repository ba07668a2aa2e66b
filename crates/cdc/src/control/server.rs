use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::{Failure, LoadRequest, TableName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{ControlRequest, Reply, Request};
use crate::config::TablePattern;
use crate::status::Status;

/// The socket, served until this is dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
    serving: JoinHandle<()>,
}

/// The socket can't be made.
#[derive(Debug, thiserror::Error)]
#[error("making the control socket {}", path.display())]
pub(crate) struct ControlError {
    path: PathBuf,
    source: io::Error,
}

/// Longer than any request that names a thousand tables.
const REQUEST_BYTES: u64 = 1 << 18;
/// Nobody has a reason for more than a few.
const REQUESTS_WAITING: usize = 4;

impl ControlSocket {
    /// Serves the socket. The pipeline's folder must be ours (its checkpoint is locked), so a socket that is there
    /// already was left behind by a process that is gone, and is replaced.
    pub(crate) fn serve(
        path: &Path,
        status: Arc<Status>,
    ) -> Result<(Self, mpsc::Receiver<ControlRequest>), ControlError> {
        let listener = listen(path).map_err(|source| ControlError { path: path.to_owned(), source })?;
        let (sender, requests) = mpsc::channel(REQUESTS_WAITING);
        let serving = tokio::spawn(accept(listener, status, sender));
        Ok((Self { path: path.to_owned(), serving }, requests))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.serving.abort();
        // Left behind, it is replaced by the next process.
        _ = std::fs::remove_file(&self.path);
    }
}

impl Failure for ControlError {
    fn is_retryable(&self) -> bool {
        false
    }

    fn code(&self) -> &'static str {
        "CDC-CTL-001"
    }
}

/// Under another name until nobody else can open it.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let unready = path.with_extension(format!("{}", std::process::id()));
    _ = std::fs::remove_file(&unready);
    let listener = UnixListener::bind(&unready)?;
    std::fs::set_permissions(&unready, Permissions::from_mode(0o600))?;
    std::fs::rename(&unready, path)?;
    Ok(listener)
}

async fn accept(listener: UnixListener, status: Arc<Status>, requests: mpsc::Sender<ControlRequest>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (status, requests) = (Arc::clone(&status), requests.clone());
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &status, &requests).await {
                        tracing::debug!(%error, "a conversation on the control socket broke off");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: whatever it is, not a reason to stop the pipeline.
                tracing::warn!(%error, "the control socket takes nobody just now");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(
    stream: UnixStream,
    status: &Status,
    requests: &mpsc::Sender<ControlRequest>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        (&mut reader).take(REQUEST_BYTES).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        let is_whole = line.ends_with(b"\n") || (line.len() as u64) < REQUEST_BYTES;
        let reply = match is_whole {
            true => answer(&line, status, requests).await,
            false => Reply::Error { message: format!("a request has at most {REQUEST_BYTES} bytes") },
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        writer.write_all(&text).await?;
        if !is_whole {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], status: &Status, requests: &mpsc::Sender<ControlRequest>) -> Reply {
    match serde_json::from_slice(line) {
        Ok(Request::Status {}) => Reply::Status(Box::new(status.report())),
        Ok(Request::Snapshot { tables, request }) => match snapshot(&tables, request, requests).await {
            Ok(tables) => Reply::Snapshot { tables },
            Err(message) => Reply::Error { message },
        },
        Err(error) => Reply::Error { message: format!("not a request: {error}") },
    }
}

async fn snapshot(
    tables: &[String],
    request: LoadRequest,
    requests: &mpsc::Sender<ControlRequest>,
) -> Result<usize, String> {
    let tables = tables.iter().map(|table| exact(table)).collect::<Result<Vec<_>, _>>()?;
    if tables.is_empty() {
        return Err("name at least one table".to_owned());
    }
    let (reply, answer) = oneshot::channel();
    let stopping = || "the pipeline is stopping".to_owned();
    requests.send(ControlRequest::Snapshot { tables, request, reply }).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?
}

fn exact(table: &str) -> Result<TableName, String> {
    let pattern: TablePattern = table.parse().map_err(|error| format!("{error}"))?;
    pattern.exact().ok_or_else(|| format!("`{table}` has a wildcard: name each table"))
}

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Failure;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Reply, Request};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody is at the socket.
    #[error("the pipeline is not running: nobody answers at {}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// Somebody is, but not for us.
    #[error("asking the pipeline at {}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

/// The pipeline answers between two batches; a load between two units of a few seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Asks the pipeline whose socket this is.
pub(crate) async fn ask(path: &Path, request: &Request) -> Result<Reply, AskError> {
    let broken = |source| AskError::Broken { path: path.to_owned(), source };
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(AskError::NotRunning { path: path.to_owned() });
        }
        Err(error) => return Err(broken(error)),
    };
    match timeout(ANSWER_WITHIN, exchange(stream, request)).await {
        Ok(answer) => answer.map_err(broken),
        Err(_) => Err(broken(io::Error::new(io::ErrorKind::TimedOut, "no answer within a minute"))),
    }
}

async fn exchange(stream: UnixStream, request: &Request) -> io::Result<Reply> {
    let (reader, mut writer) = stream.into_split();
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(reader).read_line(&mut answer).await?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "hung up without an answer"));
    }
    Ok(serde_json::from_str(&answer)?)
}

impl Failure for AskError {
    fn is_retryable(&self) -> bool {
        true
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotRunning { .. } => "CDC-CTL-002",
            Self::Broken { .. } => "CDC-CTL-003",
        }
    }
}

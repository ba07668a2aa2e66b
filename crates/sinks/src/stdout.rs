use std::io::{self, Write};
use std::thread;

use event::{Batch, Sink};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::progress::{Progress, Reporter, progress};
use crate::{Error, Framing};

/// `[sink.stdout]`
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct StdoutOptions {}

/// Events to the standard output; durable once whoever reads it could have them.
#[derive(Debug)]
pub struct Stdout {
    batches: mpsc::Sender<Batch>,
    progress: Progress,
}

impl Stdout {
    /// Starts writing to the process's standard output.
    pub fn open(_options: StdoutOptions, framing: Framing) -> Result<Self, Error> {
        Self::to(io::stdout(), framing)
    }

    fn to(output: impl Write + Send + 'static, framing: Framing) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel(1);
        let (reporter, progress) = progress();
        thread::Builder::new()
            .name("stdout sink".to_owned())
            .spawn(move || run(output, framing, receiver, reporter))
            .map_err(|source| Error::File { doing: "start a thread for", path: "-".into(), source })?;
        Ok(Self { batches: sender, progress })
    }
}

impl Sink for Stdout {
    type Error = Error;

    fn destination(&self) -> String {
        "the standard output".to_owned()
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Error> {
        self.batches.send(batch).await.map_err(|_| self.progress.failure())
    }

    async fn durable(&mut self) -> Result<u64, Error> {
        self.progress.durable().await
    }
}

/// On its own thread: a reader that does not read must not hold up the runtime.
fn run(mut output: impl Write, framing: Framing, mut batches: mpsc::Receiver<Batch>, reporter: Reporter) {
    let mut bytes = Vec::new();
    let mut written = 0;
    while let Some(batch) = batches.blocking_recv() {
        bytes.clear();
        framing.append(&batch, &mut bytes);
        if let Err(source) = output.write_all(&bytes).and_then(|()| output.flush()) {
            return reporter.fail(match source.kind() {
                io::ErrorKind::BrokenPipe => Error::StdoutClosed,
                _ => Error::File { doing: "write to the standard output", path: "-".into(), source },
            });
        }
        written += 1;
        reporter.durable(written);
    }
}

#[cfg(test)]
mod tests {
    use event::{Failure, Lsn, Position};

    use super::*;
    use crate::testing::{Maker, payloads};

    #[tokio::test]
    async fn events_come_out_one_after_another() {
        let maker = Maker::protobuf();
        let batch = maker.inserts([1, 2]);
        let expected: Vec<u8> = payloads(&batch)
            .into_iter()
            .flat_map(|payload| [vec![payload.len() as u8], payload].concat())
            .collect();
        let (mut reader, writer) = io::pipe().unwrap();
        let mut stdout = Stdout::to(writer, Framing::LengthDelimited).unwrap();
        stdout.write(batch).await.unwrap();
        assert_eq!(stdout.durable().await.unwrap(), 1);
        drop(stdout);
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        assert_eq!(bytes, expected);
    }

    #[tokio::test]
    async fn a_closed_pipe_ends_the_pipeline() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut stdout = Stdout::to(writer, Framing::LengthDelimited).unwrap();
        stdout.write(Maker::protobuf().inserts([1])).await.unwrap();
        let error = stdout.durable().await.unwrap_err();
        assert!(matches!(error, Error::StdoutClosed) && !error.is_retryable());
    }

    #[tokio::test]
    async fn an_empty_batch_counts() {
        let mut stdout = Stdout::to(io::sink(), Framing::LengthDelimited).unwrap();
        let mut batch = Maker::protobuf().batch();
        batch.mark(Position::Postgres(Lsn::from(8)), []);
        stdout.write(batch).await.unwrap();
        assert_eq!(stdout.durable().await.unwrap(), 1);
    }
}

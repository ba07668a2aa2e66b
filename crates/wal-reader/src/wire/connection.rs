use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::backend::{Message, NOTICE_RESPONSE_TAG};
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;
use transport::Stream;

use super::buffer::ReadBuffer;
use super::copy_out::CopyOut;
use super::replication::{self, ReplicationReader, ReplicationWriter};
use super::rows::Rows;
use super::server_error;
use crate::error::{Doing, Endpoint, Error};

/// One session with a server, made by [`connect`](super::connect).
///
/// A call whose future is dropped before its end, and a [`CopyOut`] that is dropped before it is read to its end,
/// leave answers on the way that nobody can tell apart from those to the next question: every later call then fails,
/// and a new connection is needed.
pub struct Connection {
    pub(super) stream: Stream,
    pub(super) buffer: ReadBuffer,
    pub(super) outgoing: BytesMut,
    pub(super) endpoint: Endpoint,
    pub(super) parameters: HashMap<String, String>,
    pub(super) backend_pid: i32,
    pub(super) server_version_num: u32,
    /// From sending a question to its ReadyForQuery.
    pub(super) is_waiting: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", &self.endpoint)
            .field("backend_pid", &self.backend_pid)
            .field("is_waiting", &self.is_waiting)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(stream: Stream, endpoint: Endpoint) -> Self {
        Self {
            stream,
            buffer: ReadBuffer::default(),
            outgoing: BytesMut::new(),
            endpoint,
            parameters: HashMap::new(),
            backend_pid: 0,
            server_version_num: 0,
            is_waiting: false,
        }
    }

    /// Runs one or several statements and returns the rows of the last that has any. Without an explicit
    /// transaction, several statements are one (simple query protocol).
    pub async fn query(&mut self, sql: &str) -> Result<Rows, Error> {
        let doing = self.ask(sql).await?;
        let mut rows = Rows::new(self.endpoint.clone(), doing.clone());
        loop {
            match self.answer(&doing).await? {
                Message::RowDescription(description) => {
                    rows = Rows::new(self.endpoint.clone(), doing.clone());
                    rows.describe(&description).map_err(|error| self.not_understood(&doing, error))?;
                }
                Message::DataRow(row) => {
                    rows.push(&row).map_err(|error| self.not_understood(&doing, error))?;
                }
                Message::CommandComplete(_) | Message::EmptyQueryResponse => {}
                Message::ReadyForQuery(_) => {
                    self.is_waiting = false;
                    return Ok(rows);
                }
                _ => return Err(self.unexpected(&doing)),
            }
        }
    }

    /// Runs one or several statements whose rows are of no interest.
    pub async fn execute(&mut self, sql: &str) -> Result<(), Error> {
        self.query(sql).await.map(drop)
    }

    /// Starts a `COPY … TO STDOUT`.
    pub async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, Error> {
        let doing = self.ask(sql).await?;
        match self.answer(&doing).await? {
            Message::CopyOutResponse(_) => Ok(CopyOut::new(self, doing)),
            _ => Err(self.unexpected(&doing)),
        }
    }

    /// Runs `START_REPLICATION …` and becomes the two halves of a stream.
    pub async fn start_replication(
        mut self,
        command: &str,
    ) -> Result<(ReplicationReader, ReplicationWriter), Error> {
        let doing = self.ask(command).await?;
        // CopyBothResponse is the one message here that `postgres-protocol` does not know.
        let tag = self.peek(&doing).await?;
        if tag != COPY_BOTH_RESPONSE_TAG {
            self.answer(&doing).await?;
            return Err(self.unexpected(&doing));
        }
        self.take_message(&doing).await?;
        replication::split(self)
    }

    /// For example 150020 for 15.20, or 180000 for 18beta1.
    pub fn server_version_num(&self) -> u32 {
        self.server_version_num
    }

    /// A setting that the server reports (ParameterStatus), as last reported.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The process that serves this connection.
    pub fn backend_pid(&self) -> i32 {
        self.backend_pid
    }

    /// The server, as messages name it.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How long the server waits for a sign of life of this connection while it replicates; `None`: for ever.
    pub async fn wal_sender_timeout(&mut self) -> Result<Option<Duration>, Error> {
        let rows = self
            .query("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'")
            .await?;
        let timeout_ms = rows.single()?.parse::<u64>("setting")?;
        Ok((timeout_ms > 0).then(|| Duration::from_millis(timeout_ms)))
    }

    /// Ends the session in good order. Dropping the connection ends it as well, with a line in the server's log.
    pub async fn close(mut self) -> Result<(), Error> {
        frontend::terminate(&mut self.outgoing);
        self.send(&"closing the connection".into()).await
    }

    /// Sends a query; returns what to call it.
    async fn ask(&mut self, sql: &str) -> Result<Doing, Error> {
        let doing = name_of(sql);
        if self.is_waiting {
            return Err(Error::Lost {
                server: self.endpoint.clone(),
                doing,
                source: Arc::new(io::Error::other("an earlier answer was not read to its end")),
            });
        }
        frontend::query(sql, &mut self.outgoing).map_err(|error| self.not_understood(&doing, error))?;
        self.is_waiting = true;
        self.send(&doing).await?;
        Ok(doing)
    }

    /// The next message of an answer. An error of the server comes back after all of its answer is read.
    pub(super) async fn answer(&mut self, doing: &Doing) -> Result<Message, Error> {
        match self.receive(doing).await {
            Err(error) if error.server_error().is_some_and(|error| error.severity == "ERROR") => {
                // Another error would be a second answer to the same question, which there is not.
                while !matches!(self.receive(doing).await?, Message::ReadyForQuery(_)) {}
                self.is_waiting = false;
                Err(error)
            }
            received => received,
        }
    }

    /// The next message that is not a mere side note.
    pub(super) async fn receive(&mut self, doing: &Doing) -> Result<Message, Error> {
        loop {
            let mut message = self.take_message(doing).await?;
            let message = Message::parse(&mut message)
                .and_then(|message| message.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
                .map_err(|error| self.not_understood(doing, error))?;
            match message {
                Message::ErrorResponse(body) => {
                    let error = server_error::read(body.fields())
                        .map_err(|error| self.not_understood(doing, error))?;
                    return Err(Error::Server {
                        server: self.endpoint.clone(),
                        doing: doing.clone(),
                        error: Box::new(error),
                    });
                }
                Message::NoticeResponse(body) => {
                    let notice = server_error::read(body.fields())
                        .map_err(|error| self.not_understood(doing, error))?;
                    tracing::debug!(
                        server = %self.endpoint,
                        severity = notice.severity,
                        sqlstate = notice.sqlstate,
                        message = notice.message,
                        "notice"
                    );
                }
                Message::ParameterStatus(body) => {
                    if let (Ok(name), Ok(value)) = (body.name(), body.value()) {
                        self.parameters.insert(name.to_owned(), value.to_owned());
                    }
                }
                Message::NotificationResponse(_) => {}
                message => return Ok(message),
            }
        }
    }

    /// The tag of the next message that is not a notice.
    pub(super) async fn peek(&mut self, doing: &Doing) -> Result<u8, Error> {
        loop {
            self.fill_message(doing).await?;
            match self.buffer.message() {
                Ok(Some([NOTICE_RESPONSE_TAG, ..])) => self.take_message(doing).await.map(drop)?,
                Ok(Some([tag, ..])) => return Ok(*tag),
                _ => return Err(self.unexpected(doing)),
            }
        }
    }

    /// The next whole message, without copying it.
    pub(super) async fn take_message(&mut self, doing: &Doing) -> Result<BytesMut, Error> {
        let bytes = self.fill_message(doing).await?;
        Ok(self.buffer.take(bytes))
    }

    /// As many of the messages that are there as are of this kind, up to about `most_bytes`, without copying them.
    pub(super) fn take_messages(&mut self, tag: u8, most_bytes: usize) -> BytesMut {
        let bytes = self.buffer.run_bytes(tag, most_bytes);
        self.buffer.take(bytes)
    }

    /// Reads until a whole message is there; returns its size.
    async fn fill_message(&mut self, doing: &Doing) -> Result<usize, Error> {
        loop {
            match self.buffer.message() {
                Ok(Some(message)) => return Ok(message.len()),
                Ok(None) => {
                    self.buffer.fill(&mut self.stream).await.map_err(|error| self.lost(doing, error))?
                }
                Err(error) => return Err(self.not_understood(doing, error)),
            }
        }
    }

    /// Sends what was put together in `outgoing`.
    pub(super) async fn send(&mut self, doing: &Doing) -> Result<(), Error> {
        let sent = async {
            self.stream.write_all(&self.outgoing).await?;
            self.stream.flush().await
        }
        .await;
        self.outgoing.clear();
        sent.map_err(|error| self.lost(doing, error))
    }

    pub(super) fn lost(&self, doing: &Doing, error: io::Error) -> Error {
        Error::Lost { server: self.endpoint.clone(), doing: doing.clone(), source: Arc::new(error) }
    }

    pub(super) fn not_understood(&self, doing: &Doing, error: impl fmt::Display) -> Error {
        Error::Protocol { server: self.endpoint.clone(), doing: doing.clone(), problem: error.to_string() }
    }

    pub(super) fn unexpected(&self, doing: &Doing) -> Error {
        self.not_understood(doing, "a message that does not belong there")
    }
}

const COPY_BOTH_RESPONSE_TAG: u8 = b'W';

/// The leading keywords of a statement: enough to tell which one failed, and never a value, a name or a secret.
fn name_of(sql: &str) -> Doing {
    let is_keyword = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let words: Vec<&str> = sql.split_ascii_whitespace().take(3).take_while(is_keyword).collect();
    if words.is_empty() { "a statement".into() } else { words.join(" ").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_without_values() {
        assert_eq!(name_of("START_REPLICATION SLOT \"x\" LOGICAL 0/0"), "START_REPLICATION SLOT");
        assert_eq!(name_of("SELECT 'secret'"), "SELECT");
        assert_eq!(name_of("SET\nLOCAL x = 1"), "SET LOCAL");
        assert_eq!(name_of("select 1"), "a statement");
        assert_eq!(name_of(""), "a statement");
    }
}

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use postgres_protocol::message::backend::{
    COMMAND_COMPLETE_TAG, COPY_DATA_TAG, COPY_DONE_TAG, ERROR_RESPONSE_TAG, Message, NOTICE_RESPONSE_TAG,
    PARAMETER_STATUS_TAG, READY_FOR_QUERY_TAG,
};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use transport::Stream;

use super::buffer::ReadBuffer;
use super::connection::Connection;
use super::frame::Frame;
use super::server_error;
use crate::error::{Doing, Endpoint, Error};

/// The reading half of a replication stream.
///
/// ```no_run
/// # async fn example(mut reader: wal_reader::wire::ReplicationReader) -> Result<(), wal_reader::Error> {
/// loop {
///     while let Some(frame) = reader.frame()? {
///         println!("{frame:?}");
///         reader.consume();
///     }
///     reader.read_more().await?;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct ReplicationReader {
    stream: ReadHalf<Stream>,
    buffer: ReadBuffer,
    endpoint: Endpoint,
    /// Size of the message last shown, until it is consumed.
    shown_bytes: usize,
}

/// The writing half. Usually given to a [`Keepalive`](super::Keepalive).
#[derive(Debug)]
pub struct ReplicationWriter {
    stream: WriteHalf<Stream>,
    endpoint: Endpoint,
}

/// How far the log has been used, as told to the server: it keeps what lies behind `flushed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Received.
    pub written: u64,
    /// Safe: after a crash nothing before it is asked for again.
    pub flushed: u64,
    /// Visible at the target.
    pub applied: u64,
}

/// Splits a connection whose server has just answered with CopyBothResponse.
pub(super) fn split(connection: Connection) -> Result<(ReplicationReader, ReplicationWriter), Error> {
    let Connection { mut stream, buffer, endpoint, .. } = connection;
    stream.set_paced().map_err(|error| Error::Lost {
        server: endpoint.clone(),
        doing: READING,
        source: Arc::new(error),
    })?;
    let (reading, writing) = tokio::io::split(stream);
    let reader = ReplicationReader { stream: reading, buffer, endpoint: endpoint.clone(), shown_bytes: 0 };
    Ok((reader, ReplicationWriter { stream: writing, endpoint }))
}

const READING: Doing = Doing::Borrowed("reading the replication stream");
const WRITING: Doing = Doing::Borrowed("acknowledging the replication stream");

impl ReplicationReader {
    /// Waits until more bytes have come. Cancel-safe. While much arrives, reads are put off by a fraction of a
    /// millisecond, which spares the server and us a wake-up for every row.
    pub async fn read_more(&mut self) -> Result<(), Error> {
        self.buffer.fill(&mut self.stream).await.map_err(|error| Error::Lost {
            server: self.endpoint.clone(),
            doing: READING,
            source: Arc::new(error),
        })
    }

    /// The next whole frame of the buffer, as often as asked until it is [consumed](Self::consume); `None`: more
    /// bytes are needed. An error that the server sent comes back as an error.
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        self.skip_side_notes()?;
        let message = match self.buffer.message() {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(None),
            Err(error) => return Err(not_understood(&self.endpoint, error)),
        };
        self.shown_bytes = message.len();
        match message {
            [COPY_DATA_TAG, _, _, _, _, payload @ ..] => match Frame::parse(payload) {
                Some(frame) => Ok(Some(frame)),
                None => Err(not_understood(&self.endpoint, "a frame that is neither XLogData nor keepalive")),
            },
            [COPY_DONE_TAG | COMMAND_COMPLETE_TAG, ..] => Ok(Some(Frame::CopyDone)),
            [ERROR_RESPONSE_TAG, ..] => Err(server_said(&self.endpoint, message)),
            _ => Err(not_understood(&self.endpoint, "a message that does not belong there")),
        }
    }

    /// Drops the frame last shown.
    pub fn consume(&mut self) {
        self.buffer.consume(std::mem::take(&mut self.shown_bytes));
    }

    fn skip_side_notes(&mut self) -> Result<(), Error> {
        loop {
            match self.buffer.message() {
                Ok(Some(
                    message @ [NOTICE_RESPONSE_TAG | PARAMETER_STATUS_TAG | READY_FOR_QUERY_TAG, ..],
                )) => {
                    warns_of_loss(&self.endpoint, message)?;
                    let bytes = message.len();
                    self.buffer.consume(bytes);
                }
                Ok(_) => return Ok(()),
                Err(error) => return Err(not_understood(&self.endpoint, error)),
            }
        }
    }
}

/// Since 18 a publication that did not exist yet at a change is a warning, and the change is left out
/// (`LoadPublications` in pgoutput.c): that its SQLSTATE is 55000 is all that tells it from idle talk.
fn warns_of_loss(endpoint: &Endpoint, message: &[u8]) -> Result<(), Error> {
    let Ok(Some(Message::NoticeResponse(notice))) = Message::parse(&mut BytesMut::from(message)) else {
        return Ok(());
    };
    match server_error::read(notice.fields()) {
        Ok(warning) if warning.sqlstate == "55000" => {
            Err(Error::Server { server: endpoint.clone(), doing: READING, error: Box::new(warning) })
        }
        _ => Ok(()),
    }
}

fn server_said(endpoint: &Endpoint, message: &[u8]) -> Error {
    let error = match Message::parse(&mut BytesMut::from(message)) {
        Ok(Some(Message::ErrorResponse(body))) => server_error::read(body.fields()),
        Ok(_) => Err(io::ErrorKind::InvalidData.into()),
        Err(error) => Err(error),
    };
    match error {
        Ok(error) => Error::Server { server: endpoint.clone(), doing: READING, error: Box::new(error) },
        Err(error) => not_understood(endpoint, error),
    }
}

fn not_understood(endpoint: &Endpoint, problem: impl ToString) -> Error {
    Error::Protocol { server: endpoint.clone(), doing: READING, problem: problem.to_string() }
}

impl ReplicationWriter {
    /// Sends a standby status update.
    pub async fn send_status(&mut self, status: Status) -> Result<(), Error> {
        let mut update = Vec::with_capacity(34);
        update.push(b'r');
        update.extend(status.written.to_be_bytes());
        update.extend(status.flushed.to_be_bytes());
        update.extend(status.applied.to_be_bytes());
        update.extend(microseconds_since_2000(SystemTime::now()).to_be_bytes());
        // We ask for no reply.
        update.push(0);
        let mut message = BytesMut::new();
        frontend::CopyData::new(update.as_slice()).map_err(|error| self.lost(error))?.write(&mut message);
        self.send(&message).await
    }

    /// Tells the server that the stream is to end. It answers with its own CopyDone once it has noticed.
    pub async fn copy_done(&mut self) -> Result<(), Error> {
        let mut message = BytesMut::new();
        frontend::copy_done(&mut message);
        self.send(&message).await
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        let sent = async {
            self.stream.write_all(message).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| self.lost(error))
    }

    fn lost(&self, error: io::Error) -> Error {
        Error::Lost { server: self.endpoint.clone(), doing: WRITING, source: Arc::new(error) }
    }
}

fn microseconds_since_2000(now: SystemTime) -> i64 {
    const UNIX_TO_2000_US: i64 = 946_684_800_000_000;
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX).saturating_sub(UNIX_TO_2000_US)
}

#[cfg(test)]
pub(super) mod tests;

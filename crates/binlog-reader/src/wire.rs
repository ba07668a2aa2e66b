//! The connection that a log comes over.
//!
//! SQL goes through the driver. A log does not: its events are read where they lie in the buffer that they were received
//! in, however large a transaction is. Reads are not paced: a server gathers events before it sends them. [`Wire::connect`] logs in by the same URL and the same rules.

mod connect;
mod login;
mod tls;

use std::io;

use decoder::packets::Frames;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transport::Stream;

use crate::error::{Doing, Endpoint, Error, ServerError};

/// An open connection that speaks in packets.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    frames: Frames,
    server: Endpoint,
    doing: Doing,
}

/// How an answer begins that is no error, and an event.
pub(crate) const OK: u8 = 0x00;
const ERROR: u8 = 0xFF;
/// What a packet with this first byte may be long to be an end of the stream.
const END: u8 = 0xFE;
const MAX_END_LEN: usize = 9;

impl Wire {
    fn new(stream: Stream, server: Endpoint) -> Self {
        Self { stream, frames: Frames::default(), server, doing: "connecting".into() }
    }

    /// What errors say that was being done.
    pub(crate) fn begin(&mut self, doing: impl Into<Doing>) {
        self.doing = doing.into();
    }

    /// Runs a statement that gives no rows.
    pub(crate) async fn execute(&mut self, sql: &str) -> Result<(), Error> {
        const QUERY: u8 = 0x03;
        self.begin(sql.to_owned());
        self.command(&[&[QUERY], sql.as_bytes()].concat()).await
    }

    /// Runs a command that is answered by yes or no.
    pub(crate) async fn command(&mut self, command: &[u8]) -> Result<(), Error> {
        self.send(command).await?;
        match self.receive().await? {
            [OK, ..] => Ok(()),
            _ => Err(self.unexpected("an answer that is neither yes nor no")),
        }
    }

    /// Begins a command.
    pub(crate) async fn send(&mut self, command: &[u8]) -> Result<(), Error> {
        self.frames.begin_command();
        self.write(command).await
    }

    /// Sends a packet.
    async fn write(&mut self, packet: &[u8]) -> Result<(), Error> {
        let framed = self.frames.framed(packet).map_err(|error| self.unexpected(error))?;
        let written = async {
            self.stream.write_all(&framed).await?;
            self.stream.flush().await
        };
        written.await.map_err(|error| self.lost(&error))
    }

    /// Waits for a packet. What the server has against something is an error.
    async fn receive(&mut self) -> Result<&[u8], Error> {
        self.frames.consume();
        while !self.frames.advance().map_err(|error| self.unexpected(error))? {
            self.fill().await?;
        }
        self.packet()
    }

    /// Drops the packet that was moved on to last, and moves on to the next one if all of it has come.
    pub(crate) fn advance(&mut self) -> Result<bool, Error> {
        self.frames.consume();
        self.frames.advance().map_err(|error| self.unexpected(error))
    }

    /// The packet that was moved on to, as it is.
    pub(crate) fn shown(&self) -> &[u8] {
        self.frames.packet()
    }

    /// The packet that was moved on to, unless the server says no.
    pub(crate) fn packet(&self) -> Result<&[u8], Error> {
        match self.frames.packet() {
            [ERROR, said @ ..] => Err(self.refused(said)),
            packet @ [END, ..] if packet.len() < MAX_END_LEN => {
                Err(Error::StreamEnded { server: self.server.clone() })
            }
            packet => Ok(packet),
        }
    }

    /// What has come of a large packet, as long as it was not moved on to.
    pub(crate) fn large(&self) -> Option<&[u8]> {
        self.frames.large()
    }

    /// The next piece of that packet; empty at its end, none if more has to come.
    pub(crate) fn piece(&mut self) -> Result<Option<&[u8]>, Error> {
        match self.frames.piece() {
            Ok(piece) => Ok(piece),
            Err(error) => Err(unexpected(&self.server, &self.doing, error)),
        }
    }

    /// Waits until more has come. Cancel-safe.
    pub(crate) async fn fill(&mut self) -> Result<(), Error> {
        let read = self.stream.read(self.frames.room()).await;
        let read = read.and_then(|read| match read {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            read => Ok(read),
        });
        let read = read.map_err(|error| self.lost(&error))?;
        self.frames.add(read);
        Ok(())
    }

    /// Says good-bye.
    pub(crate) async fn close(mut self) {
        const QUIT: u8 = 0x01;
        // Nothing depends on it: the server ends a session whose connection ends.
        if self.send(&[QUIT]).await.is_ok() {
            drop(self.stream.shutdown().await);
        }
    }

    /// A number, a mark and five characters (not while there are too many connections), and a text.
    fn refused(&self, said: &[u8]) -> Error {
        let (number, rest) = said.split_first_chunk().unwrap_or((&[0; 2], said));
        let (sqlstate, message) = match rest {
            [b'#', rest @ ..] => rest.split_at_checked(5).unwrap_or_default(),
            message => (&b"HY000"[..], message),
        };
        let error = ServerError {
            number: u16::from_le_bytes(*number),
            sqlstate: String::from_utf8_lossy(sqlstate).into_owned(),
            message: String::from_utf8_lossy(message).into_owned(),
        };
        Error::Server { server: self.server.clone(), doing: self.doing.clone(), error }
    }

    fn lost(&self, error: &io::Error) -> Error {
        Error::Lost { server: self.server.clone(), doing: self.doing.clone(), problem: error.to_string() }
    }

    pub(crate) fn unexpected(&self, problem: impl ToString) -> Error {
        unexpected(&self.server, &self.doing, problem)
    }
}

fn unexpected(server: &Endpoint, doing: &Doing, problem: impl ToString) -> Error {
    Error::Protocol { server: server.clone(), doing: doing.clone(), problem: problem.to_string() }
}

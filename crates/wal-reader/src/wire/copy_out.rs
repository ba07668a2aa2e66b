use bytes::Bytes;
use postgres_protocol::message::backend::{COPY_DATA_TAG, Message};

use super::connection::Connection;
use crate::error::{Doing, Error};

/// The rows of a running `COPY … TO STDOUT`.
///
/// Read it to its end, or give up the connection.
#[derive(Debug)]
pub struct CopyOut<'a> {
    connection: &'a mut Connection,
    doing: Doing,
    is_over: bool,
}

/// Rows that came at once: whole CopyData messages.
#[derive(Debug, Default)]
pub struct CopyRows {
    messages: Bytes,
    read: usize,
}

impl CopyRows {
    /// The next CopyData payload: one row in the text and CSV formats.
    pub fn next_row(&mut self) -> Option<&[u8]> {
        let message = self.messages.get(self.read..)?;
        let [_, length @ ..] = message.first_chunk::<5>()?;
        let bytes = 1 + u32::from_be_bytes(*length) as usize;
        self.read += bytes;
        message.get(5..bytes)
    }

    /// Whether all of them were taken.
    pub fn is_empty(&self) -> bool {
        self.read >= self.messages.len()
    }

    /// How many bytes they are, with what is around the rows.
    pub fn len_bytes(&self) -> usize {
        self.messages.len()
    }
}

impl<'a> CopyOut<'a> {
    pub(super) fn new(connection: &'a mut Connection, doing: Doing) -> Self {
        Self { connection, doing, is_over: false }
    }

    /// The next rows, as many as have come, up to about `most_bytes`. `None` after the last, once the server has
    /// confirmed that it was the last. The bytes are not copied: they keep the piece of the read buffer alive that they
    /// are a part of, so don't hold few of them for long.
    pub async fn next(&mut self, most_bytes: usize) -> Result<Option<CopyRows>, Error> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            if self.connection.peek(&self.doing).await? == COPY_DATA_TAG {
                let messages = self.connection.take_messages(COPY_DATA_TAG, most_bytes).freeze();
                return Ok(Some(CopyRows { messages, read: 0 }));
            }
            match self.connection.answer(&self.doing).await? {
                Message::CopyDone | Message::CommandComplete(_) => {}
                Message::ReadyForQuery(_) => {
                    self.connection.is_waiting = false;
                    self.is_over = true;
                    return Ok(None);
                }
                _ => return Err(self.connection.unexpected(&self.doing)),
            }
        }
    }
}

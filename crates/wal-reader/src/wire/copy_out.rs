use bytes::{Buf, Bytes};
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

impl<'a> CopyOut<'a> {
    pub(super) fn new(connection: &'a mut Connection, doing: Doing) -> Self {
        Self { connection, doing, is_over: false }
    }

    /// The next CopyData payload: one row in the text and CSV formats. `None` after the last, once the server has
    /// confirmed that it was the last. The bytes are not copied: each keeps the piece of the read buffer alive that it
    /// is a part of, so don't hold single ones for long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            if self.connection.peek(&self.doing).await? == COPY_DATA_TAG {
                let mut payload = self.connection.take_message(&self.doing).await?;
                payload.advance(5);
                return Ok(Some(payload.freeze()));
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

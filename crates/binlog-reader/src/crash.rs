//! Files of MariaDB's log that a crash cut off.
//!
//! MySQL cuts half a transaction off the end of its log when it starts again; MariaDB leaves it there and goes on in
//! another file (`MYSQL_BIN_LOG::do_binlog_recovery` in log.cc). The transaction is rolled back, though its first rows are
//! in the log like any others. So in a file that was not closed, rows wait for the end of their transaction.

use crate::error::{Error, FATAL_READING_BINLOG};
use crate::session::{Session, quote_text};
use crate::system::{self, LogFile};

/// Whether this file was not closed by its server, and is not written any more.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn has_cut_off(session: &mut Session, file: &LogFile) -> Result<bool, Error> {
    let files = system::files(session).await?;
    let size = files.iter().find(|(known, _)| known == file).map(|(_, size)| *size);
    let next = files.iter().find(|(next, _)| next.number == file.number.saturating_add(1));
    let (Some(size), Some((next, _))) = (size, next) else { return Ok(false) };
    for (event, len) in [("Stop", HEADER_LEN), ("Rotate", HEADER_LEN + 8 + next.name().len() as u64)] {
        for checksum_len in [CHECKSUM_LEN, 0] {
            if last_is(session, file, size.saturating_sub(len + checksum_len), event).await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

const HEADER_LEN: u64 = 19;
const CHECKSUM_LEN: u64 = 4;

async fn last_is(session: &mut Session, file: &LogFile, offset: u64, event: &str) -> Result<bool, Error> {
    /// `ER_ERROR_WHEN_EXECUTING_COMMAND`: no event begins there.
    const WRONG_OFFSET: u16 = 1220;
    let sql = format!("SHOW BINLOG EVENTS IN {} FROM {offset} LIMIT 1", quote_text(&file.name()));
    match session.first_row(&sql).await {
        Ok(row) => Ok(row.and_then(|row| row.get::<String, _>(2)).is_some_and(|found| found == event)),
        Err(Error::Server { error, .. }) if error.number == WRONG_OFFSET => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a server says that it came to the end of such a file.
pub(crate) fn is_end_of_cut_off(error: &Error) -> bool {
    matches!(error, Error::Server { error, .. }
        if error.number == FATAL_READING_BINLOG && error.message.contains("truncated in the middle of event"))
}

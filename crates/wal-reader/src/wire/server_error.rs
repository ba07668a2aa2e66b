use std::io;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorFields;

use crate::error::ServerError;

/// Reads the fields of an ErrorResponse or NoticeResponse
/// (<https://www.postgresql.org/docs/current/protocol-error-fields.html>). Where in a row's text the server stumbled
/// (`W`, context) is left out: it can quote values.
pub(super) fn read(mut fields: ErrorFields<'_>) -> io::Result<ServerError> {
    let mut error = ServerError::default();
    while let Some(field) = fields.next()? {
        // Before the encoding is settled the server may answer in any.
        let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            // `S` is translated and comes first; `V` is not.
            b'S' if error.severity.is_empty() => error.severity = text,
            b'V' => error.severity = text,
            b'C' => error.sqlstate = text,
            b'M' => error.message = text,
            b'D' => error.detail = Some(text),
            b'H' => error.hint = Some(text),
            _ => {}
        }
    }
    Ok(error)
}
